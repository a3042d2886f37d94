#include "server/avro/value_path.h"

#include <utility>

#include "fmt/format.h"

namespace sidebus {

std::string ValuePath::TextOf(const ValuePath* path) {
  if (path == nullptr) return {};
  std::string text = TextOf(path->outer);
  if (path->field.empty()) {
    text += fmt::format("[{}]", path->item);
  } else {
    if (!text.empty()) text += '.';
    text += path->field;
  }
  return Shortened(std::move(text));
}

std::string ValuePath::Shortened(std::string place) {
  constexpr std::size_t kMost = 512;
  if (place.size() <= kMost) return place;
  return "..." + place.substr(place.size() - kMost);
}

}  // namespace sidebus
