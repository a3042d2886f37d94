#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "server/avro/avro_schema.h"
#include "server/base/clock.h"
#include "server/broker/consumer.h"
#include "server/codec/confluent_frame.h"
#include "server/event/event.h"
#include "server/event/raw_headers.h"

namespace sidebus {

// A schema without which a record cannot be decoded yet.
struct AwaitedSchema {
  SchemaId id;
  SteadyTime ask_at{};  // not before, for the registry was asked a short while ago
  std::string why;      // it is not there, for people; empty: the registry is to be asked
};

// What decoding made of a record.
struct DecodedEvent {
  std::shared_ptr<const Event> event;  // null: `error` says why it can never be decoded
  absl::Status error;
  std::shared_ptr<const AvroSchema>
      schema;                           // the data are JSON for what it describes; null: as stored
  std::optional<AwaitedSchema> awaits;  // the event is that of the headers, without data
  bool too_large = false;               // for any stream; the same
  std::uint64_t bytes = 0;              // of the whole record, as it is delivered at the largest
};

// A record on its way into the book.
struct DecodedRecord : DecodedEvent {
  DeliveryTag tag;
  std::int64_t offset = -1;
  SystemTime broker_time{};
  std::optional<std::string> key;
  RawRecord rest;          // what the event did not take of the record
  bool elsewhere = false;  // redriven for another group
};

// A record whose schema may be there now.
struct RecordToDecode {
  std::uint64_t number = 0;  // BufferedRecord::number
  RawRecord record;
};

}  // namespace sidebus
