#pragma once

#include <simdjson.h>

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/avro/avro_schema.h"

namespace sidebus {

// Turns the JSON of one schema into types, as the Avro specification's chapters on names and schema
// declarations say. Bounds: those of AvroSchema. Used once, by AvroSchema::Parse().
class SchemaParser {
 public:
  // Adds to `types`, which outlives what Parse() returns.
  explicit SchemaParser(std::deque<AvroType>& types);

  // Null: error() says what is wrong.
  const AvroType* Parse(simdjson::dom::element schema);

  const std::string& error() const { return error_; }

 private:
  using Element = simdjson::dom::element;
  using Object = simdjson::dom::object;

  struct Scope {
    std::string_view space;  // the namespace that names without one are in
    std::size_t depth = 0;
  };

  // A default, encoded when all types are known.
  struct Default {
    AvroType* record;
    std::size_t field;
    Element value;
  };

  const AvroType* ParseType(Element schema, Scope scope);
  const AvroType* ParseName(std::string_view name, Scope scope);
  const AvroType* ParseUnion(simdjson::dom::array branches, Scope scope);
  const AvroType* ParseObject(Object schema, Scope scope);
  const AvroType* ParseContainer(Object schema, AvroKind kind, Scope scope);
  const AvroType* ParseNamed(Object schema, AvroKind kind, Scope scope);
  bool ParseFields(Object schema, AvroType& record, Scope scope);
  bool ParseField(Element schema, AvroType& record, Scope scope);
  bool ParseSymbols(Object schema, AvroType& type);
  bool ParseSize(Object schema, AvroType& type);
  bool EncodeDefaults();

  AvroType& NewType(AvroKind kind);

  // Both set error(), with the place, and return what stands for a failure.
  std::nullptr_t Fail(std::string_view what);
  bool FailField(std::string_view what);

  std::deque<AvroType>& types_;
  std::array<const AvroType*, kAvroPrimitives> primitives_{};
  std::map<std::string, const AvroType*, std::less<>> named_;
  std::vector<Default> defaults_;
  std::vector<std::string_view> place_;  // names of the fields that are being read
  std::size_t type_count_ = 0;
  std::string error_;
};

}  // namespace sidebus
