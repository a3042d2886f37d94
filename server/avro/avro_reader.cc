#include "server/avro/avro_reader.h"

#include <simdjson.h>

#include <array>
#include <bit>
#include <cmath>

#include "fmt/format.h"
#include "server/avro/json_kinds.h"
#include "server/avro/python_json.h"
#include "server/base/varint.h"

namespace sidebus {
namespace {

constexpr std::string_view kCutOff = "the value is cut off";

template <typename Bits>
Bits FromLittleEndian(std::string_view bytes) {
  Bits bits = 0;
  for (std::size_t i = sizeof(Bits); i > 0; --i) {
    bits = bits << 8 | static_cast<unsigned char>(bytes[i - 1]);
  }
  return bits;
}

// JSON has a number for what is finite only.
template <typename Number>
void AppendNumber(std::string& out, Number number) {
  if (std::isfinite(number)) return AppendPythonNumber(out, number);
  out += '"';
  out += std::isnan(number) ? kNan : number > 0 ? kInfinity : kMinusInfinity;
  out += '"';
}

void AppendEscaped(std::string& out, char c) {
  switch (c) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
  }
}

void AppendString(std::string& out, std::string_view utf8) {
  out += '"';
  std::size_t plain = 0;  // from here on text can be copied as it is
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const char c = utf8[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out += utf8.substr(plain, i - plain);
    if (c == '"' || c == '\\') {
      out += '\\';
      plain = i;
    } else {
      AppendEscaped(out, c);
      plain = i + 1;
    }
  }
  out += utf8.substr(plain);
  out += '"';
}

// One character U+0000 to U+00FF for each byte.
std::string ToCharacters(std::string_view bytes) {
  std::string utf8;
  utf8.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0 | byte >> 6);
      utf8 += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return utf8;
}

}  // namespace

bool AvroReader::Fail(const ValuePath* path, const AvroType& type, std::string_view what) {
  const std::string place = ValuePath::TextOf(path);
  error_ =
      fmt::format("{}{}expected {}: {}", place, place.empty() ? "" : ": ", type.Describe(), what);
  return false;
}

bool AvroReader::FailTooLarge() {
  too_large_ = true;
  error_ = fmt::format("it has more than {} bytes as JSON", max_json_bytes_);
  return false;
}

bool AvroReader::TakeLong(std::int64_t& number) {
  const auto taken = TakeVarint(in_);
  number = taken.value_or(0);
  return taken.has_value();
}

bool AvroReader::Take(std::size_t size, std::string_view& bytes) {
  if (size > in_.size()) return false;
  bytes = in_.substr(0, size);
  in_.remove_prefix(size);
  return true;
}

bool AvroReader::TakeSized(std::string_view& bytes) {
  std::int64_t size = 0;
  return TakeLong(size) && size >= 0 && Take(static_cast<std::size_t>(size), bytes);
}

bool AvroReader::TakeCount(std::int64_t& count) {
  if (!TakeLong(count)) return false;
  if (count >= 0) return true;
  std::int64_t bytes = 0;  // of the block, for readers that skip it
  if (count == INT64_MIN || !TakeLong(bytes)) return false;
  count = -count;
  return bytes >= 0 && static_cast<std::uint64_t>(bytes) <= in_.size();
}

bool AvroReader::ReadValue(const AvroType& type, const ValuePath* path, std::size_t depth) {
  if (type.is_container() && ++depth > kMaxDepth) {
    return Fail(path, type, fmt::format("it is nested over {} deep", kMaxDepth));
  }
  bool ok = false;
  switch (type.kind) {
    case AvroKind::kNull:
      json_ += "null";
      ok = true;
      break;
    case AvroKind::kBoolean:
      ok = ReadBoolean(type, path);
      break;
    case AvroKind::kInt:
    case AvroKind::kLong:
      ok = ReadInteger(type, path);
      break;
    case AvroKind::kFloat:
    case AvroKind::kDouble:
      ok = ReadFraction(type, path);
      break;
    case AvroKind::kString:
      ok = ReadText(type, path);
      break;
    case AvroKind::kBytes:
    case AvroKind::kFixed:
      ok = ReadBytes(type, path);
      break;
    case AvroKind::kEnum:
      ok = ReadEnum(type, path);
      break;
    case AvroKind::kRecord:
      ok = ReadRecord(type, path, depth);
      break;
    case AvroKind::kArray:
    case AvroKind::kMap:
      ok = ReadBlocks(type, path, depth);
      break;
    case AvroKind::kUnion:
      ok = ReadUnion(type, path, depth);
      break;
  }
  return ok && FitsText();
}

