#include "server/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "server/base/log.h"

namespace sidebus {
namespace {

struct ProcessState {
  double cpu_seconds = 0;
  double threads = 0;
  double start_seconds = 0;  // since the machine's start
  double resident_bytes = 0;
};

// /proc/self/stat, fields numbered from 1 as in proc(5); the second may contain blanks, so counting
// starts behind its closing parenthesis.
ProcessState ReadStat() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t close = text.rfind(')');
  if (close == std::string::npos) return {};
  std::istringstream fields(text.substr(close + 1));
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  ProcessState state;
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    if (number == 14 || number == 15) state.cpu_seconds += std::stod(field) / ticks;
    if (number == 20) state.threads = std::stod(field);
    if (number == 22) state.start_seconds = std::stod(field) / ticks;
    if (number == 24) state.resident_bytes = std::stod(field) * page;
  }
  return state;
}

double BootTime() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

double OpenFiles() {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  double count = 0;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) ++count;
  return count - 1;  // the one that lists the folder
}

double MaxFiles() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

void AddProcessMetrics(Metrics& metrics) {
  const ProcessState at_start = ReadStat();
  metrics
      .AddGauge("process_start_time_seconds",
                "Start time of the process, in seconds since the Unix epoch.")
      .Set(BootTime() + at_start.start_seconds);
  metrics.AddGauge("process_max_fds", "Limit of open file descriptors.").Set(MaxFiles());
  Counter cpu = metrics.AddCounter("process_cpu_seconds_total",
                                   "User and system CPU time spent, in seconds.");
  Gauge resident =
      metrics.AddGauge("process_resident_memory_bytes", "Resident memory size in bytes.");
  Gauge files = metrics.AddGauge("process_open_fds", "Number of open file descriptors.");
  Gauge threads = metrics.AddGauge("process_threads", "Number of threads.");
  constexpr std::array kLevels = {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning,
                                  LogLevel::kError};
  constexpr std::array kLevelNames = {"debug", "info", "warning", "error"};
  std::array<Counter, kLevels.size()> lines;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i] = metrics.AddCounter("sidebus_log_messages_total",
                                  "Log lines by level, including those not written.",
                                  {{"level", kLevelNames[i]}});
  }
  metrics.BeforeSerialize([=, counted_cpu = 0.0,
                           counted_lines = std::array<std::uint64_t, kLevels.size()>{}]() mutable {
    const ProcessState now = ReadStat();
    if (now.cpu_seconds > counted_cpu) cpu.Increment(now.cpu_seconds - counted_cpu);
    counted_cpu = now.cpu_seconds;
    resident.Set(now.resident_bytes);
    threads.Set(now.threads);
    files.Set(OpenFiles());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::uint64_t total = LogLines(kLevels[i]);
      lines[i].Increment(static_cast<double>(total - counted_lines[i]));
      counted_lines[i] = total;
    }
  });
}

}  // namespace sidebus
