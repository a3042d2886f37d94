#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/gate.h"
#include "server/operate/operate_world.h"
#include "server/operate/operations.h"

namespace sidebus {

// Joins what this process knows of a group with what the broker knows:
//
//   subscriptions of this process -> members and positions -> ends of the logs -> done
//
// Ownership: its callbacks, each in turn. Thread safety: none is needed, one step runs at a time.
class ExplainJob final : public std::enable_shared_from_this<ExplainJob> {
 public:
  using Done = Operations::Done<GroupExplanation>;

  static void Start(const OperateWorld& world, std::shared_ptr<Gate> gate, std::string group,
                    Done done);

 private:
  using Key = std::pair<std::string, std::int32_t>;  // topic without prefix, partition

  ExplainJob(const OperateWorld& world, std::shared_ptr<Gate> gate, std::string group, Done done);

  void LookInside();
  void OnDescribed(absl::StatusOr<GroupDescription> found);
  void OnEnds(const absl::StatusOr<std::vector<Position>>& ends);
  void Finish();
  // Null: the topic is not one of this gateway's, for it lacks the prefix.
  PartitionState* StateOf(const std::string& full_topic, std::int32_t partition);

  const OperateWorld world_;
  const std::shared_ptr<Gate> gate_;
  const std::string group_;
  Done done_;
  std::map<Key, PartitionState> states_;
};

}  // namespace sidebus
