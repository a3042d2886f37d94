#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "server/rpc/call_task.h"
#include "server/rpc/server_call.h"
#include "server/subscribe/live_subscriptions.h"

namespace sidebus {

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
  SubscribeService(LiveSubscriptions& subscriptions, std::uint32_t max_streams)
      : subscriptions_(subscriptions), max_streams_(max_streams) {}

  CallTask Serve(CallRef call);

 private:
  struct Stream;

  absl::Status Open(grpc::ByteBuffer& message, Stream& stream);
  static CallTask ReadRequests(CallRef call, std::shared_ptr<Stream> stream);
  static absl::Status HandleRequest(grpc::ByteBuffer& message, Stream& stream);

  LiveSubscriptions& subscriptions_;
  const std::uint32_t max_streams_;
  std::atomic<std::uint32_t> streams_{0};  // those that have not started yet too
};

}  // namespace sidebus
