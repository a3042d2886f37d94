#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace sidebus {

// What Kafka takes as the name of a topic (org.apache.kafka.common.internals.Topic): 1 to 249 of
// [A-Za-z0-9._-], and neither "." nor "..". Sidebus asks the same of the names of members.
inline constexpr std::size_t kMaxTopicLength = 249;

// Longer names of groups are refused before a broker sees them: one that does not answer blocks
// librdkafka's other requests to coordinators.
inline constexpr std::size_t kMaxGroupLength = 255;

constexpr bool IsTopicCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

constexpr bool HasTopicCharactersOnly(std::string_view name) {
  return std::ranges::all_of(name, IsTopicCharacter);
}

constexpr bool IsReservedTopicName(std::string_view name) { return name == "." || name == ".."; }

constexpr bool IsTopicName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxTopicLength && !IsReservedTopicName(name) &&
         HasTopicCharactersOnly(name);
}

}  // namespace sidebus
