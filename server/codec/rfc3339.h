#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/event/event.h"

namespace sidebus {

// RFC 3339 times, without locale or format strings: they are on the path of every event.

// In UTC with `Z` and 0, 3, 6 or 9 digits of fraction, the shortest that is exact, for example
// 2024-02-29T12:00:00.125Z. `time` is in the years 1 to 9999.
std::string FormatRfc3339(const EventTime& time);

// Any offset, any number of digits (those after the ninth are dropped), `t`, `z` and a blank for
// `T` too; a leap second is the second after it. nullopt for what is no time of the years 1 to
// 9999.
std::optional<EventTime> ParseRfc3339(std::string_view text);

}  // namespace sidebus
