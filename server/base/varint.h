#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sidebus {

// Avro's int and long, and the lengths in a record of Kafka: zigzag, then seven bits a byte, least
// significant first.

inline constexpr std::size_t kMaxVarintBytes = 10;

void AppendVarint(std::string& out, std::int64_t number);

// TakeVarint() for numbers of more than one byte.
std::optional<std::int64_t> TakeLongVarint(std::string_view& in);

// Takes a number from the front of `in`. nullopt: it is cut off, or has more than 64 bits.
inline std::optional<std::int64_t> TakeVarint(std::string_view& in) {
  if (in.empty() || static_cast<unsigned char>(in.front()) >= 0x80) return TakeLongVarint(in);
  const auto bits = static_cast<unsigned char>(in.front());
  in.remove_prefix(1);
  return (bits >> 1) ^ -(bits & 1);
}

}  // namespace sidebus
