#include "server/avro/value_path.h"

#include "fmt/format.h"

namespace sidebus {

std::string ValuePath::TextOf(const ValuePath* path) {
  if (path == nullptr) return {};
  std::string text = TextOf(path->outer);
  if (path->field.empty()) return text + fmt::format("[{}]", path->item);
  if (!text.empty()) text += '.';
  return text += path->field;
}

}  // namespace sidebus
