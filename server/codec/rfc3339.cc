#include "server/codec/rfc3339.h"

#include <array>
#include <cstdint>

namespace sidebus {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kLastSecond = 253'402'300'799;   // 9999-12-31T23:59:59Z

// Calendar arithmetic counts days from 0000-03-01, so that a leap day is the last of its year, in
// eras of 400 years, which all have the same number of days.
constexpr std::int64_t kDaysPerEra = 146'097;
constexpr std::int64_t kDaysTo1970 = 719'468;

struct Date {
  std::int64_t year;
  std::int64_t month;
  std::int64_t day;
};

constexpr std::int64_t DaysSince1970(Date date) {
  const std::int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month_from_march = (date.month + 9) % 12;
  const std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * kDaysPerEra + day_of_era - kDaysTo1970;
}

constexpr Date DateOf(std::int64_t days_since_1970) {
  const std::int64_t days = days_since_1970 + kDaysTo1970;
  const std::int64_t era = (days >= 0 ? days : days - (kDaysPerEra - 1)) / kDaysPerEra;
  const std::int64_t day_of_era = days - era * kDaysPerEra;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  const std::int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

bool IsLeapYear(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

std::int64_t DaysInMonth(std::int64_t year, std::int64_t month) {
  constexpr std::array<std::int64_t, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month == 2 && IsLeapYear(year)) return 29;
  return kDays[static_cast<std::size_t>(month - 1)];
}

void Write(char* to, std::size_t digits, std::int64_t number) {
  for (std::size_t i = digits; i > 0; --i, number /= 10) {
    to[i - 1] = static_cast<char>('0' + number % 10);
  }
}

// Takes text from the front; `ok` turns false for good when something else stood there.
struct Reader {
  std::string_view rest;
  bool ok = true;

  std::int64_t Digits(std::size_t count) {
    std::int64_t number = 0;
    for (std::size_t i = 0; i < count; ++i) number = number * 10 + Digit();
    return number;
  }

  std::int64_t Digit() {
    if (!IsDigitNext()) {
      ok = false;
      return 0;
    }
    const std::int64_t digit = rest.front() - '0';
    rest.remove_prefix(1);
    return digit;
  }

  bool IsDigitNext() const { return !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; }

  // One character out of `choice`; 0 when there is none.
  char OneOf(std::string_view choice) {
    if (rest.empty() || choice.find(rest.front()) == std::string_view::npos) {
      ok = false;
      return 0;
    }
    const char c = rest.front();
    rest.remove_prefix(1);
    return c;
  }

  std::int32_t Fraction() {
    std::int32_t nanos = 0;
    std::int32_t unit = 100'000'000;
    do {
      nanos += static_cast<std::int32_t>(Digit()) * unit;
      unit /= 10;
    } while (ok && IsDigitNext());
    return nanos;
  }
};

}  // namespace

std::string FormatRfc3339(const EventTime& time) {
  std::int64_t days = time.seconds / kSecondsPerDay;
  std::int64_t second = time.seconds % kSecondsPerDay;
  if (second < 0) {
    second += kSecondsPerDay;
    --days;
  }
  const Date date = DateOf(days);

  std::array<char, 30> out = {"0000-00-00T00:00:00.000000000"};
  Write(&out[0], 4, date.year);
  Write(&out[5], 2, date.month);
  Write(&out[8], 2, date.day);
  Write(&out[11], 2, second / 3600);
  Write(&out[14], 2, second / 60 % 60);
  Write(&out[17], 2, second % 60);
  std::size_t size = 19;
  if (time.nanos != 0) {
    Write(&out[20], 9, time.nanos);
    size += time.nanos % 1'000'000 == 0 ? 4 : time.nanos % 1'000 == 0 ? 7 : 10;
  }
  out[size++] = 'Z';
  return {out.data(), size};
}

std::optional<EventTime> ParseRfc3339(std::string_view text) {
  Reader in{text};
  Date date{};
  date.year = in.Digits(4);
  in.OneOf("-");
  date.month = in.Digits(2);
  in.OneOf("-");
  date.day = in.Digits(2);
  in.OneOf("Tt ");
  const std::int64_t hour = in.Digits(2);
  in.OneOf(":");
  const std::int64_t minute = in.Digits(2);
  in.OneOf(":");
  const std::int64_t second = in.Digits(2);
  std::int32_t nanos = 0;
  if (!in.rest.empty() && in.rest.front() == '.') {
    in.rest.remove_prefix(1);
    nanos = in.Fraction();
  }
  const char zone = in.OneOf("Zz+-");
  std::int64_t offset = 0;
  if (zone == '+' || zone == '-') {
    const std::int64_t hours = in.Digits(2);
    in.OneOf(":");
    const std::int64_t minutes = in.Digits(2);
    if (hours > 23 || minutes > 59) return std::nullopt;
    offset = (hours * 60 + minutes) * 60 * (zone == '-' ? -1 : 1);
  }
  if (!in.ok || !in.rest.empty()) return std::nullopt;
  if (date.month < 1 || date.month > 12 || date.day < 1 ||
      date.day > DaysInMonth(date.year, date.month)) {
    return std::nullopt;
  }
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;

  const std::int64_t seconds =
      DaysSince1970(date) * kSecondsPerDay + hour * 3600 + minute * 60 + second - offset;
  if (seconds < kFirstSecond || seconds > kLastSecond) return std::nullopt;
  return EventTime(seconds, nanos);
}

}  // namespace sidebus
