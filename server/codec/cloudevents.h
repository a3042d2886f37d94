#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/event/event.h"
#include "server/event/raw_headers.h"

namespace sidebus {

// Events as Kafka records, CloudEvents 1.0 Kafka protocol binding.
//
// Writing is binary mode: headers in this order, UTF-8: ce_specversion (1.0), ce_id, ce_source,
// ce_type, then if set ce_subject, ce_time (always; RFC 3339, UTC, `Z`, 0, 3, 6 or 9 digits, the
// shortest exact one), ce_dataschema, content-type, then extensions as ce_<name> sorted by name,
// traceparent and tracestate (from the event's headers of those names), then the other headers in
// their order. Reading also takes structured mode (content-type application/cloudevents+json).

inline constexpr std::size_t kMaxIdBytes = 255;

// EVENT_INVALID: a field of an event that is to be published is wrong.
absl::Status InvalidEventField(std::string_view field, std::string_view what);

// Checks what does not depend on the configuration. EVENT_INVALID with metadata `field` (type, id,
// source, subject, content_type, data_schema, time, extensions, headers) and a message for people:
// type is 1 to 255 bytes, id and content_type at most 255, source, subject and data_schema at most
// 1,024, all UTF-8 without control characters; content_type is not one of a whole CloudEvents
// event, which readers would unpack; time is in the years 1970 to 9999; extension names are
// [a-z0-9]{1,20} and no attribute; headers are at most 1,000, have a name, and none that begins
// with `ce_` or `sidebus-` or is `content-type`. id, source and time may still be empty.
absl::Status ValidateEvent(const Event& event);

// Encodes a valid event that has id, source and time. `key` is the record key; the event's own is
// not looked at. Moves the data; allocates the header list once, at its exact size.
Record EncodeCloudEvent(Event&& event, std::optional<std::string> key);

// Decodes into `event`, which is empty. A missing ce_id becomes `<topic>/<partition>/<offset>` of
// `position`, a missing ce_source is left empty. EVENT_INVALID for no ce_type, a required attribute
// twice, or one that is not UTF-8: the record cannot be decoded, ever; it is left as it was, and the
// event is of no use.
// Else the event takes what it needs from the record without a copy: the key, and in binary mode
// the value. RestoreRecord() puts it back.
absl::Status DecodeCloudEvent(RawRecord& record, const Position& position, Event& event);

// The record as it was consumed, from what decoding left of it and the event that it made; null
// where it made none. A key or a value that was left in the record is the record's own.
Record RestoreRecord(const RawRecord& rest, const Event* event);

// A random UUID, version 4, lower case. Thread-safe.
std::string RandomUuid();

}  // namespace sidebus
