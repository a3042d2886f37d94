#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "server/avro/avro_schema.h"
#include "server/avro/value_path.h"

namespace sidebus {

// Reads one Avro value and writes it as JSON text. Every length is checked against what is left
// before it is used, and every value adds to the text, whose size is bounded: so a few hostile
// bytes cost neither memory nor time.
//
// Used once. Thread safety: none. Recurses up to kMaxDepth deep.
class AvroReader {
 public:
  static constexpr std::size_t kMaxDepth = 128;

  AvroReader(std::string_view avro, std::size_t max_json_bytes)
      : in_(avro), max_json_bytes_(max_json_bytes) {}

  // False: error() says why.
  bool Read(const AvroType& type) { return ReadValue(type, nullptr, 0); }

  std::string& json() { return json_; }
  std::string_view rest() const { return in_; }

  const std::string& error() const { return error_; }
  bool too_large() const { return too_large_; }

 private:
  bool ReadValue(const AvroType& type, const ValuePath* path, std::size_t depth);
  bool ReadBoolean(const AvroType& type, const ValuePath* path);
  bool ReadInteger(const AvroType& type, const ValuePath* path);
  bool ReadFraction(const AvroType& type, const ValuePath* path);
  bool ReadText(const AvroType& type, const ValuePath* path);
  bool ReadBytes(const AvroType& type, const ValuePath* path);
  bool ReadEnum(const AvroType& type, const ValuePath* path);
  bool ReadRecord(const AvroType& type, const ValuePath* path, std::size_t depth);
  bool ReadBlocks(const AvroType& type, const ValuePath* path, std::size_t depth);
  bool ReadUnion(const AvroType& type, const ValuePath* path, std::size_t depth);

  // Take from the front of in_. False: there is not enough.
  bool TakeLong(std::int64_t& number);
  bool TakeSized(std::string_view& bytes);
  bool Take(std::size_t size, std::string_view& bytes);
  // The number of items of the next block of an array or a map; 0: there is none.
  bool TakeCount(std::int64_t& count);

  bool Fail(const ValuePath* path, const AvroType& type, std::string_view what);
  bool FailTooLarge();
  bool FitsText() { return json_.size() <= max_json_bytes_ || FailTooLarge(); }
  bool AppendText(std::string_view utf8, const AvroType& type, const ValuePath* path);

  std::string_view in_;
  const std::size_t max_json_bytes_;
  std::string json_;
  std::string error_;
  bool too_large_ = false;
};

}  // namespace sidebus
