#pragma once

#include <string>
#include <string_view>

namespace sidebus {

bool IsUtf8(std::string_view bytes);

// Whether `utf8` has a character of U+0000-001F or U+007F-009F, which CloudEvents allows nowhere.
bool HasControlCharacter(std::string_view utf8);

// `bytes` with U+FFFD for each byte that is not part of UTF-8.
std::string ToUtf8(std::string_view bytes);

}  // namespace sidebus
