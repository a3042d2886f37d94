#pragma once

#include <cstddef>
#include <string_view>

namespace sidebus {

// Length of the UTF-8 sequence of one character at the start of `text`, which is not empty; 0 if
// there is none (cut off, overlong, a surrogate, beyond U+10FFFF).
std::size_t Utf8Length(std::string_view text);

// The first `size` bytes of UTF-8 at most, cut between characters.
std::string_view CutUtf8(std::string_view text, std::size_t size);

}  // namespace sidebus
