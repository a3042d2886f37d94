#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/avro/avro_schema.h"

namespace sidebus {

// Whether something may follow the value.
enum class AvroTail : std::uint8_t {
  kRefused,
  kIgnored,  // as Python's consumers do
};

// Decodes an Avro value, with the schema it was written with, into JSON text.
//
// The text has no blanks, members in the order of the schema, numbers as Python's json writes them,
// UTF-8 unescaped. JSON stands for each kind as in encode_avro.h, so the text encodes to the same
// value again; floats are written with the fewest digits that do. A map with an entry twice gives
// an object with a member twice.
//
// Errors, none of which goes away by itself: EVENT_INVALID with field `data`, and in the message
// where: the bytes end too early, a length or a count is negative or larger than what is left, text
// is not UTF-8, a number is beyond its type, over 128 deep, something follows. EVENT_TOO_LARGE: the
// text would have more than about `max_json_bytes`, as few bytes of Avro can mean.
//
// Cost: a pass over `avro`, with no allocation but the text's. Thread-safe.
absl::StatusOr<std::string> DecodeAvro(std::string_view avro, const AvroSchema& schema,
                                       std::size_t max_json_bytes, AvroTail tail);

// Decodes a value of a primitive type into what a record key is: strings and bytes as they are,
// integers in decimal, true or false. EVENT_INVALID with field `key` for everything else.
absl::StatusOr<std::string> DecodeAvroKey(std::string_view avro, const AvroSchema& schema);

}  // namespace sidebus
