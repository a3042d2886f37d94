#include "server/event/raw_headers.h"

#include <cstdint>

namespace sidebus {
namespace {

constexpr std::int64_t kMaxHeaders = 100'000;  // librdkafka's own bound: each becomes an object

}  // namespace

std::optional<RawHeaders> RawHeaders::Parse(std::string_view bytes) {
  std::int64_t count = 0;
  if (!TakeLength(bytes, count) || count < 0 || count > kMaxHeaders) return std::nullopt;
  RawHeaders headers;
  std::string_view rest = bytes;
  View header;
  for (; count > 0; --count) {
    if (!TakeHeader(rest, header)) return std::nullopt;
    ++headers.count_;
    headers.bytes_ += header.name.size() + header.value.value_or("").size();
  }
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

RawRecord RawRecordOf(const Record& record) {
  RawRecord raw{.key = record.key, .value = record.value, .headers = {}};
  std::size_t bytes = 0;
  for (const Header& header : record.headers) {
    bytes += header.name.size() + header.value.value_or("").size();
  }
  raw.headers.Reserve(record.headers.size(), bytes);
  for (const Header& header : record.headers) raw.headers.Add(header.name, header.value);
  return raw;
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
