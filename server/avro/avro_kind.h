#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sidebus {

// The kinds of Avro 1.11. Logical types are read as the kind below them.
enum class AvroKind : std::uint8_t {
  // Primitive:
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  // Named:
  kFixed,
  kEnum,
  kRecord,
  // Made of others:
  kArray,
  kMap,
  kUnion,
};

inline constexpr std::size_t kAvroPrimitives = 8;

constexpr bool IsPrimitive(AvroKind kind) { return kind <= AvroKind::kString; }

// As schemas have it: null, boolean, int, ...
std::string_view NameOf(AvroKind kind);

// nullopt: `name` is none of the eight primitives.
std::optional<AvroKind> PrimitiveOf(std::string_view name);

}  // namespace sidebus
