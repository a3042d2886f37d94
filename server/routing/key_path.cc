#include "server/routing/key_path.h"

#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"

namespace sidebus {
namespace {

namespace dom = simdjson::dom;

// simdjson counts a container when it opens its first member, and refuses at the bound itself.
constexpr std::size_t kMaxDepth = 128 + 1;

// A parser keeps roughly fifteen times the largest text it has read. Up to this size it is kept for
// the thread, above it is made anew and freed.
constexpr std::size_t kMaxKeptBytes = 64 * 1024;

absl::Status Missing(const std::string& path, std::string_view why) {
  return MakeError(Reason::kKeyFieldMissing,
                   fmt::format("no record key: event_key_field \"{}\" {} in the data; send the "
                               "field as a string, an integer or a boolean, or set the event's key",
                               path, why),
                   {{std::string(error_key::kField), path}});
}

absl::Status Invalid(const std::string& path, std::string_view why) {
  return MakeError(
      Reason::kEventInvalid,
      fmt::format("the data must be JSON, because event_key_field \"{}\" is read from it: {}", path,
                  why),
      {{std::string(error_key::kField), "data"}});
}

struct Number {
  std::size_t size = 0;  // 0: not a number
  bool whole = true;     // neither fraction nor exponent
};

// The JSON number at the front of `text`.
Number ReadNumber(std::string_view text) {
  Number number;
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const auto skip_digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - from;
  };
  const bool zero = at < text.size() && text[at] == '0';
  const std::size_t digits = skip_digits();
  if (digits == 0 || (zero && digits > 1)) return {};
  if (at < text.size() && text[at] == '.') {
    ++at;
    number.whole = false;
    if (skip_digits() == 0) return {};
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    number.whole = false;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (skip_digits() == 0) return {};
  }
  number.size = at;
  return number;
}

// Whether `rest` may follow a number that is a value: not one that stands for a member's name.
bool EndsValue(std::string_view rest) {
  const std::size_t next = rest.find_first_not_of(" \t\r\n");
  return next == std::string_view::npos || rest[next] == ',' || rest[next] == ']' ||
         rest[next] == '}';
}

std::size_t StringSize(std::string_view text) {
  std::size_t at = 1;
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return std::min(at + 1, text.size());
}

// JSON has numbers of any size, simdjson those of 64 bits. Makes what may be larger into something
// that is as good for finding a key: an integer into a string of its digits, any other number into
// some fraction. Malformed numbers stay.
std::string WithoutLargeNumbers(std::string_view json) {
  constexpr std::size_t kDigitsThatFit = 18;
  constexpr std::string_view kStartOfNumber = "-0123456789";
  std::string out;
  out.reserve(json.size() + 16);
  while (!json.empty()) {
    std::size_t size = 1;
    if (json.front() == '"') {
      size = StringSize(json);
      out += json.substr(0, size);
    } else if (kStartOfNumber.find(json.front()) == std::string_view::npos) {
      out += json.front();
    } else if (const Number number = ReadNumber(json);
               number.size == 0 || !EndsValue(json.substr(number.size))) {
      // All of the token, or its rest would be taken for another number.
      size = std::max<std::size_t>(1, json.find_first_not_of("+-.0123456789eE"));
      size = std::min(size, json.size());
      out += json.substr(0, size);
    } else {
      size = number.size;
      if (!number.whole) {
        out += "0.5";
      } else if (size > kDigitsThatFit) {
        out += '"';
        out += json.substr(0, size);
        out += '"';
      } else {
        out += json.substr(0, size);
      }
    }
    json.remove_prefix(size);
  }
  return out;
}

// `json` is copied, because simdjson reads beyond its end.
absl::StatusOr<dom::element> ParseJson(dom::parser& parser, std::string_view json,
                                       const std::string& path) {
  if (parser.max_depth() != kMaxDepth && parser.allocate(json.size(), kMaxDepth) != 0) {
    return Invalid(path, "it is too large to be read");
  }
  dom::element root;
  simdjson::error_code error = parser.parse(json.data(), json.size()).get(root);
  if (error == simdjson::NUMBER_ERROR) {
    const std::string readable = WithoutLargeNumbers(json);
    error = parser.parse(readable.data(), readable.size()).get(root);
  }
  switch (error) {
    case simdjson::SUCCESS:
      return root;
    case simdjson::DEPTH_ERROR:
      return Invalid(path, "it is nested over 128 deep");
    case simdjson::NUMBER_ERROR:
      return Invalid(path, "it holds a malformed number");
    default:
      return Invalid(path, simdjson::error_message(error));
  }
}

absl::StatusOr<std::string> Text(dom::element value, const std::string& path) {
  switch (value.type()) {
    case dom::element_type::STRING:
      return std::string(value.get_string().value_unsafe());
    case dom::element_type::INT64:
      return fmt::format_int(value.get_int64().value_unsafe()).str();
    case dom::element_type::UINT64:
      return fmt::format_int(value.get_uint64().value_unsafe()).str();
    case dom::element_type::BOOL:
      return std::string(value.get_bool().value_unsafe() ? "true" : "false");
    case dom::element_type::DOUBLE:
      return Missing(path, "is a fraction");
    case dom::element_type::NULL_VALUE:
      return Missing(path, "is null");
    case dom::element_type::OBJECT:
      return Missing(path, "is an object");
    case dom::element_type::ARRAY:
      return Missing(path, "is an array");
  }
  return Missing(path, "is of an unknown kind");
}

}  // namespace

KeyPath::KeyPath(std::string_view dotted) : text_(dotted) {
  while (true) {
    const std::size_t dot = dotted.find('.');
    parts_.emplace_back(dotted.substr(0, dot));
    if (dot == std::string_view::npos) return;
    dotted.remove_prefix(dot + 1);
  }
}

absl::StatusOr<std::string> KeyPath::Extract(std::string_view json) const {
  thread_local dom::parser kept_parser;
  std::optional<dom::parser> own_parser;
  if (json.size() > kMaxKeptBytes) own_parser.emplace();
  const auto root = ParseJson(own_parser.has_value() ? *own_parser : kept_parser, json, text_);
  if (!root.ok()) return root.status();

  dom::element value = *root;
  for (const std::string& part : parts_) {
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return Missing(text_, "does not exist");
    bool found = false;
    for (const dom::key_value_pair member : object) {
      if (member.key != part) continue;
      if (found) return Invalid(text_, fmt::format("it has the member \"{}\" twice", part));
      found = true;
      value = member.value;
    }
    if (!found) return Missing(text_, "does not exist");
  }
  return Text(value, text_);
}

}  // namespace sidebus
