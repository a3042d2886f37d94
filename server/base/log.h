#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"

namespace sidebus {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One `key=value` of a log line. Values of any length and content are fine: they are escaped. Never
// payloads, keys of events, or secrets.
struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const absl::Status& v) : key(k), value(v.ToString()) {}
  template <typename Number>
  requires std::is_arithmetic_v<Number> LogField(std::string_view k, Number v)
      : key(k), value(std::to_string(v)) {}

  std::string key;
  std::string value;
};

// Writes one line to standard error: what happened, in words that stay the same, and the fields.
// One line per rare event, at the place that handles it; nothing per event above kDebug.
// Thread safety: may be called from any thread. Cost when the level is off: one atomic load.
void Log(LogLevel level, std::string_view what, std::initializer_list<LogField> fields = {});

enum class LogFormat { kText, kJson };

// Sets level and format of all later lines. Default: info, text.
void ConfigureLog(LogLevel level, LogFormat format);

bool LogEnabled(LogLevel level);

// Lines written or suppressed so far at a level, for sidebus_log_messages_total.
std::uint64_t LogLines(LogLevel level);

// A warning or an error of the last ones, written or suppressed.
struct Problem {
  SystemTime last{};  // when it was logged, the last time
  LogLevel level = LogLevel::kWarning;
  std::string what;
  std::string fields;       // "key=value key=value", as in a text line; cut after 1 KiB
  std::uint64_t times = 1;  // that the same line was logged since it is kept
};

// The latest problems of this process, newest first: at most kKeptProblems different ones.
inline constexpr std::size_t kKeptProblems = 50;
std::vector<Problem> LatestProblems();

}  // namespace sidebus
