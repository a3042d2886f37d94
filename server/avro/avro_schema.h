#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/avro/avro_kind.h"

namespace sidebus {

struct AvroType;

struct AvroField {
  std::string name;
  const AvroType* type = nullptr;  // of the same schema, never null

  // What stands for the field where it is missing, encoded. nullopt: there is none, or none that
  // fits the type.
  std::optional<std::string> default_value;

  // The field as a schema of its own, as Python writes it: {"name": "usage_key", "type": "string"}.
  // Only of fields with a primitive type.
  std::string text;
};

// One type of a schema. Which members mean something depends on the kind.
struct AvroType {
  AvroKind kind = AvroKind::kNull;
  std::string name;                    // full name of a record, enum, fixed
  std::vector<AvroField> fields;       // record
  std::size_t required = 0;            // how many of them have no default
  std::vector<std::string> symbols;    // enum
  std::vector<const AvroType*> parts;  // union: its branches; array and map: what they hold, one
  std::size_t size = 0;                // fixed
  std::map<std::string, std::size_t, std::less<>> places;  // of fields and symbols, by name

  // Whether JSON has an object for it, or an array.
  bool is_container() const {
    return kind == AvroKind::kRecord || kind == AvroKind::kMap || kind == AvroKind::kArray;
  }

  // For people: "long", "record UserData", "null or string".
  std::string Describe() const;
};

// An Avro schema: a graph of types, which may go in circles, and its text.
//
// An immutable value, shared as `shared_ptr<const AvroSchema>`. Thread safety: all methods are
// const.
class AvroSchema {
 public:
  // More than any schema of Open edX needs (2 KB, 6 deep); a schema may come from a client.
  static constexpr std::size_t kMaxTextBytes = 128 * 1024;
  static constexpr std::size_t kMaxDepth = 64;
  static constexpr std::size_t kMaxTypes = 4096;

  // EVENT_INVALID with field `schema`, and in the message where and what: not JSON, beyond a bound,
  // no Avro schema. Where implementations of Avro differ this one takes what Python's and Java's
  // do: a namespace may be any text (Open edX has one with a hyphen), unknown attributes and
  // defaults that do not fit are ignored, `{"type": {...}}` is what is inside.
  // Refused, other than in Python: numbers beyond 64 bits.
  static absl::StatusOr<std::shared_ptr<const AvroSchema>> Parse(std::string_view text);

  const AvroType& root() const { return *root_; }

  // As Python's json.dumps(json.loads(text), sort_keys=True), whatever the input's spacing: the
  // text that Open edX registers.
  const std::string& text() const { return text_; }

  // What it takes in memory, about: types and fields are larger than their text.
  std::size_t memory_bytes() const { return MemoryBytes(text_.size()); }
  static constexpr std::size_t MemoryBytes(std::size_t text_bytes) {
    return 1000 + 10 * text_bytes;
  }

 private:
  AvroSchema() = default;

  std::deque<AvroType> types_;  // a deque, because they refer to each other
  const AvroType* root_ = nullptr;
  std::string text_;
};

}  // namespace sidebus
