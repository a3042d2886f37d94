#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/bench_report.h"

namespace sidebus::cli {

struct BenchSubscribeOptions {
  std::optional<std::string> endpoint;
  std::string type;
  std::string group;
  std::uint64_t events = 0;  // end after so many; 0: only the time counts
  double seconds = 60;       // end after so long
  std::uint32_t window = 1000;
  std::string work = "0ms";  // that each event takes; all that is held is worked on at once
  int gateway_pid = 0;
};

// Receives and acks, a message of deliveries at a time, `work` after it came. Latency is the time between messages. The
// clock starts with the first delivery.
absl::StatusOr<BenchReport> BenchSubscribe(const BenchSubscribeOptions& options);

}  // namespace sidebus::cli
