#include "server/avro/python_json.h"

#include <map>
#include <string_view>

#include "fmt/format.h"
#include "server/base/utf8.h"

namespace sidebus {
namespace {

namespace dom = simdjson::dom;

// `utf8` starts with a character of `size` bytes.
unsigned CodePoint(std::string_view utf8, std::size_t size) {
  constexpr unsigned kFirstByteBits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  unsigned code = static_cast<unsigned char>(utf8[0]) & kFirstByteBits[size];
  for (std::size_t i = 1; i < size; ++i) {
    code = code << 6 | (static_cast<unsigned char>(utf8[i]) & 0x3f);
  }
  return code;
}

void AppendEscape(std::string& out, unsigned code) {
  constexpr std::string_view kLetters = R"("\/bfnrt)";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  const std::size_t at =
      code < 0x80 && code != '/' ? kMeant.find(static_cast<char>(code)) : std::string_view::npos;
  if (at != std::string_view::npos) {
    out += '\\';
    out += kLetters[at];
  } else if (code < 0x10000) {
    out += fmt::format("\\u{:04x}", code);
  } else {
    const unsigned rest = code - 0x10000;
    out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
  }
}

void AppendPythonString(std::string& out, std::string_view utf8) {
  out += '"';
  while (!utf8.empty()) {
    const char c = utf8.front();
    const std::size_t size = Utf8Length(utf8);
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
      out += c;
    } else {
      AppendEscape(out, CodePoint(utf8, size));
    }
    utf8.remove_prefix(size);
  }
  out += '"';
}

void AppendObject(std::string& out, dom::object object) {
  std::map<std::string_view, dom::element> members;
  for (const auto& [name, value] : object) members.insert_or_assign(name, value);
  std::string_view separator = "{";
  for (const auto& [name, value] : members) {
    out += separator;
    AppendPythonString(out, name);
    out += ": ";
    AppendPythonJson(out, value);
    separator = ", ";
  }
  out += members.empty() ? "{}" : "}";
}

void AppendArray(std::string& out, dom::array array) {
  std::string_view separator = "[";
  for (const dom::element value : array) {
    out += separator;
    AppendPythonJson(out, value);
    separator = ", ";
  }
  out += separator == "[" ? "[]" : "]";
}

template <typename Number>
void AppendShortest(std::string& out, Number number) {
  const std::string text = fmt::format("{}", number);
  out += text;
  if (text.find_first_not_of("-0123456789") == std::string::npos) out += ".0";
}

}  // namespace

void AppendPythonNumber(std::string& out, double number) { AppendShortest(out, number); }

void AppendPythonNumber(std::string& out, float number) { AppendShortest(out, number); }

void AppendPythonJson(std::string& out, dom::element value) {
  switch (value.type()) {
    case dom::element_type::OBJECT:
      return AppendObject(out, value.get_object().value_unsafe());
    case dom::element_type::ARRAY:
      return AppendArray(out, value.get_array().value_unsafe());
    case dom::element_type::STRING:
      return AppendPythonString(out, value.get_string().value_unsafe());
    case dom::element_type::INT64:
      out += fmt::format_int(value.get_int64().value_unsafe()).str();
      return;
    case dom::element_type::UINT64:
      out += fmt::format_int(value.get_uint64().value_unsafe()).str();
      return;
    case dom::element_type::DOUBLE:
      return AppendPythonNumber(out, value.get_double().value_unsafe());
    case dom::element_type::BOOL:
      out += value.get_bool().value_unsafe() ? "true" : "false";
      return;
    case dom::element_type::NULL_VALUE:
      out += "null";
      return;
  }
}

simdjson::simdjson_result<dom::element> LastMember(dom::object object, std::string_view name) {
  simdjson::simdjson_result<dom::element> found = simdjson::NO_SUCH_FIELD;
  for (const auto& [key, value] : object) {
    if (key == name) found = dom::element(value);
  }
  return found;
}

}  // namespace sidebus
