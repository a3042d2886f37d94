#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/routing/router.h"
#include "server/subscribe/group_state.h"

namespace sidebus {

// What the status page shows and /metrics does not say.
struct StatusReport {
  struct Group {
    GroupState state;  // its name empty: a broadcast
    std::vector<PartitionState> partitions;
  };

  std::string version;
  std::string revision;
  std::string broker;  // "kafka" or "embedded"
  bool broker_reachable = false;
  bool ready = false;
  bool draining = false;
  SystemTime now{};
  std::shared_ptr<const Router> router;  // null: not configured yet
  std::vector<Group> groups;
  std::vector<Problem> problems;  // newest first
};

// Who knows. Called on the HTTP threads; must not block.
class StatusSource {
 public:
  virtual ~StatusSource() = default;
  virtual StatusReport Report() const = 0;
};

// As JSON, for the page. Of the partitions of a group those that are held back longest, at most
// kShownPartitions; how many there are is said beside them.
inline constexpr std::size_t kShownPartitions = 100;
std::string StatusJson(const StatusReport& report);

}  // namespace sidebus
