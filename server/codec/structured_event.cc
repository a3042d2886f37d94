#include "server/codec/structured_event.h"

#include <simdjson.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "fmt/format.h"
#include "server/base/error.h"
#include "server/codec/attributes.h"
#include "server/codec/rfc3339.h"

namespace sidebus {
namespace {

namespace dom = simdjson::dom;

// simdjson counts a container when it opens its first member, and refuses at the bound itself.
constexpr std::size_t kMaxEventDepth = 128 + 1;

// Without parameters and blanks.
absl::string_view MediaType(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && type.front() == ' ') type.remove_prefix(1);
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  return {type.data(), type.size()};
}

bool IsJson(std::string_view content_type) {
  const absl::string_view type = MediaType(content_type);
  return absl::EndsWithIgnoreCase(type, "/json") || absl::EndsWithIgnoreCase(type, "+json");
}

// A string as itself, everything else as JSON text.
std::string Text(dom::element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return std::string(text);
  return simdjson::minify(value);
}

// The members that make up the data; they can be judged only when all are read.
struct DataMembers {
  std::optional<dom::element> json;
  std::optional<dom::element> base64;
};

absl::Status ReadData(const DataMembers& members, Event& event) {
  if (members.json.has_value() && members.base64.has_value()) {
    return NoEvent("data", "and `data_base64` are both there");
  }
  if (members.base64.has_value()) {
    std::string_view text;
    std::string bytes;
    if (members.base64->get(text) != simdjson::SUCCESS ||
        !absl::Base64Unescape({text.data(), text.size()}, &bytes)) {
      return NoEvent("data_base64", "is not base64");
    }
    event.data = std::move(bytes);
  } else if (members.json.has_value()) {
    if (event.content_type.empty()) event.content_type = "application/json";
    event.data = IsJson(event.content_type) ? std::string(simdjson::minify(*members.json))
                                            : Text(*members.json);
  }
  return absl::OkStatus();
}

absl::Status ReadRequired(std::string_view name, dom::element value, std::string& into,
                          bool& seen) {
  std::string_view text;
  if (seen) return NoEvent(name, "is there twice");
  if (value.get(text) != simdjson::SUCCESS) return NoEvent(name, "is not a string");
  seen = true;
  into = text;
  return absl::OkStatus();
}

}  // namespace

bool IsCloudEventsContentType(std::string_view content_type) {
  return absl::StartsWithIgnoreCase(MediaType(content_type), "application/cloudevents");
}

bool IsAvroContentType(std::string_view content_type) {
  return absl::EqualsIgnoreCase(MediaType(content_type), MediaType(kAvroContentType));
}

absl::Status NoEvent(std::string_view field, std::string_view what) {
  return MakeError(Reason::kEventInvalid,
                   fmt::format("the record is no CloudEvents event: `{}` {}", field, what),
                   {{std::string(error_key::kField), std::string(field)}});
}

bool IsStructuredContentType(std::string_view content_type) {
  return absl::EqualsIgnoreCase(MediaType(content_type), "application/cloudevents+json");
}

absl::Status ReadStructuredEvent(std::string_view json, Event& event) {
  dom::parser parser;
  dom::object members;
  if (parser.allocate(json.size(), kMaxEventDepth) != simdjson::SUCCESS) {
    return NoEvent("data", "is too large to be read");
  }
  if (const auto error = parser.parse(json.data(), json.size()).get(members); error) {
    return NoEvent("data", simdjson::error_message(error));
  }

  bool seen_id = false;
  bool seen_source = false;
  bool seen_type = false;
  bool seen_version = false;
  std::string version;
  DataMembers data;
  for (const auto& [name, value] : members) {
    if (value.is_null()) continue;  // the same as absent
    absl::Status status;
    if (name == "id") {
      status = ReadRequired(name, value, event.id, seen_id);
    } else if (name == "source") {
      status = ReadRequired(name, value, event.source, seen_source);
    } else if (name == "type") {
      status = ReadRequired(name, value, event.type, seen_type);
    } else if (name == "specversion") {
      status = ReadRequired(name, value, version, seen_version);
    } else if (name == "subject") {
      event.subject = Text(value);
    } else if (name == "dataschema") {
      event.data_schema = Text(value);
    } else if (name == "datacontenttype") {
      event.content_type = Text(value);
    } else if (name == "data") {
      data.json = value;
    } else if (name == "data_base64") {
      data.base64 = value;
    } else if (const auto time = name == "time" ? ParseRfc3339(Text(value)) : std::nullopt; time) {
      event.time = time;
    } else {
      event.extensions.insert_or_assign(std::string(name), Text(value));
    }
    if (!status.ok()) return status;
  }
  return ReadData(data, event);
}

}  // namespace sidebus
