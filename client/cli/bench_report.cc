#include "client/cli/bench_report.h"

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "fmt/format.h"
#include "server/base/json_text.h"

namespace sidebus::cli {
namespace {

double Micros(const LatencyHistogram& latency, double percent) {
  return static_cast<double>(latency.Percentile(percent).count()) / 1000.0;
}

// Of a run without events too.
double PerSecond(std::uint64_t amount, double seconds) {
  return seconds > 0 ? static_cast<double>(amount) / seconds : 0;
}

constexpr double kPercentiles[] = {50, 90, 99, 99.9, 100};

}  // namespace

std::optional<ProcessUsage> UsageOf(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  ProcessUsage usage;
  std::string field;
  for (int number = 3; fields >> field && number <= 24; ++number) {
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    if (number == 14 || number == 15) usage.cpu_seconds += std::stod(field) / ticks;
    if (number == 24) {
      usage.resident_bytes = std::stoull(field) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    }
  }
  return usage;
}

std::string BenchReport::ToText() const {
  const double seconds = took.count();
  std::string text =
      fmt::format("{}: {} events in {:.2f} s: {:.0f} events/s, {:.1f} MB/s\n", what, events,
                  seconds, PerSecond(events, seconds), PerSecond(bytes, seconds) / 1e6);
  text += "latency us:";
  for (const double percent : kPercentiles) {
    text += fmt::format("  p{} {:.0f}", percent, Micros(latency, percent));
  }
  text += '\n';
  if (before && after) {
    text += fmt::format("gateway: {:.2f} us CPU per event, {:.1f} MiB resident\n",
                        (after->cpu_seconds - before->cpu_seconds) * 1e6 /
                            static_cast<double>(std::max<std::uint64_t>(events, 1)),
                        static_cast<double>(after->resident_bytes) / (1 << 20));
  }
  for (const auto& [reason, count] : errors) text += fmt::format("failed {}: {}\n", reason, count);
  return text;
}

std::string BenchReport::ToJson() const {
  const double seconds = took.count();
  std::string json = fmt::format(
      R"({{"what":"{}","events":{},"bytes":{},"seconds":{:.3f},"events_per_second":{:.1f})", what,
      events, bytes, seconds, PerSecond(events, seconds));
  json += R"(,"latency_us":{)";
  for (const double percent : kPercentiles) {
    json += fmt::format(R"({}"p{}":{:.1f})", percent == 50 ? "" : ",", percent,
                        Micros(latency, percent));
  }
  json += '}';
  if (before && after) {
    json += fmt::format(R"(,"gateway_cpu_us_per_event":{:.3f},"gateway_rss_bytes":{})",
                        (after->cpu_seconds - before->cpu_seconds) * 1e6 /
                            static_cast<double>(std::max<std::uint64_t>(events, 1)),
                        after->resident_bytes);
  }
  json += R"(,"errors":{)";
  bool first = true;
  for (const auto& [reason, count] : errors) {
    json += fmt::format("{}{}:{}", first ? "" : ",", JsonString(reason), count);
    first = false;
  }
  return json + "}}";
}

}  // namespace sidebus::cli
