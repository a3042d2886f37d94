#include "server/base/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>

#include "fmt/chrono.h"
#include "fmt/format.h"
#include "server/base/json_text.h"
#include "server/base/mutex.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace sidebus {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warning", "error"};

std::atomic<int> g_level{static_cast<int>(LogLevel::kInfo)};
std::atomic<LogFormat> g_format{LogFormat::kText};
std::array<std::atomic<std::uint64_t>, 4> g_lines{};

// One sink for all lines; spdlog does the locking and the writing. Never destroyed, so that a
// thread that ends late may still log.
spdlog::logger& Logger() {
  static spdlog::logger& logger = *[] {
    auto made = new spdlog::logger("sidebus", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return logger;
}

bool NeedsQuotes(std::string_view text) {
  return text.empty() || std::any_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte <= 0x20 || byte >= 0x7f || c == '"' || c == '=' || c == '\\';
         });
}

std::string Timestamp() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M}:{:06.3f}Z", now,
                     static_cast<double>(now.time_since_epoch().count() % 60000) / 1000.0);
}

// Each behind a blank.
void AppendFields(std::string& line, std::initializer_list<LogField> fields) {
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    if (NeedsQuotes(field.value)) {
      line += '"';
      AppendJsonEscaped(line, field.value);
      line += '"';
    } else {
      line += field.value;
    }
  }
}

std::string TextLine(LogLevel level, std::string_view what,
                     std::initializer_list<LogField> fields) {
  std::string line = fmt::format("{} {:<7} ", Timestamp(), kNames[static_cast<std::size_t>(level)]);
  AppendJsonEscaped(line, what);
  AppendFields(line, fields);
  return line;
}

std::string JsonLine(LogLevel level, std::string_view what,
                     std::initializer_list<LogField> fields) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","message":")", Timestamp(),
                                 kNames[static_cast<std::size_t>(level)]);
  AppendJsonEscaped(line, what);
  line += '"';
  for (const LogField& field : fields) {
    line += ",\"";
    AppendJsonEscaped(line, field.key);
    line += "\":\"";
    AppendJsonEscaped(line, field.value);
    line += '"';
  }
  line += '}';
  return line;
}

// The latest warnings and errors. Never destroyed, as the logger.
class Problems {
 public:
  static Problems& Instance() {
    static Problems& problems = *new Problems;
    return problems;
  }

  void Add(LogLevel level, std::string_view what, std::initializer_list<LogField> fields) {
    Problem problem;
    problem.last = std::chrono::system_clock::now();
    problem.level = level;
    problem.what = what;
    AppendFields(problem.fields, fields);
    problem.fields.erase(0, 1);
    problem.fields.resize(std::min(problem.fields.size(), kMaxFields));
    MutexLock lock(mu_);
    const auto same = std::ranges::find_if(latest_, [&](const Problem& other) {
      return other.level == level && other.what == what && other.fields == problem.fields;
    });
    if (same != latest_.end()) {
      problem.times += same->times;
      latest_.erase(same);
    }
    latest_.push_front(std::move(problem));
    if (latest_.size() > kKeptProblems) latest_.pop_back();
  }

  std::vector<Problem> Latest() {
    MutexLock lock(mu_);
    return {latest_.begin(), latest_.end()};
  }

 private:
  static constexpr std::size_t kMaxFields = 1024;

  Mutex mu_;
  std::deque<Problem> latest_ ABSL_GUARDED_BY(mu_);  // newest first
};

}  // namespace

bool LogEnabled(LogLevel level) {
  return static_cast<int>(level) >= g_level.load(std::memory_order_relaxed);
}

void Log(LogLevel level, std::string_view what, std::initializer_list<LogField> fields) {
  g_lines[static_cast<std::size_t>(level)].fetch_add(1, std::memory_order_relaxed);
  if (level >= LogLevel::kWarning) Problems::Instance().Add(level, what, fields);
  if (!LogEnabled(level)) return;
  const bool json = g_format.load(std::memory_order_relaxed) == LogFormat::kJson;
  Logger().info(json ? JsonLine(level, what, fields) : TextLine(level, what, fields));
}

void ConfigureLog(LogLevel level, LogFormat format) {
  g_level.store(static_cast<int>(level), std::memory_order_relaxed);
  g_format.store(format, std::memory_order_relaxed);
}

std::uint64_t LogLines(LogLevel level) {
  return g_lines[static_cast<std::size_t>(level)].load(std::memory_order_relaxed);
}

std::vector<Problem> LatestProblems() { return Problems::Instance().Latest(); }

}  // namespace sidebus
