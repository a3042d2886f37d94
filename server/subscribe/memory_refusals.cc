#include "server/subscribe/memory_refusals.h"

#include <algorithm>
#include <utility>

namespace sidebus {

void MemoryRefusals::Note(const std::string& group, std::vector<std::string> topics,
                          std::uint64_t bytes, const absl::Status& why, SteadyTime now) {
  MutexLock lock(mu_);
  std::erase_if(groups_, [now](const auto& one) { return one.second.until <= now; });
  if (groups_.size() >= kMaxGroups && !groups_.contains(group)) return;
  groups_[group] = {std::move(topics), bytes, why, now + kKept};
}

absl::Status MemoryRefusals::Check(const std::string& group, const std::vector<std::string>& topics,
                                   std::uint64_t bytes, SteadyTime now) const {
  MutexLock lock(mu_);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return absl::OkStatus();
  const Refused& refused = found->second;
  const bool has_all =
      std::all_of(refused.topics.begin(), refused.topics.end(), [&topics](const auto& topic) {
        return std::find(topics.begin(), topics.end(), topic) != topics.end();
      });
  return has_all && bytes <= refused.bytes && now < refused.until ? refused.why : absl::OkStatus();
}

}  // namespace sidebus
