#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/base/clock.h"

namespace sidebus {

// How the configuration writes quantities. The message of an error says what is wrong with the text
// and how to write it.

// A whole number and ms, s, m or h: "500ms", "30s".
absl::StatusOr<Duration> ParseDuration(std::string_view text);
// A whole number and B, KiB, MiB or GiB: "64KiB".
absl::StatusOr<std::uint64_t> ParseSize(std::string_view text);
// A whole decimal number without sign, leading zero or separators.
absl::StatusOr<std::uint32_t> ParseCount(std::string_view text);
// Permissions: three octal digits, with or without a leading zero: "0660".
absl::StatusOr<std::uint32_t> ParseMode(std::string_view text);

// The shortest text that is exact: "90s", "5m", "64KiB", "1000000B".
std::string FormatDuration(Duration duration);
std::string FormatSize(std::uint64_t bytes);
std::string FormatMode(std::uint32_t mode);

}  // namespace sidebus
