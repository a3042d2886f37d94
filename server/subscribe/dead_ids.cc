#include "server/subscribe/dead_ids.h"

#include "server/base/error.h"

namespace sidebus {

void DeadIds::Add(std::uint64_t id, Why why, SteadyTime now) {
  ForgetOld(now);
  if (!why_.insert_or_assign(id, why).second) return;
  oldest_first_.push_back({now + kKept, id});
  if (oldest_first_.size() <= kMaxIds) return;
  why_.erase(oldest_first_.front().id);
  oldest_first_.pop_front();
}

absl::Status DeadIds::ErrorFor(std::uint64_t id, SteadyTime now) {
  ForgetOld(now);
  const auto known = why_.find(id);
  if (known == why_.end()) {
    return MakeError(Reason::kDeliveryUnknown,
                     "no such delivery is held: it was never given on this stream, or is settled");
  }
  if (known->second == Why::kRevoked) {
    return MakeError(Reason::kDeliveryRevoked,
                     "the partition belongs to another member now, which gets the event again");
  }
  return MakeError(Reason::kLeaseExpired,
                   "the lease was over, the event is delivered again: extend in time, or ask for a "
                   "longer lease");
}

void DeadIds::ForgetOld(SteadyTime now) {
  while (!oldest_first_.empty() && oldest_first_.front().until <= now) {
    why_.erase(oldest_first_.front().id);
    oldest_first_.pop_front();
  }
}

}  // namespace sidebus
