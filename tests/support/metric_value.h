#pragma once

#include <string>

namespace sidebus {

// The value of a series as `text`, which is what /metrics answers, has it; -1: there is none. `series`:
// name and labels, these in the order in which they are exposed.
inline double ValueOf(const std::string& text, const std::string& series) {
  const std::size_t at = text.find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
}

}  // namespace sidebus
