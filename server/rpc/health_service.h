#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "grpc/health/v1/health.pb.h"
#include "server/rpc/call_server.h"
#include "server/rpc/call_task.h"
#include "server/rpc/server_call.h"
#include "server/rpc/stream_group.h"
#include "server/rpc/unary_reader.h"

namespace sidebus {

// grpc.health.v1.Health for the services "" and the one that is named, which are always in the same
// state.
//
// Ownership: outlives the loops. Thread safety: all methods may be called from any thread.
class HealthService {
 public:
  explicit HealthService(std::string service) : service_(std::move(service)) {}

  // A probe sends its few bytes at once, or is none.
  static ReadSlots::Options ReadOptions(Duration at_most) {
    return {.slots = 32, .time_out = std::min<Duration>(at_most, std::chrono::seconds(1))};
  }

  void AddTo(MethodTable& methods, UnaryReader& reader);

  void SetServing(bool serving);

  // Both answer the call whose message was read.
  void Check(CallRef call, grpc::ByteBuffer message);
  CallTask Watch(CallRef call, grpc::ByteBuffer message);

 private:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  Status StatusOf(const std::string& service) const;
  static std::optional<std::string> ServiceOf(grpc::ByteBuffer& message);

  const std::string service_;
  std::atomic<bool> serving_{false};
  StreamGroup watchers_;
};

}  // namespace sidebus
