#pragma once

#include <array>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/metrics/metrics.h"

namespace sidebus {

enum class RpcType { kUnary, kServerStream, kBidiStream };

// The counters of one method, under the names that grpc-ecosystem's middleware made common. All
// series exist from the start, so that a rate sees the first error too.
//
// Thread safety: all methods may be called from any thread.
class MethodMetrics {
 public:
  // `service` and `method` are ours, never a client's text: methods that nobody knows share one.
  MethodMetrics(Metrics& metrics, std::string_view service, std::string_view method, RpcType type);

  void Started() { started_.Increment(); }
  void Received() { received_.Increment(); }
  void Sent() { sent_.Increment(); }
  void Handled(absl::StatusCode code, Duration took);

 private:
  Counter started_;
  Counter received_;
  Counter sent_;
  std::array<Counter, 17> handled_;
  Histogram seconds_;  // unary only: how long a stream lives says nothing
};

}  // namespace sidebus
