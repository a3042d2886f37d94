#include "client/cli/duration.h"

#include <charconv>
#include <cstdint>

namespace sidebus::cli {

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  constexpr std::uint32_t kMost = 999'999'999;  // in any unit
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number > kMost) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit == "ms") return std::chrono::milliseconds(number);
  if (unit == "s") return std::chrono::seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number);
  return std::nullopt;
}

}  // namespace sidebus::cli
