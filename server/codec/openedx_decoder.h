#pragma once

#include <cstddef>
#include <optional>

#include "absl/status/statusor.h"
#include "server/avro/avro_schema.h"
#include "server/codec/confluent_frame.h"
#include "server/event/event.h"
#include "server/event/raw_headers.h"

namespace sidebus {

// The schemas that a record was written with, as its bytes name them.
struct OpenedxSchemaIds {
  SchemaId value;
  std::optional<SchemaId> key;  // nullopt: no key, or none that is framed (__key_schema_id)

  friend bool operator==(const OpenedxSchemaIds&, const OpenedxSchemaIds&) = default;
};

// Whether a record is Open edX's, on a topic where there are records of CloudEvents too. The consumers
// of Open edX do not look at content types, so what says nothing is judged by its value:
//
//   content-type, ce_datacontenttype           value       is of
//   one that says a whole CloudEvents event    any         CloudEvents
//   one of them is application/avro            any         Open edX
//   another one                                any         CloudEvents
//   none                                       framed      Open edX
//   none, but a header __value_schema_id       any         Open edX
//   none                                       not framed  CloudEvents
bool IsOpenedxRecord(const RawRecord& record);

// Reads records of Open edX as events with JSON data. Whoever calls asks for the ids, finds their
// schemas, and decodes.
//
// A record that names the schema of its value in a header (__value_schema_id), as newer serializers of
// Confluent can do, is not decoded: what its value begins with is no schema's id
// (docs/adr/0067-ids-in-headers-are-not-read.md).
//
// All errors of both methods are for ever: the record can never be decoded.
// Thread-safe.
class OpenedxDecoder {
 public:
  explicit OpenedxDecoder(std::size_t max_json_bytes) : max_json_bytes_(max_json_bytes) {}

  // EVENT_INVALID with field `data`: a tombstone, or a value that is not framed; also where a header
  // names its schema.
  absl::StatusOr<OpenedxSchemaIds> SchemaIdsOf(const RawRecord& record) const;

  // `writer` is the schema of the value's id, `key_schema` that of the key's; null: not known.
  //
  // The key is a string as it is, an integer in decimal, true or false. Open edX never decodes
  // keys, so one that cannot be decoded, or whose schema is not known, is the record's key as it
  // is. Bytes after the value are ignored, as Python does. The record is left whole:
  // RestoreRecord() gives it back.
  // Errors: as of SchemaIdsOf(), DecodeOpenedxHeaders() and DecodeAvro().
  absl::StatusOr<Event> Decode(const RawRecord& record, const AvroSchema& writer,
                               const AvroSchema* key_schema) const;

 private:
  const std::size_t max_json_bytes_;
};

}  // namespace sidebus
