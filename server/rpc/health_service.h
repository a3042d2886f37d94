#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "grpc/health/v1/health.pb.h"
#include "server/rpc/call_task.h"
#include "server/rpc/server_call.h"
#include "server/rpc/stream_group.h"

namespace sidebus {

// grpc.health.v1.Health for the services "" and "sidebus.v1.EventBus", which are always in the same
// state.
//
// Ownership: outlives the loops. Thread safety: all methods may be called from any thread.
class HealthService {
 public:
  void SetServing(bool serving);

  // Both answer the call whose message was read.
  void Check(CallRef call, grpc::ByteBuffer message);
  CallTask Watch(CallRef call, grpc::ByteBuffer message);

 private:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  Status StatusOf(const std::string& service) const;
  static std::optional<std::string> ServiceOf(grpc::ByteBuffer& message);

  std::atomic<bool> serving_{false};
  StreamGroup watchers_;
};

}  // namespace sidebus
