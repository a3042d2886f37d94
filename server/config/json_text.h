#pragma once

#include <string>
#include <string_view>

namespace sidebus {

// A JSON string, which is a YAML string too: "a\nb" with its quotes.
std::string JsonString(std::string_view text);

}  // namespace sidebus
