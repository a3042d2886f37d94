#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/avro/avro_schema.h"
#include "server/avro/value_path.h"

namespace sidebus {

// Writes JSON values as Avro binary, in the way of Open edX: nothing is coerced, members that the
// schema does not have are left out, missing ones take their default. How JSON stands for each kind
// is said in encode_avro.h.
//
// Thread safety: none. Recurses as deep as the values are nested.
class AvroWriter {
 public:
  // Appends to `out`, at most `max_bytes`. Values of no bytes, and branches of unions that must be
  // looked into, count as a byte, so that the time is bounded too.
  AvroWriter(std::string& out, std::size_t max_bytes)
      : out_(out), max_bytes_(max_bytes), left_(max_bytes) {}

  // SCHEMA_MISMATCH with the place as `field`, EVENT_TOO_LARGE; what was appended is then of no
  // use.
  absl::Status Write(simdjson::dom::element value, const AvroType& type);

 private:
  using Element = simdjson::dom::element;
  using Object = simdjson::dom::object;

  // False: error_ is set.
  bool WriteValue(Element value, const AvroType& type, const ValuePath* path);
  bool WriteInteger(Element value, const AvroType& type, const ValuePath* path);
  bool WriteFraction(Element value, const AvroType& type, const ValuePath* path);
  bool WriteBytes(Element value, const AvroType& type, const ValuePath* path);
  bool WriteText(Element value, const AvroType& type, const ValuePath* path);
  bool WriteRecord(Element value, const AvroType& type, const ValuePath* path);
  bool WriteArray(Element value, const AvroType& type, const ValuePath* path);
  bool WriteMap(Element value, const AvroType& type, const ValuePath* path);
  bool WriteUnion(Element value, const AvroType& type, const ValuePath* path);

  // The branch of a union that a value is written as. nullopt: there is none.
  std::optional<std::size_t> ChooseBranch(Element value, const AvroType& type);
  std::optional<std::size_t> ChooseContainer(Object value, const AvroType& type);
  bool HasRequiredFields(Object value, const AvroType& record);

  bool Append(std::string_view bytes);
  bool AppendLong(std::int64_t number);
  bool AppendSized(std::string_view bytes);

  bool Mismatch(const ValuePath* path, const AvroType& type, std::string_view found);
  bool Mismatch(const ValuePath* path, const AvroType& type, Element found);

  std::string& out_;
  const std::size_t max_bytes_;
  std::size_t left_;
  std::vector<std::optional<Element>> slots_;  // members of the records being written, in order
  absl::Status error_;
};

}  // namespace sidebus
