#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/avro/avro_schema.h"
#include "server/avro/field_path.h"

namespace sidebus {

// What EncodeAvro() appends to; what is there before stays in front.
struct AvroOutput {
  std::string value;
  std::string key;  // untouched when no key is asked for
};

// Encodes JSON text as Avro binary, to the bytes that Open edX writes for it.
//
// JSON stands for each kind as in Python: null, booleans, numbers, strings, lists and objects.
// Nothing is coerced: 1.0 is no long, "1" neither, true is no 1; but an integer is a float or a
// double. Longs are exact over all 64 bits. bytes and fixed are strings of the characters U+0000 to
// U+00FF; NaN, Infinity and -Infinity are strings. A union has no tag: its first branch that the
// value fits, or else that an integer fits as a fraction. Members that the schema does not have are
// left out, missing ones take their default.
//
// Errors: EVENT_INVALID with field `data`: not JSON, nested over 128 deep, a number beyond 64 bits.
// SCHEMA_MISMATCH with the place as `field` and, in the message, what was expected and found there
// (`enrollment.user.id: expected long, found string`). EVENT_TOO_LARGE: the value has more than
// `max_bytes`. KEY_FIELD_MISSING: `key` takes its default.
// `key` may be null, and is of `schema`.
//
// Cost: one copy of `json`, and a pass over it. Thread-safe.
absl::Status EncodeAvro(std::string_view json, const AvroSchema& schema, const AvroFieldPath* key,
                        std::size_t max_bytes, AvroOutput& out);

// `text` as the Avro string that it is.
void AppendAvroString(std::string& out, std::string_view text);

}  // namespace sidebus
