#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/codec/attributes.h"
#include "server/codec/cloudevents.h"
#include "server/codec/rfc3339.h"
#include "server/codec/structured_event.h"
#include "server/codec/text.h"

namespace sidebus {
namespace {

// Turns the headers of a binary-mode record into an event, one after the other.
class HeaderReader {
 public:
  using Header = RawHeaders::View;

  explicit HeaderReader(Event& event) : event_(event) {}

  absl::Status Read(const Header& header) {
    const std::string_view name = header.name;
    if (name == kContentType) {
      TakeOptional(event_.content_type, seen_content_type_, header);
    } else if (!name.starts_with(kAttributePrefix) || name == kAttributePrefix) {
      Keep(header);
    } else {
      return ReadAttribute(name.substr(kAttributePrefix.size()), header);
    }
    return absl::OkStatus();
  }

  void Keep(const Header& header) {
    sidebus::Header& kept = event_.headers.emplace_back();
    kept.name = IsUtf8(header.name) ? std::string(header.name) : ToUtf8(header.name);
    if (header.value.has_value()) kept.value.emplace(*header.value);
  }

 private:
  absl::Status ReadAttribute(std::string_view name, const Header& header) {
    if (name == "type") return TakeRequired("ce_type", event_.type, seen_type_, header);
    if (name == "id") return TakeRequired("ce_id", event_.id, seen_id_, header);
    if (name == "source") return TakeRequired("ce_source", event_.source, seen_source_, header);
    if (name == "specversion") return Require("ce_specversion", seen_version_, header);
    if (name == "subject") {
      TakeOptional(event_.subject, seen_subject_, header);
    } else if (name == "dataschema") {
      TakeOptional(event_.data_schema, seen_schema_, header);
    } else if (name == "time") {
      TakeTime(header);
    } else {
      TakeExtension(name, header);
    }
    return absl::OkStatus();
  }

  static absl::Status Require(std::string_view name, bool& seen, const Header& header) {
    if (seen) return NoEvent(name, "is there twice");
    seen = true;
    if (header.value.has_value() && !IsUtf8(*header.value)) return NoEvent(name, "is not UTF-8");
    return absl::OkStatus();
  }

  static absl::Status TakeRequired(std::string_view name, std::string& into, bool& seen,
                                   const Header& header) {
    auto status = Require(name, seen, header);
    if (status.ok() && header.value.has_value()) into = *header.value;
    return status;
  }

  // What does not fit its place is not lost: it stays a header.
  void TakeOptional(std::string& into, bool& seen, const Header& header) {
    if (seen || !header.value.has_value() || !IsUtf8(*header.value)) return Keep(header);
    seen = true;
    into = *header.value;
  }

  void TakeTime(const Header& header) {
    const auto time = header.value.has_value() && !event_.time.has_value()
                          ? ParseRfc3339(*header.value)
                          : std::nullopt;
    if (!time.has_value()) return Keep(header);
    event_.time = time;
  }

  void TakeExtension(std::string_view name, const Header& header) {
    if (!header.value.has_value() || !IsUtf8(name) || !IsUtf8(*header.value) ||
        event_.extensions.contains(name)) {
      return Keep(header);
    }
    event_.extensions.emplace(name, *header.value);
  }

  Event& event_;
  bool seen_type_ = false;
  bool seen_id_ = false;
  bool seen_source_ = false;
  bool seen_version_ = false;
  bool seen_subject_ = false;
  bool seen_schema_ = false;
  bool seen_content_type_ = false;
};

bool IsStructured(const RawHeaders::View& header) {
  return header.name == kContentType && header.value.has_value() &&
         IsStructuredContentType(*header.value);
}

absl::Status ReadStructured(const RawRecord& record, Event& event) {
  if (!record.value.has_value()) return NoEvent("data", "is absent in structured mode");
  if (auto status = ReadStructuredEvent(*record.value, event); !status.ok()) return status;
  HeaderReader reader(event);
  for (const RawHeaders::View& header : record.headers) {
    if (header.name != kContentType) reader.Keep(header);
  }
  return absl::OkStatus();
}

// In binary mode; but `structured` becomes true, and nothing else counts, if it is in the other one.
absl::Status ReadBinary(const RawRecord& record, Event& event, bool& structured) {
  HeaderReader reader(event);
  absl::Status first;  // what is wrong, unless it is in the other mode
  for (const RawHeaders::View& header : record.headers) {
    structured = IsStructured(header);
    if (structured) break;
    if (first.ok()) first = reader.Read(header);
  }
  return first;
}

}  // namespace

absl::Status DecodeCloudEvent(RawRecord& record, const Position& position, Event& event) {
  bool structured = false;
  auto status = ReadBinary(record, event, structured);
  if (structured) {
    event = Event();
    status = ReadStructured(record, event);
  }
  if (!status.ok()) return status;
  if (event.type.empty()) return NoEvent("ce_type", "is missing");
  if (event.id.empty()) {
    event.id = fmt::format("{}/{}/{}", position.topic, position.partition, position.offset);
  }
  event.key = std::exchange(record.key, std::nullopt);
  if (!structured) event.data = std::exchange(record.value, std::nullopt);
  return absl::OkStatus();
}

Record RestoreRecord(const RawRecord& rest, const Event* event) {
  Record record = RecordOf(rest);
  if (event == nullptr) return record;
  if (!record.key.has_value()) record.key = event->key;
  if (!record.value.has_value()) record.value = event->data;
  return record;
}

}  // namespace sidebus
