#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/memory_budget.h"
#include "server/metrics/metrics.h"
#include "server/publish/publisher.h"
#include "server/rpc/describe_service.h"
#include "server/rpc/listening_socket.h"
#include "server/rpc/publish_stream_service.h"
#include "server/rpc/subscribe_service.h"

namespace sidebus {

struct RpcServerOptions {
  std::vector<ListenerOptions> listeners;
  Description description;  // its `requests` are enforced, the rest is told
  PublishStreamLimits publish_streams;
  std::uint32_t max_subscribe_streams = 256;
  std::uint32_t max_connections = 128;
  std::uint64_t transport_memory = 64 << 20;          // of all listeners: what is read and written
  std::size_t threads = 0;                            // per listener; 0: one, two from 4 cores up
  Duration read_time_out = std::chrono::seconds(10);  // for the message of a unary call
  bool reflection = false;
};

// gRPC's version, for example "1.51.1".
std::string RpcLibraryVersion();
// Protobuf's, for example "3.21.12".
std::string ProtobufLibraryVersion();

// What the gateway serves.
struct RpcBackends {
  Publisher& publisher;
  OpenSubscriber subscribe;      // LiveSubscriptions::Open()
  MemoryBudget& publish_budget;  // the publisher's
  RouterProvider router;
  ConditionProvider condition;
  DrainingProvider draining;
  const Clock& clock;
  Metrics& metrics;
};

// The gRPC side of the gateway: EventBus, health and, if wanted, reflection, on every listener.
//
// Starts NOT_SERVING. Life: Start() once; to stop, BeginDrain(), then SetServing(false), then
// Shutdown(). The backends outlive it, or at least its Shutdown(); a publisher's late answer after
// that is dropped.
//
// Thread safety: all methods may be called from any thread, Start() and Shutdown() by one.
class RpcServer {
 public:
  RpcServer(RpcServerOptions options, RpcBackends backends);
  ~RpcServer();  // Shutdown() without a grace, if that was not done

  // The bound addresses, in the order of the listeners: "127.0.0.1:7420", "unix:/run/x.sock". On
  // failure nothing listens.
  absl::StatusOr<std::vector<std::string>> Start();

  void SetServing(bool serving);

  // Tells every publish stream that the gateway is going away; they go on until their clients
  // half-close. (Subscribe streams: LiveSubscriptions::Drain.)
  void BeginDrain(Duration grace, const std::string& reason);

  // No new connections and calls; calls that run at `deadline` are cancelled. Returns when all are
  // gone.
  void Shutdown(SteadyTime deadline);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidebus
