#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "server/avro/avro_schema.h"
#include "server/avro/field_path.h"
#include "server/base/clock.h"
#include "server/codec/confluent_frame.h"
#include "server/codec/openedx_headers.h"
#include "server/codec/uuid.h"
#include "server/event/event.h"

namespace sidebus {

// What the records of one route are encoded with. Borrows schema and key.
struct OpenedxTarget {
  const AvroSchema& schema;
  SchemaId value_id;                   // of the schema, under ValueSubject()
  const AvroFieldPath* key = nullptr;  // the route's event_key_field in the schema; null: no keys
  SchemaId key_id;                     // of key->schema_text(), under KeySubject()
};

// Writes events as records that Open edX reads: the ten headers, the data as framed Avro, the key
// as framed Avro of a field of the data. Same event, same ids: the same bytes as Python's.
//
// Knows no registry: whoever calls has the schemas and their ids.
// Thread-safe. Borrows the clock.
class OpenedxEncoder {
 public:
  // `max_value_bytes` bounds the value without its frame.
  OpenedxEncoder(OpenedxDefaults defaults, std::size_t max_value_bytes, const Clock& clock);

  // With ids from a generator that is known; for tests.
  OpenedxEncoder(OpenedxDefaults defaults, std::size_t max_value_bytes, const Clock& clock,
                 std::uint64_t uuid_node, std::uint16_t uuid_sequence);

  // Gives an event the id (UUID version 1), source and time that it lacks. Before Encode(), and
  // once for all routes: an event has the same id in every topic.
  void Complete(Event& event);

  // The event's own key is taken where the key field is a string, else the field of the data.
  // Errors: EVENT_INVALID, KEY_FIELD_MISSING, SCHEMA_MISMATCH, EVENT_TOO_LARGE, as EncodeAvro() and
  // EncodeOpenedxHeaders() say; EVENT_INVALID also for an event without data (field `data`), which
  // Open edX cannot read, and for a key of its own where none may be (field `key`).
  // The event is valid (ValidateEvent) and complete.
  absl::StatusOr<Record> Encode(const Event& event, const OpenedxTarget& target) const;

 private:
  const OpenedxDefaults defaults_;
  const std::size_t max_value_bytes_;
  const Clock& clock_;
  UuidV1 ids_;
};

}  // namespace sidebus
