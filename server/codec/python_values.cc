#include "server/codec/python_values.h"

#include <algorithm>
#include <charconv>

#include "fmt/format.h"
#include "server/base/utf8.h"
#include "server/codec/rfc3339.h"

namespace sidebus {
namespace {

constexpr std::int32_t kNanosPerMicro = 1000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes text from the front; each says whether it was there.
struct PythonReader {
  std::string_view rest;

  bool Digits(std::size_t count, std::string& into) {
    if (rest.size() < count || !std::all_of(rest.begin(), rest.begin() + count, IsDigit)) {
      return false;
    }
    into += rest.substr(0, count);
    rest.remove_prefix(count);
    return true;
  }

  bool Skip(std::string_view text) {
    if (!rest.starts_with(text)) return false;
    rest.remove_prefix(text.size());
    return true;
  }

  bool SkipCharacter() {
    const std::size_t size = rest.empty() ? 0 : Utf8Length(rest);
    rest.remove_prefix(size);
    return size > 0;
  }

  bool AtDigit() const { return !rest.empty() && IsDigit(rest.front()); }
};

// YYYY-MM-DD or YYYYMMDD, as the former.
bool ReadDate(PythonReader& in, std::string& date) {
  if (!in.Digits(4, date)) return false;
  const bool extended = in.Skip("-");
  date += '-';
  if (!in.Digits(2, date) || in.Skip("-") != extended) return false;
  date += '-';
  return in.Digits(2, date);
}

// HH, HH:MM, HHMM, HH:MM:SS or HHMMSS, with a fraction after seconds, as HH:MM:SS.ffffff.
bool ReadTimeOfDay(PythonReader& in, std::string& time) {
  if (!in.Digits(2, time)) return false;
  const bool extended = in.rest.starts_with(':');
  int parts = 1;
  while (parts < 3 && (extended ? in.Skip(":") : in.AtDigit())) {
    time += ':';
    if (!in.Digits(2, time)) return false;
    ++parts;
  }
  if (parts == 3 && time.ends_with("60"))
    return false;  // a leap second, which Python does not know
  if (parts < 3) {
    time += parts == 1 ? ":00:00" : ":00";
    return true;
  }
  if (!in.Skip(".") && !in.Skip(",")) return true;
  time += '.';
  if (!in.AtDigit()) return false;
  for (int digits = 0; in.AtDigit(); ++digits, in.rest.remove_prefix(1)) {
    if (digits < 6) time += in.rest.front();
  }
  return true;
}

// `Z`, or hours and more that are all zero.
bool ReadUtc(PythonReader& in) {
  if (in.Skip("Z")) return in.rest.empty();
  if (!in.Skip("+") && !in.Skip("-")) return false;
  std::string offset;
  return ReadTimeOfDay(in, offset) && in.rest.empty() &&
         offset.find_first_not_of("0:.") == std::string::npos;
}

}  // namespace

std::string FormatPythonTime(const EventTime& time) {
  std::string text = FormatRfc3339(EventTime(time.seconds, 0));
  text.pop_back();  // Z
  const std::int32_t micros = time.nanos / kNanosPerMicro;
  if (micros != 0) text += fmt::format(".{:06}", micros);
  return text += "+00:00";
}

std::optional<EventTime> ParsePythonTime(std::string_view text) {
  PythonReader in{text};
  std::string known;
  if (!ReadDate(in, known) || !in.SkipCharacter()) return std::nullopt;
  known += 'T';
  if (!ReadTimeOfDay(in, known) || !ReadUtc(in)) return std::nullopt;
  return ParseRfc3339(known + 'Z');
}

std::optional<std::int64_t> ParsePythonInt(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

bool IsPythonVersion(std::string_view text) {
  bool digit_before = false;
  for (const char c : text) {
    if (c != '.' && !IsDigit(c)) return false;
    if (c == '.' && !digit_before) return false;
    digit_before = c != '.';
  }
  return digit_before;
}

}  // namespace sidebus
