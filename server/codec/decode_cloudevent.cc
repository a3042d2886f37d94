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

absl::Status Undecodable(std::string_view field, std::string_view what) {
  return MakeError(Reason::kEventInvalid,
                   fmt::format("the record is no CloudEvents event: `{}` {}", field, what),
                   {{std::string(error_key::kField), std::string(field)}});
}

// Turns the headers of a binary-mode record into an event, one after the other.
class HeaderReader {
 public:
  explicit HeaderReader(Event& event) : event_(event) {}

  absl::Status Read(Header header) {
    const std::string_view name = header.name;
    if (name == kContentType) {
      TakeOptional(event_.content_type, seen_content_type_, header);
    } else if (!name.starts_with(kAttributePrefix) || name == kAttributePrefix) {
      Keep(std::move(header));
    } else {
      return ReadAttribute(name.substr(kAttributePrefix.size()), header);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadAttribute(std::string_view name, Header& header) {
    if (name == "type") return TakeRequired("ce_type", event_.type, seen_type_, header);
    if (name == "id") return TakeRequired("ce_id", event_.id, seen_id_, header);
    if (name == "source") return TakeRequired("ce_source", event_.source, seen_source_, header);
    if (name == "specversion") {
      std::string version;
      return TakeRequired("ce_specversion", version, seen_version_, header);
    }
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

  absl::Status TakeRequired(std::string_view name, std::string& into, bool& seen, Header& header) {
    if (seen) return Undecodable(name, "is there twice");
    seen = true;
    if (!header.value.has_value()) return absl::OkStatus();
    if (!IsUtf8(*header.value)) return Undecodable(name, "is not UTF-8");
    into = *std::move(header.value);
    return absl::OkStatus();
  }

  // What does not fit its place is not lost: it stays a header.
  void TakeOptional(std::string& into, bool& seen, Header& header) {
    if (seen || !header.value.has_value() || !IsUtf8(*header.value)) return Keep(std::move(header));
    seen = true;
    into = *std::move(header.value);
  }

  void TakeTime(Header& header) {
    const auto time = header.value.has_value() && !event_.time.has_value()
                          ? ParseRfc3339(*header.value)
                          : std::nullopt;
    if (!time.has_value()) return Keep(std::move(header));
    event_.time = time;
  }

  void TakeExtension(std::string_view name, Header& header) {
    if (!header.value.has_value() || !IsUtf8(name) || !IsUtf8(*header.value) ||
        event_.extensions.contains(name)) {
      return Keep(std::move(header));
    }
    event_.extensions.emplace(name, *std::move(header.value));
  }

  void Keep(Header header) {
    if (!IsUtf8(header.name)) header.name = ToUtf8(header.name);
    event_.headers.push_back(std::move(header));
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

const Header* FindStructuredContentType(const Record& record) {
  for (const Header& header : record.headers) {
    if (header.name == kContentType && header.value.has_value() &&
        IsStructuredContentType(*header.value)) {
      return &header;
    }
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<Event> DecodeCloudEvent(Record record, const Position& position) {
  Event event;
  event.key = std::move(record.key);
  if (FindStructuredContentType(record) != nullptr) {
    if (!record.value.has_value()) return Undecodable("data", "is absent in structured mode");
    if (auto status = ReadStructuredEvent(*record.value, event); !status.ok()) return status;
    for (Header& header : record.headers) {
      if (header.name == kContentType) continue;
      if (!IsUtf8(header.name)) header.name = ToUtf8(header.name);
      event.headers.push_back(std::move(header));
    }
  } else {
    event.data = std::move(record.value);
    HeaderReader reader(event);
    for (Header& header : record.headers) {
      if (auto status = reader.Read(std::move(header)); !status.ok()) return status;
    }
  }
  if (event.type.empty()) return Undecodable("ce_type", "is missing");
  if (event.id.empty()) {
    event.id = fmt::format("{}/{}/{}", position.topic, position.partition, position.offset);
  }
  return event;
}

}  // namespace sidebus
