#include "server/codec/schema_names.h"

#include <algorithm>

#include "fmt/format.h"

namespace sidebus {

std::string ValueSubject(std::string_view full_topic, std::string_view event_type) {
  return fmt::format("{}-{}.CloudEvent", full_topic, event_type);
}

std::string KeySubject(std::string_view full_topic, AvroKind kind) {
  return fmt::format("{}-{}", full_topic, NameOf(kind));
}

std::optional<std::string> SchemaFileName(std::string_view event_type) {
  const auto leads_elsewhere = [](char c) { return c == '/' || c == '\0'; };
  if (event_type.empty() || std::any_of(event_type.begin(), event_type.end(), leads_elsewhere)) {
    return std::nullopt;
  }
  std::string name(event_type);
  std::replace(name.begin(), name.end(), '.', '+');
  return name + "_schema.avsc";
}

}  // namespace sidebus
