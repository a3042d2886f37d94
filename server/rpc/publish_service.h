#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/memory_budget.h"
#include "server/publish/publisher.h"
#include "server/rpc/call_task.h"
#include "server/rpc/server_call.h"
#include "server/rpc/unary_reader.h"

namespace sidebus {

// What the API lets a client send.
struct RequestLimits {
  std::uint64_t max_event_bytes = 1'000'000;
  std::uint64_t max_request_bytes = 4 << 20;
  std::uint32_t max_events_per_request = 1000;
};

// The end of a call, on the steady clock; zero without a deadline. To be called once,
// when the call arrives.
SteadyTime DeadlineOf(const ServerCall& call, const Clock& clock);

// The method Publish.
//
//   accepted -> reading slot -> read -> counted, admitted by the memory budget -> parsed ->
//   Publisher answered on a thread of the producer's, or the loop's (PublishWait) <------------'
//
// Bound on memory: `budget / max_request_bytes` calls (at least one) are reading at a time; as many
// as fit into the budget with an unread look-ahead each may wait for that; what was read counts in
// the budget, first here (as what it becomes when it is parsed: request_shape.h), then with the
// publisher. More is answered RESOURCE_EXHAUSTED MEMORY_BUDGET.
//
// Ownership: outlives the loops. Thread safety: Serve() is called on the loops' threads.
class PublishService {
 public:
  PublishService(Publisher& publisher, MemoryBudget& budget, const RequestLimits& limits,
                 std::uint64_t lookahead_bytes, std::size_t loops, Duration read_time_out,
                 const Clock& clock);

  void Serve(CallRef call);

 private:
  CallTask Publish(CallRef call, grpc::ByteBuffer message, SteadyTime deadline);
  absl::StatusOr<PublishBatch> Admit(const ServerCall& call, grpc::ByteBuffer& message,
                                     SteadyTime deadline) const;

  Publisher& publisher_;
  MemoryBudget& budget_;
  const RequestLimits limits_;
  const Clock& clock_;
  UnaryReader reader_;
};

}  // namespace sidebus
