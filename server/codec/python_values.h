#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/event/event.h"

namespace sidebus {

// Values of headers as Open edX writes and reads them, which is what Python 3.11 does.

// datetime.isoformat() in UTC: 2026-01-02T03:04:05.678901+00:00, without the fraction where it is
// 0. Cut to microseconds. `time` is in the years 1 to 9999.
std::string FormatPythonTime(const EventTime& time);

// datetime.fromisoformat(), of times in UTC only: a basic or extended date, any character, hours
// with or without minutes, seconds and a fraction (cut to microseconds), `Z` or an offset of zero.
// nullopt for everything else: no offset or another one, which Open edX refuses, and weeks, which
// nobody writes.
std::optional<EventTime> ParsePythonTime(std::string_view text);

// int(text): a sign, blanks around, zeros in front. nullopt: no integer, or beyond 64 bits.
std::optional<std::int64_t> ParsePythonInt(std::string_view text);

// Whether `text` is a version as a tuple of integers: 11.2.0
bool IsPythonVersion(std::string_view text);

}  // namespace sidebus
