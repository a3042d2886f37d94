#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/bench_report.h"

namespace sidebus::cli {

struct BenchPublishOptions {
  std::optional<std::string> endpoint;
  std::string type;
  std::string mode = "stream";  // stream, unary or bulk
  std::size_t size = 512;       // bytes of data
  std::size_t batch = 100;      // events per message; 1 for unary
  std::size_t in_flight = 128;  // calls, or batches of the stream
  double seconds = 10;
  double warmup = 2;
  std::size_t keys = 100;  // different keys; 0: none
  int gateway_pid = 0;     // whose CPU and memory are told; 0: nobody's
};

// Loads a gateway as fast as it answers, in a closed loop of `in_flight` messages. An error says
// why it could not start.
absl::StatusOr<BenchReport> BenchPublish(const BenchPublishOptions& options);

}  // namespace sidebus::cli
