#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/avro/avro_schema.h"

namespace sidebus {

// How JSON stands for what it has no kind of its own for.

// For people: "integer", "fraction", "null", ...
std::string_view JsonKindName(simdjson::dom::element value);

constexpr bool FitsInt(std::int64_t number) { return number >= INT32_MIN && number <= INT32_MAX; }

// A number for a float or a double, or one of the strings below. nullopt: neither.
std::optional<double> NumberOf(simdjson::dom::element value);

// What JSON has no number for, as in the JSON of Avro's Java library.
inline constexpr std::string_view kNan = "NaN";
inline constexpr std::string_view kInfinity = "Infinity";
inline constexpr std::string_view kMinusInfinity = "-Infinity";

// A string whose characters U+0000 to U+00FF stand for one byte each, as in defaults of schemas.
std::optional<std::string> BytesOf(simdjson::dom::element value);

// Whether a value may be written as a branch of a union.
enum class JsonFit : std::uint8_t {
  kNone,
  kExact,
  kWider,  // an integer for a float or a double, if there is no better branch
};

// For all kinds but objects, which must be looked into.
JsonFit FitOf(simdjson::dom::element value, const AvroType& type);

}  // namespace sidebus
