#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "server/rpc/call_task.h"
#include "server/rpc/server_call.h"
#include "server/subscribe/subscriber.h"

namespace sidebus {

// LiveSubscriptions::Open(), as far as streams need it.
using OpenSubscriber =
    std::function<absl::StatusOr<std::unique_ptr<Subscriber>>(SubscribeStart, StreamSink&)>;

// The method Subscribe: turns messages into calls on a Subscriber, and what it has into messages.
//
//   client --> ReadRequests --Handle(), HalfClosed()--> Subscriber
//   client <-- Serve <--Take()------------------------------'      (one write outstanding)
//
// A stream is two coroutines on one loop; Serve ends it. How it ends:
//   the Subscriber's `end`         that status
//   half-close                     HalfClosed(), then the Subscriber's `end`
//   cancel, lost connection        the Subscriber is destroyed
//   a message that cannot be       INVALID_ARGUMENT START_INVALID; the Subscriber is destroyed
//
// Ownership: outlives the loops. Thread safety: Serve() is called on the loops' threads.
class SubscribeService {
 public:
  SubscribeService(OpenSubscriber open, std::uint32_t max_streams)
      : open_(std::move(open)), max_streams_(max_streams) {}

  CallTask Serve(CallRef call);

 private:
  struct Stream;

  absl::Status Open(grpc::ByteBuffer& message, Stream& stream);
  static CallTask ReadRequests(CallRef call, std::shared_ptr<Stream> stream);
  static absl::Status HandleRequest(grpc::ByteBuffer& message, Stream& stream);

  const OpenSubscriber open_;
  const std::uint32_t max_streams_;
  std::atomic<std::uint32_t> streams_{0};  // those that have not started yet too
};

}  // namespace sidebus
