#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "server/rpc/call_task.h"
#include "server/rpc/read_slots.h"

namespace sidebus {

// Reads the one message of unary calls, as many at a time as there are slots.
//
// Ownership: outlives the loops. Thread safety: Read() is called on the loops' threads.
class UnaryReader {
 public:
  using Then = absl::AnyInvocable<void(CallRef, grpc::ByteBuffer) &&>;

  // `options` for each of `loops` loops.
  UnaryReader(std::size_t loops, const ReadSlots::Options& options) {
    for (std::size_t i = 0; i < loops; ++i) slots_.push_back(std::make_unique<ReadSlots>(options));
  }

  // Reads, then calls `then` on the loop's thread. When that cannot be, ends the call: cancelled,
  // or RESOURCE_EXHAUSTED MEMORY_BUDGET with its message unread.
  CallTask Read(CallRef call, Then then);

 private:
  std::vector<std::unique_ptr<ReadSlots>> slots_;  // by loop
};

// Too much is in memory, or waits to be.
absl::Status NoMemoryForRequests();

}  // namespace sidebus
