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

// One order to move a group, from check to answer:
//
// clang-format off
//   check -> hold the group back in this process -> members and positions -> targets, checked
//         -> dry run: done
//         -> close this process's subscription, if it lingers or by force -> positions once more
//         -> write, for a while again and again if that was closed -> let the group begin -> done
//            (a static member stays one until its session is over, however it ends: so long, too)
// clang-format on
//
// Nothing is disturbed before everything that can be checked is: a refused order changes nothing.
// While the group is held back streams may open; they get nothing until the group begins.
//
// Ownership: its callbacks, each in turn. Thread safety: none is needed, one step runs at a time.
class SeekJob final : public std::enable_shared_from_this<SeekJob> {
 public:
  using Done = Operations::Done<SeekResult>;

  static void Start(const OperateWorld& world, std::shared_ptr<Gate> gate, SeekOrder order,
                    Done done);

 private:
  using Key = std::pair<std::string, std::int32_t>;  // topic with prefix, partition
  using Offsets = std::map<Key, std::int64_t>;

  SeekJob(const OperateWorld& world, std::shared_ptr<Gate> gate, SeekOrder order, Done done);

  void Run();
  absl::Status CheckOrder() const;
  absl::Status CheckHere();
  void Describe(void (SeekJob::*then)(GroupDescription));
  std::vector<GroupMember> OthersOf(const GroupDescription& found) const;
  bool OneOfUsIsJoining() const;
  absl::Status MembersLeft(const std::vector<GroupMember>& others) const;
  void OnDescribed(GroupDescription found);
  void OnTargets(const std::vector<Position>& found);
  void OnBounds(const std::vector<Position>& begins, const std::vector<Position>& ends);
  void SetTargets(Offsets targets);
  void CloseHere();
  void LogEndOfStreams() const;
  void OnClosed(GroupDescription found);
  void Write();
  void OnWritten(const absl::Status& written);
  void FindOffsets(StartPosition::At at, absl::AnyInvocable<void(std::vector<Position>)> then);
  void Fail(absl::Status why);
  void Finish(absl::StatusOr<SeekResult> result);

  absl::Status MissingTopic(const std::vector<Position>& found) const;
  std::vector<Position> WithoutPrefix(const Offsets& offsets) const;

  const OperateWorld world_;
  const std::shared_ptr<Gate> gate_;
  const SeekOrder order_;
  Done done_;
  std::shared_ptr<void> hold_;
  std::vector<std::shared_ptr<Subscription>> here_;  // have a consumer, or had
  std::vector<std::string> topics_;                  // with prefix
  Offsets stands_;
  Offsets targets_;
  SteadyTime describe_until_{};
  SteadyTime write_until_{};
};

}  // namespace sidebus
