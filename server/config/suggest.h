#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sidebus {

// The word that was probably meant: the one with the fewest typing errors, if they are few enough
// for its length; empty when there is none.
std::string Nearest(std::string_view typed, const std::vector<std::string>& words);

}  // namespace sidebus
