#include <array>
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

absl::Status NoOpenedxEvent(std::string_view field, std::string_view what) {
  return MakeError(Reason::kEventInvalid,
                   fmt::format("the record is no Open edX event: header `{}` {}", field, what),
                   {{std::string(error_key::kField), std::string(field)}});
}

// Turns the headers of a record into an event, one after the other.
class OpenedxHeaderReader {
 public:
  explicit OpenedxHeaderReader(Event& event) : event_(event) {}

  absl::Status Read(const RawHeaders::View& header) {
    for (std::size_t i = 0; i < kKnown.size(); ++i) {
      if (header.name == kKnown[i]) return ReadKnown(static_cast<Known>(i), header);
    }
    if (!IsIgnored(header.name)) ReadOther(header);
    return absl::OkStatus();
  }

  absl::Status CheckRequired() const {
    for (const Known known : {kType, kId}) {
      if (!seen_[known]) return NoOpenedxEvent(kKnown[known], "is missing");
    }
    return absl::OkStatus();
  }

 private:
  // What Open edX reads, and may be there once.
  enum Known : std::uint8_t { kType, kId, kSource, kWhen, kMinor, kHost, kLib };
  static constexpr auto kKnown = std::to_array<std::string_view>(
      {"ce_type", "ce_id", "ce_source", "ce_time", "ce_minorversion", kSourceHost, kSourceLib});

  static bool IsIgnored(std::string_view name) {
    return name == "ce_specversion" || name == kContentType || name == kDataContentType;
  }

  absl::Status ReadKnown(Known known, const RawHeaders::View& header) {
    const std::string_view name = kKnown[known];
    if (std::exchange(seen_[known], true)) return NoOpenedxEvent(name, "is there twice");
    if (!header.value.has_value()) return NoOpenedxEvent(name, "has no value");
    if (!IsUtf8(*header.value)) return NoOpenedxEvent(name, "is not UTF-8");
    return Take(known, *header.value)
               ? absl::OkStatus()
               : NoOpenedxEvent(name, "is not of the form that it must have");
  }

  bool Take(Known known, std::string_view value) {
    switch (known) {
      case kType:
        event_.type = value;
        return !value.empty();
      case kId: {
        auto id = CanonicalUuid(value);
        if (id.has_value()) event_.id = *std::move(id);
        return id.has_value();
      }
      case kSource:
        event_.source = value;
        return true;
      case kWhen:
        event_.time = ParsePythonTime(value);
        return event_.time.has_value();
      case kMinor: {
        const auto number = ParsePythonInt(value);
        if (number.has_value())
          event_.extensions[std::string(kMinorVersion)] = std::to_string(*number);
        return number.has_value();
      }
      case kHost:
      case kLib:
        event_.headers.push_back({std::string(kKnown[known]), std::string(value)});
        return known == kHost || IsPythonVersion(value);
    }
    return false;
  }

  // What does not fit its place is not lost: it stays a header.
  void ReadOther(const RawHeaders::View& header) {
    const bool is_text = header.value.has_value() && IsUtf8(*header.value);
    if (!is_text || !header.name.starts_with(kAttributePrefix) ||
        !TakeAttribute(header.name.substr(kAttributePrefix.size()), *header.value)) {
      Header& kept = event_.headers.emplace_back();
      kept.name = IsUtf8(header.name) ? std::string(header.name) : ToUtf8(header.name);
      if (header.value.has_value()) kept.value.emplace(*header.value);
    }
  }

  bool TakeAttribute(std::string_view name, std::string_view value) {
    if (name == "subject" || name == "dataschema") {
      std::string& attribute = name == "subject" ? event_.subject : event_.data_schema;
      if (!attribute.empty()) return false;
      attribute = value;
      return true;
    }
    return !name.empty() && IsUtf8(name) && event_.extensions.emplace(name, value).second;
  }

  Event& event_;
  std::array<bool, kKnown.size()> seen_{};
};

}  // namespace

absl::StatusOr<Event> DecodeOpenedxHeaders(const RawHeaders& headers) {
  Event event;
  event.content_type = "application/json";
  OpenedxHeaderReader reader(event);
  for (const RawHeaders::View header : headers) {
    if (auto status = reader.Read(header); !status.ok()) return status;
  }
  if (auto status = reader.CheckRequired(); !status.ok()) return status;
  return event;
}

}  // namespace sidebus
