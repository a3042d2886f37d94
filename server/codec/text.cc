#include "server/codec/text.h"

#include <simdjson.h>

namespace sidebus {

bool IsUtf8(std::string_view bytes) { return simdjson::validate_utf8(bytes.data(), bytes.size()); }

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
  constexpr std::size_t kLongestCharacter = 4;
  std::string out;
  while (!bytes.empty()) {
    std::size_t size = 1;
    while (size <= kLongestCharacter && size <= bytes.size() && !IsUtf8(bytes.substr(0, size))) {
      ++size;
    }
    if (size > kLongestCharacter || size > bytes.size()) {
      out += "\xef\xbf\xbd";
      size = 1;
    } else {
      out += bytes.substr(0, size);
    }
    bytes.remove_prefix(size);
  }
  return out;
}

}  // namespace sidebus
