#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "server/codec/openedx_decoder.h"
#include "server/subscribe/decoded_record.h"
#include "server/subscribe/writer_schemas.h"

namespace sidebus {

// Turns records into events: those of Open edX, where they are to be read, with the schemas of their
// writers, and all others as CloudEvents. Which is which: IsOpenedxRecord().
//
// An Open edX record whose value's schema is not there yet awaits it, and so does one whose key's is
// not, lest its key be now this, now that. Without a schema for the key (the registry has none) the
// key is what the record has.
//
// Made for a batch of records: it remembers the last schemas, so that a run of records with the same
// ones costs one look-up. Thread safety: none. Life: `schemas` outlives it.
class RecordDecoder {
 public:
  // `schemas` null: all records are CloudEvents. No event may have more than about `max_json_bytes`
  // of JSON.
  RecordDecoder(WriterSchemas* schemas, std::size_t max_json_bytes)
      : schemas_(schemas), max_json_bytes_(max_json_bytes) {}

  // A CloudEvents event takes from the record what DecodeCloudEvent() says; a record of Open edX is
  // left whole.
  DecodedEvent Decode(RawRecord& record, const Position& position);

 private:
  struct Last {
    SchemaId id;
    WriterSchemas::Answer answer;
  };

  DecodedEvent DecodeOpenedx(const RawRecord& record);
  static DecodedEvent Undecoded(const RawRecord& record);
  // nullopt: not known, or not for sure.
  std::optional<WriterSchemas::Answer> Find(SchemaId id, std::optional<Last>& last);
  std::size_t MaxJsonBytes(const RawRecord& record) const;

  WriterSchemas* const schemas_;
  const std::size_t max_json_bytes_;
  std::optional<Last> last_value_;
  std::optional<Last> last_key_;
};

}  // namespace sidebus
