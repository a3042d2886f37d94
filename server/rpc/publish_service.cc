#include "server/rpc/publish_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "server/rpc/event_conversions.h"
#include "server/rpc/message_buffer.h"
#include "server/rpc/publish_wait.h"
#include "server/rpc/request_shape.h"

namespace sidebus {
namespace {

constexpr EventMessage kPublishRequest = {"sidebus.v1.PublishRequest", "the request",
                                          ": send less at once, or use PublishStream",
                                          sidebus::v1::PublishRequest::kEventsFieldNumber};

// Calls that read at a time, and calls that may wait for that, so that both together fit.
ReadSlots::Options SlotsOf(const MemoryBudget& budget, std::uint64_t largest,
                           std::uint64_t lookahead, std::size_t loops, Duration time_out) {
  const auto share = [&](std::uint64_t bytes) {
    return std::max<std::size_t>(1, budget.limit() / bytes / loops);
  };
  return {.slots = share(largest), .max_waiting = share(lookahead), .time_out = time_out};
}

}  // namespace

SteadyTime DeadlineOf(const ServerCall& call, const Clock& clock) {
  const auto left = call.TimeLeft();
  return left.has_value() ? clock.Now() + *left : SteadyTime{};
}

PublishService::PublishService(Publisher& publisher, MemoryBudget& budget,
                               const RequestLimits& limits, std::uint64_t lookahead_bytes,
                               std::size_t loops, Duration read_time_out, const Clock& clock)
    : publisher_(publisher),
      budget_(budget),
      limits_(limits),
      clock_(clock),
      reader_(loops,
              SlotsOf(budget, limits.max_request_bytes, lookahead_bytes, loops, read_time_out)) {}

void PublishService::Serve(CallRef call) {
  const SteadyTime deadline = DeadlineOf(*call, clock_);
  reader_.Read(std::move(call), [this, deadline](CallRef read, grpc::ByteBuffer message) {
    Publish(std::move(read), std::move(message), deadline);
  });
}

CallTask PublishService::Publish(CallRef call, grpc::ByteBuffer message, SteadyTime deadline) {
  auto batch = Admit(*call, message, deadline);
  if (!batch.ok()) {
    ServerCall::Finish(std::move(call), batch.status());
    co_return;
  }
  auto results = co_await PublishWait(publisher_, *std::move(batch), *call);
  // From here on possibly on a thread of the producer's.
  if (!results.has_value()) {
    ServerCall::Finish(std::move(call), absl::CancelledError());
    co_return;
  }
  const auto answer = PublishResponseOf(*std::move(results));
  ServerCall::FinishWith(std::move(call), ToBuffer(answer));
}

// Ours while it is parsed; the publisher counts the events from then on.
absl::StatusOr<PublishBatch> PublishService::Admit(const ServerCall& call,
                                                   grpc::ByteBuffer& message,
                                                   SteadyTime deadline) const {
  const auto needed = MemoryFor(message, kPublishRequest, limits_.max_request_bytes,
                                limits_.max_events_per_request, budget_.limit());
  if (!needed.ok()) return needed.status();
  if (!budget_.TryTake(*needed)) return NoMemoryForRequests();
  const absl::Cleanup give_back = [&] { budget_.Return(*needed); };
  google::protobuf::Arena arena(RequestArena());
  auto& request = *google::protobuf::Arena::CreateMessage<sidebus::v1::PublishRequest>(&arena);
  if (!ParseMessage(message, request)) return NoMessage(kPublishRequest);
  const TraceContext trace{call.Metadata("traceparent"), call.Metadata("tracestate")};
  PublishBatch batch;
  batch.events = EventsFromProto(*request.mutable_events(), trace);
  batch.topic = request.topic();
  batch.deadline = deadline;
  return batch;
}

}  // namespace sidebus
