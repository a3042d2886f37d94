#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace sidebus::bench {

// What one run did, measured from its construction.
class Report {
 public:
  Report();

  void AddLatency(std::chrono::nanoseconds latency) { latencies_.push_back(latency); }

  // One line of JSON: events, seconds, events_per_second, cpu_us_per_event (of this process, all
  // threads) and, where there were latencies, their percentiles in microseconds.
  std::string Finish(std::uint64_t events, std::size_t bytes_per_event);

 private:
  std::chrono::steady_clock::time_point started_;
  std::chrono::microseconds cpu_at_start_;
  std::vector<std::chrono::nanoseconds> latencies_;
};

}  // namespace sidebus::bench
