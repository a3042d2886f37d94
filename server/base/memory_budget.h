#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace sidebus {

// A bound on bytes that several owners share: one part (publish, subscribe, dead letters) of
// `limits.memory`.
//
// Thread safety: all methods may be called from any thread.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit) : limit_(limit) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // Takes `bytes`, or nothing (false) when they do not fit.
  bool TryTake(std::uint64_t bytes) {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ || used > limit_ - bytes) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }

  // Takes `bytes` even beyond the limit, for what is in memory already.
  void Take(std::uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }

  // Gives back what was taken.
  void Return(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t limit() const { return limit_; }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0};
};

}  // namespace sidebus
