#include "client/cli/positions.h"

#include <charconv>

#include "client/cli/output.h"
#include "fmt/format.h"

namespace sidebus::cli {
namespace {

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace

std::optional<sidebus::v1::Position> ParsePosition(std::string_view text, char separator) {
  const std::size_t slash = text.rfind('/');
  const std::size_t at = text.rfind(separator);
  if (slash == std::string_view::npos || at == std::string_view::npos || slash == 0 || at < slash) {
    return std::nullopt;
  }
  const auto partition = ParseNumber<std::int32_t>(text.substr(slash + 1, at - slash - 1));
  const auto offset = ParseNumber<std::int64_t>(text.substr(at + 1));
  if (!partition || !offset) return std::nullopt;
  sidebus::v1::Position position;
  position.set_topic(std::string(text.substr(0, slash)));
  position.set_partition(*partition);
  position.set_offset(*offset);
  return position;
}

std::string ToText(const sidebus::v1::Position& position) {
  return fmt::format("{}@{}", PartitionText(position.topic(), position.partition()),
                     position.offset());
}

std::string PartitionText(std::string_view topic, int partition) {
  return fmt::format("{}/{}", Printable(topic), partition);
}

}  // namespace sidebus::cli
