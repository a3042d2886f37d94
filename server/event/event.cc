#include "server/event/event.h"

namespace sidebus {
namespace {

std::size_t SizeOf(const std::optional<std::string>& text) {
  return text.has_value() ? text->size() : 0;
}

std::size_t SizeOf(const std::vector<Header>& headers) {
  std::size_t size = 0;
  for (const Header& header : headers) size += header.name.size() + SizeOf(header.value);
  return size;
}

}  // namespace

EventTime::EventTime(SystemTime time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  seconds = whole.time_since_epoch().count();
  nanos = static_cast<std::int32_t>((time - whole).count());
}

std::size_t SizeOf(const Event& event) {
  std::size_t size = SizeOf(event.data) + SizeOf(event.key) + SizeOf(event.headers);
  for (const auto& [name, value] : event.extensions) size += name.size() + value.size();
  return size;
}

std::size_t SizeOf(const Record& record) {
  return SizeOf(record.key) + SizeOf(record.value) + SizeOf(record.headers);
}

}  // namespace sidebus
