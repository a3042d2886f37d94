#pragma once

#include <cstdint>
#include <deque>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "server/base/clock.h"

namespace sidebus {

// Delivery ids of one stream that ended against its will: why, for a minute, so that a late settle
// gets an answer that explains. At most kMaxIds of them; then the oldest are forgotten and answered
// as unknown.
//
// Thread safety: none.
class DeadIds {
 public:
  static constexpr Duration kKept = std::chrono::seconds(60);
  static constexpr std::size_t kMaxIds = 10'000;

  enum class Why : std::uint8_t { kLeaseExpired, kRevoked };

  void Add(std::uint64_t id, Why why, SteadyTime now);

  // A late settle counted after all: from now on `id` is unknown, as any that is settled.
  void Forget(std::uint64_t id) { why_.erase(id); }

  // What a settle of `id` is told: LEASE_EXPIRED, DELIVERY_REVOKED or DELIVERY_UNKNOWN.
  absl::Status ErrorFor(std::uint64_t id, SteadyTime now);

  std::size_t size() const { return why_.size(); }

 private:
  struct Entry {
    SteadyTime until;
    std::uint64_t id;
  };

  void ForgetOld(SteadyTime now);

  std::deque<Entry> oldest_first_;
  absl::flat_hash_map<std::uint64_t, Why> why_;
};

}  // namespace sidebus
