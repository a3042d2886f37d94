#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sidebus {

// Avro's int and long: zigzag, then seven bits a byte, least significant first.

inline constexpr std::size_t kMaxVarintBytes = 10;

void AppendVarint(std::string& out, std::int64_t number);

// Takes a number from the front of `in`. nullopt: it is cut off, or has more than 64 bits.
std::optional<std::int64_t> TakeVarint(std::string_view& in);

}  // namespace sidebus
