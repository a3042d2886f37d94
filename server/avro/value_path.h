#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sidebus {

// Where in a value its reader or writer stands: a chain of frames on the stack, from the inside
// out, so that a place costs nothing until somebody asks for its name.
struct ValuePath {
  const ValuePath* outer = nullptr;  // null: the value itself
  std::string_view field;            // empty: an item of an array or a map
  std::size_t item = 0;              // from 0. Entries of maps too: their names are data

  // For example enrollment.users[3].id, shortened; empty for null.
  static std::string TextOf(const ValuePath* path);

  // A text of a place that fits into an error: of a very long one the end. `place` is ASCII.
  static std::string Shortened(std::string place);
};

}  // namespace sidebus
