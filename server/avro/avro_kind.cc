#include "server/avro/avro_kind.h"

#include <array>

namespace sidebus {
namespace {

constexpr auto kNames =
    std::to_array<std::string_view>({"null", "boolean", "int", "long", "float", "double", "bytes",
                                     "string", "fixed", "enum", "record", "array", "map", "union"});
static_assert(kNames.size() == static_cast<std::size_t>(AvroKind::kUnion) + 1);

}  // namespace

std::string_view NameOf(AvroKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::optional<AvroKind> PrimitiveOf(std::string_view name) {
  for (std::size_t i = 0; i < kAvroPrimitives; ++i) {
    if (kNames[i] == name) return static_cast<AvroKind>(i);
  }
  return std::nullopt;
}

}  // namespace sidebus
