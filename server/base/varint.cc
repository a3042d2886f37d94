#include "server/base/varint.h"

namespace sidebus {

void AppendVarint(std::string& out, std::int64_t number) {
  auto rest = static_cast<std::uint64_t>(number) << 1 ^ static_cast<std::uint64_t>(number >> 63);
  for (; rest >= 0x80; rest >>= 7) out += static_cast<char>(0x80 | (rest & 0x7f));
  out += static_cast<char>(rest);
}

std::optional<std::int64_t> TakeLongVarint(std::string_view& in) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < in.size() && i < kMaxVarintBytes; ++i) {
    const auto byte = static_cast<unsigned char>(in[i]);
    if (i + 1 == kMaxVarintBytes && byte > 1) return std::nullopt;
    bits |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      in.remove_prefix(i + 1);
      return static_cast<std::int64_t>(bits >> 1 ^ (~(bits & 1) + 1));
    }
  }
  return std::nullopt;
}

}  // namespace sidebus
