#include "tests/bench/report.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace sidebus::bench {
namespace {

std::chrono::microseconds CpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

std::string Percentiles(std::vector<std::chrono::nanoseconds> latencies) {
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&latencies](double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(latencies.size() - 1));
    return static_cast<double>(latencies[index].count()) / 1000;
  };
  return fmt::format(R"(,"latency_us":{{"p50":{:.1f},"p90":{:.1f},"p99":{:.1f},"max":{:.1f}}})",
                     at(0.5), at(0.9), at(0.99), at(1));
}

}  // namespace

Report::Report() : started_(std::chrono::steady_clock::now()), cpu_at_start_(CpuTime()) {}

std::string Report::Finish(std::uint64_t events, std::size_t bytes_per_event) {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started_;
  const std::chrono::duration<double, std::micro> cpu = CpuTime() - cpu_at_start_;
  const auto count = static_cast<double>(events);
  return fmt::format(
      R"({{"events":{},"bytes_per_event":{},"seconds":{:.3f},"events_per_second":{:.0f},)"
      R"("cpu_us_per_event":{:.3f}{}}})",
      events, bytes_per_event, took.count(), count / took.count(), cpu.count() / count,
      latencies_.empty() ? "" : Percentiles(latencies_));
}

}  // namespace sidebus::bench