bool AvroReader::ReadBoolean(const AvroType& type, const ValuePath* path) {
  std::string_view byte;
  if (!Take(1, byte)) return Fail(path, type, kCutOff);
  if (static_cast<unsigned char>(byte[0]) > 1) return Fail(path, type, "found neither 0 nor 1");
  json_ += byte[0] == 0 ? "false" : "true";
  return true;
}

bool AvroReader::ReadInteger(const AvroType& type, const ValuePath* path) {
  std::int64_t number = 0;
  if (!TakeLong(number)) return Fail(path, type, "the number is cut off or has over 64 bits");
  if (type.kind == AvroKind::kInt && !FitsInt(number)) {
    return Fail(path, type, "the number has over 32 bits");
  }
  const fmt::format_int text(number);
  json_.append(text.data(), text.size());
  return true;
}

bool AvroReader::ReadFraction(const AvroType& type, const ValuePath* path) {
  std::string_view bytes;
  if (!Take(type.kind == AvroKind::kFloat ? 4 : 8, bytes)) return Fail(path, type, kCutOff);
  if (type.kind == AvroKind::kFloat) {
    AppendNumber(json_, std::bit_cast<float>(FromLittleEndian<std::uint32_t>(bytes)));
  } else {
    AppendNumber(json_, std::bit_cast<double>(FromLittleEndian<std::uint64_t>(bytes)));
  }
  return true;
}

bool AvroReader::AppendText(std::string_view utf8, const AvroType& type, const ValuePath* path) {
  if (!simdjson::validate_utf8(utf8.data(), utf8.size())) {
    return Fail(path, type, "the text is not UTF-8");
  }
  if (utf8.size() > max_json_bytes_) return FailTooLarge();
  AppendString(json_, utf8);
  return true;
}

bool AvroReader::ReadText(const AvroType& type, const ValuePath* path) {
  std::string_view text;
  if (!TakeSized(text)) return Fail(path, type, "the length is wrong, or the value cut off");
  return AppendText(text, type, path);
}

bool AvroReader::ReadBytes(const AvroType& type, const ValuePath* path) {
  std::string_view bytes;
  if (type.kind == AvroKind::kFixed ? !Take(type.size, bytes) : !TakeSized(bytes)) {
    return Fail(path, type, "the length is wrong, or the value cut off");
  }
  if (bytes.size() > max_json_bytes_) return FailTooLarge();
  AppendString(json_, ToCharacters(bytes));
  return true;
}

bool AvroReader::ReadEnum(const AvroType& type, const ValuePath* path) {
  std::int64_t index = 0;
  if (!TakeLong(index) || index < 0 || static_cast<std::size_t>(index) >= type.symbols.size()) {
    return Fail(path, type, "there is no such symbol");
  }
  AppendString(json_, type.symbols[static_cast<std::size_t>(index)]);
  return true;
}

bool AvroReader::ReadRecord(const AvroType& type, const ValuePath* path, std::size_t depth) {
  json_ += '{';
  for (const AvroField& field : type.fields) {
    if (&field != &type.fields.front()) json_ += ',';
    json_ += '"';
    json_ += field.name;  // an Avro name: nothing to escape
    json_ += "\":";
    const ValuePath here{path, field.name};
    if (!ReadValue(*field.type, &here, depth)) return false;
  }
  json_ += '}';
  return true;
}

bool AvroReader::ReadBlocks(const AvroType& type, const ValuePath* path, std::size_t depth) {
  const bool is_map = type.kind == AvroKind::kMap;
  json_ += is_map ? '{' : '[';
  ValuePath here{path, {}, 0};
  while (true) {
    std::int64_t count = 0;
    if (!TakeCount(count)) return Fail(path, type, "the number of items is wrong or cut off");
    if (count == 0) break;
    for (; count > 0; --count, ++here.item) {
      if (here.item > 0) json_ += ',';
      if (is_map) {
        std::string_view name;
        if (!TakeSized(name)) return Fail(path, type, "the name of an entry is cut off");
        if (!AppendText(name, type, path)) return false;
        json_ += ':';
      }
      if (!ReadValue(*type.parts.front(), &here, depth)) return false;
    }
  }
  json_ += is_map ? '}' : ']';
  return true;
}

bool AvroReader::ReadUnion(const AvroType& type, const ValuePath* path, std::size_t depth) {
  std::int64_t branch = 0;
  if (!TakeLong(branch) || branch < 0 || static_cast<std::size_t>(branch) >= type.parts.size()) {
    return Fail(path, type, "there is no such branch");
  }
  return ReadValue(*type.parts[static_cast<std::size_t>(branch)], path, depth);
}

}  // namespace sidebus
