#include <algorithm>
#include <string_view>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/codec/attributes.h"
#include "server/codec/cloudevents.h"
#include "server/codec/text.h"

namespace sidebus {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kMaxUriBytes = 1024;
constexpr std::size_t kMaxExtensionNameBytes = 20;
constexpr std::size_t kMaxHeaders = 1000;
constexpr std::int64_t kFirstEventSecond = 0;
constexpr std::int64_t kLastEventSecond = 253'402'300'799;  // 9999-12-31T23:59:59Z

absl::Status ValidateText(std::string_view field, std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return InvalidEventField(
        field, fmt::format("has {} bytes; at most {} are allowed", text.size(), max_bytes));
  }
  if (!IsUtf8(text)) return InvalidEventField(field, "is not UTF-8");
  if (HasControlCharacter(text))
    return InvalidEventField(field, "has a control character; leave it out");
  return absl::OkStatus();
}

bool IsExtensionName(std::string_view name) {
  if (name.empty() || name.size() > kMaxExtensionNameBytes) return false;
  if (!std::all_of(name.begin(), name.end(),
                   [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); })) {
    return false;
  }
  return std::find(kAttributeNames.begin(), kAttributeNames.end(), name) == kAttributeNames.end();
}

absl::Status ValidateExtensions(const Event& event) {
  if (event.extensions.size() > kMaxHeaders) {
    return InvalidEventField("extensions", fmt::format("has {} entries; at most {} are allowed",
                                                       event.extensions.size(), kMaxHeaders));
  }
  for (const auto& [name, value] : event.extensions) {
    if (!IsExtensionName(name)) {
      return InvalidEventField(
          "extensions",
          "has a name that is not allowed: use 1 to 20 of a-z and 0-9, and not the name "
          "of a CloudEvents attribute");
    }
    if (!IsUtf8(value)) return InvalidEventField("extensions", "has a value that is not UTF-8");
    if (HasControlCharacter(value))
      return InvalidEventField("extensions", "has a control character");
  }
  return absl::OkStatus();
}

absl::Status ValidateHeaders(const Event& event) {
  if (event.headers.size() > kMaxHeaders) {
    return InvalidEventField("headers", fmt::format("has {} entries; at most {} are allowed",
                                                    event.headers.size(), kMaxHeaders));
  }
  for (const Header& header : event.headers) {
    if (header.name.empty()) return InvalidEventField("headers", "has a header without a name");
    if (!IsUtf8(header.name)) return InvalidEventField("headers", "has a name that is not UTF-8");
    if (header.name.starts_with(kAttributePrefix) || header.name.starts_with("sidebus-") ||
        header.name == kContentType) {
      return InvalidEventField(
          "headers",
          "has a reserved name: names that begin with ce_ or sidebus- and content-type "
          "are written by the gateway; use the event's fields and extensions");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status InvalidEventField(std::string_view field, std::string_view what) {
  return MakeError(Reason::kEventInvalid, fmt::format("event field `{}` {}", field, what),
                   {{std::string(error_key::kField), std::string(field)}});
}

absl::Status ValidateEvent(const Event& event) {
  if (event.type.empty()) {
    return InvalidEventField("type", "is empty; set it to an event type of the producer config");
  }
  if (auto status = ValidateText("type", event.type, kMaxNameBytes); !status.ok()) return status;
  if (auto status = ValidateText("id", event.id, kMaxIdBytes); !status.ok()) return status;
  if (auto status = ValidateText("source", event.source, kMaxUriBytes); !status.ok()) return status;
  if (auto status = ValidateText("subject", event.subject, kMaxUriBytes); !status.ok()) {
    return status;
  }
  if (auto status = ValidateText("content_type", event.content_type, kMaxNameBytes); !status.ok()) {
    return status;
  }
  if (IsCloudEventsContentType(event.content_type)) {
    return InvalidEventField(
        "content_type",
        "says that the data is a whole CloudEvents event; send its attributes as fields "
        "of the event, and the content type of its data");
  }
  if (auto status = ValidateText("data_schema", event.data_schema, kMaxUriBytes); !status.ok()) {
    return status;
  }
  if (event.time.has_value() &&
      (event.time->seconds < kFirstEventSecond || event.time->seconds > kLastEventSecond ||
       event.time->nanos < 0 || event.time->nanos > 999'999'999)) {
    return InvalidEventField("time", "is outside of the years 1970 to 9999");
  }
  if (auto status = ValidateExtensions(event); !status.ok()) return status;
  return ValidateHeaders(event);
}

}  // namespace sidebus
