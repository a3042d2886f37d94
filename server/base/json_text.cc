#include "server/base/json_text.h"

#include <algorithm>

#include "fmt/format.h"
#include "server/base/utf8.h"

namespace sidebus {

void AppendJsonEscaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = Utf8Length(text);
    const auto byte = static_cast<unsigned char>(text.front());
    const bool is_c1 = size == 2 && byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (size == 0) {
      out += "\\ufffd";
    } else if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text.front();
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f || is_c1) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[size - 1]));
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  AppendJsonEscaped(out, text);
  return out + '"';
}

}  // namespace sidebus
