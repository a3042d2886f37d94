#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace sidebus::cli {

// A whole number and ms, s, m or h: "500ms", "5s", "2m"; nullopt for anything else.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

}  // namespace sidebus::cli
