#include "server/routing/key_path.h"

#include <simdjson.h>

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

// `json` is copied, because simdjson reads beyond its end.
absl::StatusOr<dom::element> ParseJson(dom::parser& parser, std::string_view json,
                                       const std::string& path) {
  if (parser.max_depth() != kMaxDepth && parser.allocate(json.size(), kMaxDepth) != 0) {
    return Invalid(path, "it is too large to be read");
  }
  dom::element root;
  const simdjson::error_code error = parser.parse(json.data(), json.size()).get(root);
  switch (error) {
    case simdjson::SUCCESS:
      return root;
    case simdjson::DEPTH_ERROR:
      return Invalid(path, "it is nested over 128 deep");
    case simdjson::NUMBER_ERROR:
      return Invalid(path, "it holds a malformed number or one that does not fit 64 bits");
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

absl::StatusOr<KeyPath> KeyPath::Parse(std::string_view dotted) {
  KeyPath path;
  path.text_ = dotted;
  while (true) {
    const std::size_t dot = dotted.find('.');
    const std::string_view part = dotted.substr(0, dot);
    if (part.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("event_key_field \"{}\" is no path: write member names with one dot between "
                      "them, for example order.customer.id",
                      path.text_));
    }
    path.parts_.emplace_back(part);
    if (dot == std::string_view::npos) return path;
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
