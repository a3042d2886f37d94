#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "server/avro/avro_schema.h"
#include "server/avro/decode_avro.h"
#include "server/avro/encode_avro.h"

namespace sidebus {

using SharedSchema = std::shared_ptr<const AvroSchema>;

// `text` is a schema.
inline SharedSchema SchemaOf(std::string_view text) {
  auto schema = AvroSchema::Parse(text);
  EXPECT_TRUE(schema.ok()) << schema.status() << "\n" << text;
  return schema.ok() ? *schema : nullptr;
}

// A record with one field `f` of a type, in JSON.
inline SharedSchema RecordOf(std::string_view type) {
  return SchemaOf(R"({"type":"record","name":"R","fields":[{"name":"f","type":)" +
                  std::string(type) + "}]}");
}

inline constexpr std::size_t kRoom = 1 << 20;

inline absl::StatusOr<std::string> Encode(std::string_view json, const AvroSchema& schema,
                                          std::size_t max_bytes = kRoom) {
  AvroOutput out;
  const auto status = EncodeAvro(json, schema, nullptr, max_bytes, out);
  if (!status.ok()) return status;
  return out.value;
}

inline absl::StatusOr<std::string> Decode(std::string_view avro, const AvroSchema& schema,
                                          std::size_t max_json_bytes = kRoom) {
  return DecodeAvro(avro, schema, max_json_bytes, AvroTail::kRefused);
}

// The error's text. For matchers: absl::string_view is not std::string_view.
inline std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

}  // namespace sidebus
