#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "client/cli/latency_histogram.h"

namespace sidebus::cli {

// What a process has used so far, from /proc.
struct ProcessUsage {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
};
// nullopt when there is no such process.
std::optional<ProcessUsage> UsageOf(int pid);

// What a load did, and how it is told.
struct BenchReport {
  std::string what;  // "publish stream", ...
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;  // of data
  std::chrono::duration<double> took{};
  LatencyHistogram latency;
  std::map<std::string, std::uint64_t> errors;  // by reason
  std::optional<ProcessUsage> before;           // of the gateway
  std::optional<ProcessUsage> after;

  std::string ToText() const;
  std::string ToJson() const;
};

}  // namespace sidebus::cli
