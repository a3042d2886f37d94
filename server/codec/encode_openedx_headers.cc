#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/codec/attributes.h"
#include "server/codec/openedx_headers.h"
#include "server/codec/python_values.h"
#include "server/codec/text.h"
#include "server/codec/uuid.h"

namespace sidebus {
namespace {

absl::Status InvalidForOpenedx(std::string_view field, std::string_view what) {
  return MakeError(
      Reason::kEventInvalid,
      fmt::format("event field `{}` {}, which consumers of Open edX drop", field, what),
      {{std::string(error_key::kField), std::string(field)}});
}

bool HasPlaceOfItsOwn(const Header& header) {
  return header.name == kSourceHost || header.name == kSourceLib || header.name == kTraceParent ||
         header.name == kTraceState;
}

// The value of a header of the event that may be there once, or `otherwise`.
absl::StatusOr<std::string> Single(const Event& event, std::string_view name,
                                   const std::string& otherwise) {
  const std::string* found = nullptr;
  for (const Header& header : event.headers) {
    if (header.name != name) continue;
    if (found != nullptr) return InvalidForOpenedx("headers", fmt::format("has {} twice", name));
    if (!header.value.has_value()) {
      return InvalidForOpenedx("headers", fmt::format("has {} without a value", name));
    }
    found = &*header.value;
  }
  return found == nullptr ? otherwise : *found;
}

absl::StatusOr<std::string> MinorVersion(const Event& event) {
  const auto extension = event.extensions.find(kMinorVersion);
  if (extension == event.extensions.end()) return "0";
  const auto number = ParsePythonInt(extension->second);
  if (!number.has_value()) {
    return InvalidForOpenedx("extensions", "has a minorversion that is no integer of 64 bits");
  }
  return std::to_string(*number);
}

// All that follows the ten.
void AddOthers(const Event& event, std::vector<Header>& headers) {
  const auto add_attribute = [&](std::string_view name, const std::string& value) {
    headers.push_back({std::string(kAttributePrefix).append(name), value});
  };
  if (!event.subject.empty()) add_attribute("subject", event.subject);
  if (!event.data_schema.empty()) add_attribute("dataschema", event.data_schema);
  for (const auto& [name, value] : event.extensions) {
    if (name != kMinorVersion) add_attribute(name, value);
  }
  for (const std::string_view trace : {kTraceParent, kTraceState}) {
    for (const Header& header : event.headers) {
      if (header.name == trace) headers.push_back(header);
    }
  }
  for (const Header& header : event.headers) {
    if (!HasPlaceOfItsOwn(header)) headers.push_back(header);
  }
}

}  // namespace

std::string OpenedxSource(std::string_view service) {
  return fmt::format("openedx/{}/web", service.empty() ? "SERVICE_NAME_UNSET" : service);
}

absl::StatusOr<std::vector<Header>> EncodeOpenedxHeaders(const Event& event,
                                                         const OpenedxDefaults& defaults) {
  auto id = CanonicalUuid(event.id);
  if (!id.has_value()) return InvalidForOpenedx("id", "is no UUID");
  auto minor_version = MinorVersion(event);
  if (!minor_version.ok()) return minor_version.status();
  auto host = Single(event, kSourceHost, defaults.sourcehost);
  if (!host.ok()) return host.status();
  if (!IsUtf8(*host)) return InvalidForOpenedx("headers", "has a sourcehost that is not UTF-8");
  auto lib = Single(event, kSourceLib, defaults.sourcelib);
  if (!lib.ok()) return lib.status();
  if (!IsPythonVersion(*lib)) {
    return InvalidForOpenedx("headers",
                             "has a sourcelib that is not integers and dots, such as 11.2.0");
  }

  constexpr std::size_t kAlways = 10;
  std::vector<Header> headers;
  headers.reserve(kAlways + 2 + event.extensions.size() + event.headers.size());
  const auto add = [&headers](std::string_view name, std::string value) {
    headers.push_back({std::string(name), std::move(value)});
  };
  add("ce_specversion", "1.0");
  add(kContentType, std::string(kAvroContentType));
  add("ce_datacontenttype", std::string(kAvroContentType));
  add("ce_type", event.type);
  add("ce_id", *std::move(id));
  add("ce_source", event.source.empty() ? defaults.source : event.source);
  add("ce_time", FormatPythonTime(event.time.value_or(EventTime())));
  add("ce_minorversion", *std::move(minor_version));
  add(kSourceHost, *std::move(host));
  add(kSourceLib, *std::move(lib));
  AddOthers(event, headers);
  return headers;
}

}  // namespace sidebus
