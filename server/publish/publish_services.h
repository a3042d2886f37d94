#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "server/base/clock.h"
#include "server/base/memory_budget.h"
#include "server/metrics/publish_metrics.h"

namespace sidebus {

// What calls share: where their memory is accounted and their outcomes counted.
struct PublishServices {
  MemoryBudget& budget;
  const Clock& clock;
  Timers& timers;
  PublishMetrics& metrics;
  std::atomic<std::size_t> events_in_flight{0};   // handed on, their call not answered
  std::atomic<std::uint64_t> bytes_in_flight{0};  // of records that are not freed

  void TakeBytes(std::uint64_t bytes) {
    budget.Take(bytes);
    bytes_in_flight.fetch_add(bytes, std::memory_order_relaxed);
  }
  void ReturnBytes(std::uint64_t bytes) {
    budget.Return(bytes);
    bytes_in_flight.fetch_sub(bytes, std::memory_order_relaxed);
  }
};

}  // namespace sidebus
