#include "server/config/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <span>

namespace sidebus {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest last, so that formatting can look for the largest that divides.
constexpr std::array<Unit, 4> kTimes{
    {{"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}}};
constexpr std::array<Unit, 4> kSizes{
    {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}};

absl::Status Invalid(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("\"{}\": {}", text, what));
}

// The whole number at the start of `text`.
absl::StatusOr<std::uint64_t> LeadingNumber(std::string_view text, std::size_t* digits) {
  if (text.empty()) return Invalid(text, "no number");
  if (text[0] == '-') return Invalid(text, "must not be negative");
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  *digits = static_cast<std::size_t>(end - text.data());
  if (error == std::errc::result_out_of_range) return Invalid(text, "too large");
  if (error != std::errc()) return Invalid(text, "does not start with a number");
  if (*digits > 1 && text[0] == '0') {
    return Invalid(text, "a leading zero looks octal; write the number without it");
  }
  return number;
}

absl::StatusOr<std::uint64_t> ParseQuantity(std::string_view text, std::span<const Unit> units,
                                            std::string_view examples, std::uint64_t max) {
  std::size_t digits = 0;
  const absl::StatusOr<std::uint64_t> number = LeadingNumber(text, &digits);
  if (!number.ok()) return number.status();
  const std::string_view name = text.substr(digits);
  if (name.empty()) {
    return Invalid(text, fmt::format("a number without a unit; write for example {}", examples));
  }
  if (name[0] == '.' || name[0] == ',') {
    return Invalid(text, fmt::format("whole numbers only; use a smaller unit, as in {}", examples));
  }
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (*number > max / unit.factor) return Invalid(text, "too large");
    return *number * unit.factor;
  }
  return Invalid(text, fmt::format("unknown unit \"{}\"; write for example {}", name, examples));
}

std::string FormatQuantity(std::uint64_t amount, std::span<const Unit> units) {
  const Unit* best = &units[0];
  for (const Unit& unit : units) {
    if (amount != 0 && amount % unit.factor == 0) best = &unit;
  }
  return fmt::format("{}{}", amount / best->factor, best->name);
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(std::string_view text) {
  const auto nanoseconds =
      ParseQuantity(text, kTimes, "500ms, 30s, 5m or 1h",
                    static_cast<std::uint64_t>(std::numeric_limits<Duration::rep>::max()));
  if (!nanoseconds.ok()) return nanoseconds.status();
  return Duration(static_cast<Duration::rep>(*nanoseconds));
}

absl::StatusOr<std::uint64_t> ParseSize(std::string_view text) {
  return ParseQuantity(text, kSizes, "1000000B, 64KiB, 8MiB or 1GiB",
                       std::numeric_limits<std::uint64_t>::max());
}

absl::StatusOr<std::uint32_t> ParseCount(std::string_view text) {
  std::size_t digits = 0;
  const absl::StatusOr<std::uint64_t> number = LeadingNumber(text, &digits);
  if (!number.ok()) return number.status();
  if (digits != text.size()) return Invalid(text, "not a whole decimal number");
  if (*number > std::numeric_limits<std::uint32_t>::max()) return Invalid(text, "too large");
  return static_cast<std::uint32_t>(*number);
}

absl::StatusOr<std::uint32_t> ParseMode(std::string_view text) {
  std::string_view digits = text;
  if (digits.size() == 4 && digits[0] == '0') digits.remove_prefix(1);
  std::uint32_t mode = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mode, 8);
  if (digits.size() != 3 || error != std::errc() || end != digits.data() + digits.size()) {
    return Invalid(text, "permissions are octal digits in quotes, as in \"0660\"");
  }
  return mode;
}

std::string FormatDuration(Duration duration) {
  return FormatQuantity(static_cast<std::uint64_t>(duration.count()), kTimes);
}

std::string FormatSize(std::uint64_t bytes) { return FormatQuantity(bytes, kSizes); }

std::string FormatMode(std::uint32_t mode) { return fmt::format("0{:03o}", mode); }

}  // namespace sidebus
