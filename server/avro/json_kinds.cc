#include "server/avro/json_kinds.h"

#include <limits>

namespace sidebus {
namespace {

namespace dom = simdjson::dom;

bool IsInteger(dom::element value) {
  const auto type = value.type();
  return type == dom::element_type::INT64 || type == dom::element_type::UINT64;
}

}  // namespace

std::string_view JsonKindName(dom::element value) {
  switch (value.type()) {
    case dom::element_type::OBJECT:
      return "object";
    case dom::element_type::ARRAY:
      return "array";
    case dom::element_type::STRING:
      return "string";
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
      return "integer";
    case dom::element_type::DOUBLE:
      return "fraction";
    case dom::element_type::BOOL:
      return "boolean";
    case dom::element_type::NULL_VALUE:
      return "null";
  }
  return "something else";
}

std::optional<double> NumberOf(dom::element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    if (text == kNan) return std::numeric_limits<double>::quiet_NaN();
    if (text == kInfinity) return std::numeric_limits<double>::infinity();
    if (text == kMinusInfinity) return -std::numeric_limits<double>::infinity();
    return std::nullopt;
  }
  double number = 0;
  if (value.get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

std::optional<std::string> BytesOf(dom::element value) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      bytes += text[i];
    } else if (byte == 0xc2 || byte == 0xc3) {  // U+0080 to U+00FF
      bytes += static_cast<char>((byte & 0x03) << 6 | (text[++i] & 0x3f));
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

JsonFit FitOf(dom::element value, const AvroType& type) {
  const auto exact = [](bool fits) { return fits ? JsonFit::kExact : JsonFit::kNone; };
  std::string_view text;
  std::int64_t number = 0;
  switch (type.kind) {
    case AvroKind::kNull:
      return exact(value.is_null());
    case AvroKind::kBoolean:
      return exact(value.is_bool());
    case AvroKind::kInt:
    case AvroKind::kLong:
      return exact(IsInteger(value) && value.get(number) == simdjson::SUCCESS &&
                   (type.kind == AvroKind::kLong || FitsInt(number)));
    case AvroKind::kFloat:
    case AvroKind::kDouble:
      if (IsInteger(value)) return JsonFit::kWider;
      return exact(NumberOf(value).has_value());
    case AvroKind::kString:
      return exact(value.is_string());
    case AvroKind::kBytes:
      return exact(BytesOf(value).has_value());
    case AvroKind::kFixed: {
      const auto bytes = BytesOf(value);
      return exact(bytes.has_value() && bytes->size() == type.size);
    }
    case AvroKind::kEnum:
      return exact(value.get(text) == simdjson::SUCCESS && type.places.contains(text));
    case AvroKind::kArray:
      return exact(value.is_array());
    case AvroKind::kRecord:
    case AvroKind::kMap:
    case AvroKind::kUnion:
      return JsonFit::kNone;
  }
  return JsonFit::kNone;
}

}  // namespace sidebus
