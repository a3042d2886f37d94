#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/metrics/metrics.h"
#include "server/operate/operations.h"
#include "server/rpc/listening_socket.h"

namespace sidebus {

struct AdminRpcServerOptions {
  ListenerOptions listener;
  Duration read_time_out = std::chrono::seconds(10);  // for the message of a call
  // After so long a connection without a call is closed: few are allowed, and idle ones must not keep
  // operators out.
  std::chrono::milliseconds max_idle = std::chrono::minutes(1);
  bool reflection = false;
};

// The gRPC side of operating the gateway: EventBusAdmin, health and, if wanted, reflection, on a
// listener of its own, with bounds of its own: few connections, few calls, small messages.
//
// Starts NOT_SERVING. Life: Start() once, then Shutdown(); the operations outlive that.
// Thread safety: all methods may be called from any thread, Start() and Shutdown() by one.
class AdminRpcServer {
 public:
  AdminRpcServer(AdminRpcServerOptions options, Operations& operations, Metrics& metrics);
  ~AdminRpcServer();  // Shutdown() without a grace, if that was not done

  // The bound address.
  absl::StatusOr<std::string> Start();

  void SetServing(bool serving);

  // As RpcServer::Shutdown().
  void Shutdown(SteadyTime deadline);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidebus
