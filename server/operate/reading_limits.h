#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "server/base/memory_budget.h"
#include "server/base/mutex.h"

namespace sidebus {

// What the jobs that read dead letters may have, all of them together: at most half of the memory of
// dead letters, so that new ones can be written whatever operators do; and each group once.
//
// Both methods return what holds it until it is destroyed, or null when there is none.
//
// Ownership: shared by the jobs, which borrow the budget through it. Thread safety: any thread.
class ReadingLimits : public std::enable_shared_from_this<ReadingLimits> {
 public:
  explicit ReadingLimits(MemoryBudget& dead_letters)
      : dead_letters_(dead_letters), all_(dead_letters.limit() / 2) {}

  std::shared_ptr<void> TakeMemory(std::uint64_t bytes) {
    if (!all_.TryTake(bytes)) return nullptr;
    if (!dead_letters_.TryTake(bytes)) {
      all_.Return(bytes);
      return nullptr;
    }
    return Hold([bytes](ReadingLimits& limits) {
      limits.all_.Return(bytes);
      limits.dead_letters_.Return(bytes);
    });
  }

  std::shared_ptr<void> Claim(const std::string& group) {
    {
      MutexLock lock(mu_);
      if (!groups_.insert(group).second) return nullptr;
    }
    return Hold([group](ReadingLimits& limits) {
      MutexLock lock(limits.mu_);
      limits.groups_.erase(group);
    });
  }

  // Of all of them together.
  std::uint64_t memory() const { return all_.limit(); }

 private:
  template <typename Undo>
  std::shared_ptr<void> Hold(Undo undo) {
    return {this, [self = shared_from_this(), undo](void*) { undo(*self); }};
  }

  MemoryBudget& dead_letters_;
  MemoryBudget all_;
  Mutex mu_;
  std::set<std::string> groups_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
