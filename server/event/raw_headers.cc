#include "server/event/raw_headers.h"

#include <cstdint>

namespace sidebus {
namespace {

constexpr std::int64_t kNull = -1;
constexpr unsigned char kMore = 0x80;          // of a byte of a varint: another one follows
constexpr std::int64_t kMaxHeaders = 100'000;  // librdkafka's own bound: each becomes an object

// Takes a number from the front of `bytes`; false: there is none, or one that no length is.
inline bool TakeNumber(std::string_view& bytes, std::int64_t& number) {
  if (!bytes.empty() && (static_cast<unsigned char>(bytes.front()) & kMore) == 0) {  // nearly all
    const auto zigzag = static_cast<unsigned char>(bytes.front());
    number = (zigzag >> 1) ^ -(zigzag & 1);
    bytes.remove_prefix(1);
    return true;
  }
  std::uint64_t zigzag = 0;
  for (std::size_t i = 0; i < 5 && i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    zigzag |= std::uint64_t{byte & ~unsigned{kMore}} << (7 * i);
    if ((byte & kMore) != 0) continue;
    bytes.remove_prefix(i + 1);
    number = static_cast<std::int64_t>(zigzag >> 1) ^ -static_cast<std::int64_t>(zigzag & 1);
    return true;
  }
  return false;
}

void AppendNumber(std::string& block, std::int64_t number) {
  auto zigzag =
      (static_cast<std::uint64_t>(number) << 1) ^ static_cast<std::uint64_t>(number >> 63);
  for (; zigzag >= kMore; zigzag >>= 7) block.push_back(static_cast<char>(zigzag | kMore));
  block.push_back(static_cast<char>(zigzag));
}

inline bool TakeBytes(std::string_view& bytes, std::int64_t length, std::string_view& taken) {
  if (length < 0 || static_cast<std::uint64_t>(length) > bytes.size()) return false;
  taken = bytes.substr(0, static_cast<std::size_t>(length));
  bytes.remove_prefix(taken.size());
  return true;
}

// Takes a header from the front of `bytes`; false: there is none.
inline bool TakeHeader(std::string_view& bytes, RawHeaders::View& header) {
  std::int64_t length = 0;
  if (!TakeNumber(bytes, length) || !TakeBytes(bytes, length, header.name)) return false;
  if (!TakeNumber(bytes, length)) return false;
  header.value.reset();
  return length == kNull || TakeBytes(bytes, length, header.value.emplace());
}

}  // namespace

std::optional<RawHeaders> RawHeaders::Parse(std::string_view bytes) {
  std::int64_t count = 0;
  if (!TakeNumber(bytes, count) || count < 0 || count > kMaxHeaders) return std::nullopt;
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
  AppendNumber(block_, static_cast<std::int64_t>(name.size()));
  block_.append(name);
  AppendNumber(block_, value.has_value() ? static_cast<std::int64_t>(value->size()) : kNull);
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
