#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "server/base/memory_budget.h"
#include "server/rpc/publish_service.h"
#include "server/rpc/publish_stream.h"
#include "server/rpc/stream_group.h"

namespace sidebus {

struct PublishStreamLimits {
  std::uint32_t max_streams = 256;
  std::uint64_t events_in_flight = 10'000;  // per stream
  std::uint64_t bytes_in_flight = 8 << 20;  // per stream
};

// The method PublishStream: every message is one batch of the publisher, every answer an ack of all
// batches that were answered meanwhile.
//
//   client --> ReadEvents --Add()--> PublishStreamState --> Publisher
//   client <-- Serve <--TakeAck()----------'               (one write outstanding)
//
// Back-pressure: a message is read only while the stream has fewer events and bytes in flight than
// its limits and the memory budget has room; else the client's HTTP/2 window fills up. What is
// admitted is the next message, whose size is not known before: each stream may go beyond its
// limits by one message of max_request_bytes.
//
// Ownership: outlives the loops. Thread safety: Serve() is called on the loops' threads.
class PublishStreamService {
 public:
  PublishStreamService(Publisher& publisher, MemoryBudget& budget, const RequestLimits& requests,
                       const PublishStreamLimits& limits, DrainNotice& drain, const Clock& clock)
      : publisher_(publisher),
        budget_(budget),
        requests_(requests),
        limits_(limits),
        drain_(drain),
        clock_(clock) {}

  CallTask Serve(CallRef call);

 private:
  CallTask ReadEvents(CallRef call, std::shared_ptr<PublishStreamState> stream);
  absl::Status HandleMessage(const ServerCall& call, SteadyTime deadline, bool first,
                             grpc::ByteBuffer& message, PublishStreamState& stream);
  bool HasRoom(const PublishStreamState& stream) const;

  Publisher& publisher_;
  MemoryBudget& budget_;
  const RequestLimits requests_;
  const PublishStreamLimits limits_;
  DrainNotice& drain_;
  const Clock& clock_;
  std::atomic<std::uint32_t> streams_{0};
};

}  // namespace sidebus
