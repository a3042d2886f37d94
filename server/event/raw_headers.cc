#include "server/event/raw_headers.h"

#include <cstring>
#include <limits>

namespace sidebus {
namespace {

using Length = std::uint32_t;

constexpr Length kNull = std::numeric_limits<Length>::max();

Length LengthAt(const char* at) {
  Length length = 0;
  std::memcpy(&length, at, sizeof(length));
  return length;
}

void AppendLength(std::string& block, Length length) {
  block.append(reinterpret_cast<const char*>(&length), sizeof(length));
}

}  // namespace

void RawHeaders::Add(std::string_view name, std::optional<std::string_view> value) {
  AppendLength(block_, static_cast<Length>(name.size()));
  AppendLength(block_, value.has_value() ? static_cast<Length>(value->size()) : kNull);
  block_.append(name);
  if (value.has_value()) block_.append(*value);
  ++count_;
}

RawHeaders::View RawHeaders::Iterator::operator*() const {
  const Length name = LengthAt(rest_.data());
  const Length value = LengthAt(rest_.data() + sizeof(Length));
  View view;
  view.name = rest_.substr(kLengths, name);
  if (value != kNull) view.value = rest_.substr(kLengths + name, value);
  return view;
}

RawHeaders::Iterator& RawHeaders::Iterator::operator++() {
  const View view = **this;
  rest_.remove_prefix(kLengths + view.name.size() + view.value.value_or("").size());
  return *this;
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
