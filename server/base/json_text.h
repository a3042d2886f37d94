#pragma once

#include <string>
#include <string_view>

namespace sidebus {

// Appends `text` as it stands between the quotes of a JSON string. Control characters (C0, DEL, C1)
// are escaped, so that no terminal obeys them and a line stays one; what is no UTF-8 becomes U+FFFD.
void AppendJsonEscaped(std::string& out, std::string_view text);

// A JSON string, which is a YAML string too: "a\nb" with its quotes.
std::string JsonString(std::string_view text);

}  // namespace sidebus
