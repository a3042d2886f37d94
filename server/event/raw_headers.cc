#include "server/event/raw_headers.h"

#include <cstdint>

namespace sidebus {
namespace {

constexpr std::int64_t kMaxHeaders = 100'000;  // librdkafka's own bound: each becomes an object

}  // namespace

bool RawHeaders::TakeLength(std::string_view& bytes, std::int64_t& length) {
  const std::size_t size = bytes.size();
  const auto number = TakeVarint(bytes);
  length = number.value_or(0);
  return number.has_value() && size - bytes.size() <= kMaxLength;
}

bool RawHeaders::TakeBytes(std::string_view& bytes, std::int64_t length) {
  if (length < 0 || static_cast<std::uint64_t>(length) > bytes.size()) return false;
  bytes.remove_prefix(static_cast<std::size_t>(length));
  return true;
}

std::optional<RawHeaders> RawHeaders::Parse(std::string_view bytes) {
  std::int64_t count = 0;
  if (!TakeLength(bytes, count) || count < 0 || count > kMaxHeaders) return std::nullopt;
  RawHeaders headers;
  std::string_view rest = bytes;
  for (std::int64_t left = count; left > 0; --left) {
    std::int64_t name = 0;
    std::int64_t value = 0;
    if (!TakeLength(rest, name) || !TakeBytes(rest, name)) return std::nullopt;
    if (!TakeLength(rest, value)) return std::nullopt;
    if (value == kNull) value = 0;
    if (!TakeBytes(rest, value)) return std::nullopt;
    headers.bytes_ += static_cast<std::size_t>(name + value);
  }
  headers.count_ = static_cast<std::size_t>(count);
  headers.block_ = bytes.substr(0, bytes.size() - rest.size());
  return headers;
}

void RawHeaders::Add(std::string_view name, std::optional<std::string_view> value) {
  AppendVarint(block_, static_cast<std::int64_t>(name.size()));
  block_.append(name);
  AppendVarint(block_, value.has_value() ? static_cast<std::int64_t>(value->size()) : kNull);
  if (value.has_value()) block_.append(*value);
  ++count_;
  bytes_ += name.size() + value.value_or("").size();
}

RawHeaders::Iterator RawHeaders::Iterator::operator++(int) {
  const Iterator before = *this;
  ++*this;
  return before;
}

RawHeaders RawHeadersOf(const std::vector<Header>& headers) {
  RawHeaders raw;
  std::size_t bytes = 0;
  for (const Header& header : headers) {
    bytes += header.name.size() + (header.value.has_value() ? header.value->size() : 0);
  }
  raw.Reserve(headers.size(), bytes);
  for (const Header& header : headers) raw.Add(header.name, header.value);
  return raw;
}

RawRecord RawRecordOf(const Record& record) {
  return {.key = record.key, .value = record.value, .headers = RawHeadersOf(record.headers)};
}

Record RecordOf(const RawRecord& raw) {
  Record record{.key = raw.key, .value = raw.value, .headers = {}};
  record.headers.reserve(raw.headers.size());
  for (const auto& [name, value] : raw.headers) {
    Header& header = record.headers.emplace_back();
    header.name = name;
    if (value.has_value()) header.value.emplace(*value);
  }
  return record;
}

std::size_t SizeOf(const RawRecord& record) {
  return (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0) +
         record.headers.bytes();
}

}  // namespace sidebus
