#include "server/codec/text.h"

#include <simdjson.h>

#include <algorithm>

#include "server/base/utf8.h"

namespace sidebus {

namespace {

// What most texts are. simdjson has a price per call, which is worth it for longer ones.
bool IsShortAscii(std::string_view bytes) {
  constexpr std::size_t kShort = 64;
  if (bytes.size() > kShort) return false;
  return std::ranges::all_of(bytes, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  return IsShortAscii(bytes) || simdjson::validate_utf8(bytes.data(), bytes.size());
}

bool HasControlCharacter(std::string_view utf8) {
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x20 || c == 0x7f) return true;
    if (c == 0xc2 && i + 1 < utf8.size() && static_cast<unsigned char>(utf8[i + 1]) < 0xa0) {
      return true;
    }
  }
  return false;
}

std::string ToUtf8(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t size = Utf8Length(bytes);
    out += size == 0 ? "\xef\xbf\xbd" : bytes.substr(0, size);
    bytes.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

}  // namespace sidebus
