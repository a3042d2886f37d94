#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/base/strong_id.h"

namespace sidebus {

// How Confluent's serializers put the id of a schema before an Avro value:
//
//   0x00 | schema id, 4 bytes, big-endian | Avro

// As a schema registry gives it out.
using SchemaId = StrongId<struct SchemaIdTag, std::uint32_t>;

inline constexpr std::size_t kConfluentPrefixBytes = 5;

// What comes before the Avro value.
std::string ConfluentPrefix(SchemaId id);

// Puts another id into bytes that begin with such a prefix.
void SetConfluentId(std::string& framed, SchemaId id);

struct ConfluentFrame {
  SchemaId id;
  std::string_view avro;  // of the bytes that were read; not empty

  friend bool operator==(const ConfluentFrame&, const ConfluentFrame&) = default;
};

// nullopt: `bytes` are not framed. Those are also fewer than 6, as in Python's deserializer.
std::optional<ConfluentFrame> ReadConfluentFrame(std::string_view bytes);

}  // namespace sidebus
