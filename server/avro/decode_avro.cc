#include "server/avro/decode_avro.h"

#include <utility>

#include "fmt/format.h"
#include "server/avro/avro_reader.h"
#include "server/base/error.h"
#include "server/base/varint.h"

namespace sidebus {
namespace {

absl::Status Undecodable(std::string_view field, std::string_view why) {
  return MakeError(Reason::kEventInvalid,
                   fmt::format("the {} cannot be decoded with its schema: {}", field, why),
                   {{std::string(error_key::kField), std::string(field)}});
}

}  // namespace

absl::StatusOr<std::string> DecodeAvro(std::string_view avro, const AvroSchema& schema,
                                       std::size_t max_json_bytes, AvroTail tail) {
  AvroReader reader(avro, max_json_bytes);
  if (!reader.Read(schema.root())) {
    if (!reader.too_large()) return Undecodable("data", reader.error());
    return MakeError(Reason::kEventTooLarge,
                     fmt::format("the data is too large: {}", reader.error()));
  }
  if (tail == AvroTail::kRefused && !reader.rest().empty()) {
    return Undecodable("data", fmt::format("{} bytes follow the value", reader.rest().size()));
  }
  return std::move(reader.json());
}

absl::StatusOr<std::string> DecodeAvroKey(std::string_view avro, const AvroSchema& schema) {
  const AvroKind kind = schema.root().kind;
  if (kind == AvroKind::kString || kind == AvroKind::kBytes) {
    const auto size = TakeVarint(avro);
    if (!size.has_value() || *size < 0 || static_cast<std::uint64_t>(*size) > avro.size()) {
      return Undecodable("key", "its length is wrong, or it is cut off");
    }
    return std::string(avro.substr(0, static_cast<std::size_t>(*size)));
  }
  if (kind != AvroKind::kBoolean && kind != AvroKind::kInt && kind != AvroKind::kLong) {
    return Undecodable("key", fmt::format("{} is no type of a key", schema.root().Describe()));
  }
  constexpr std::size_t kMostDigits = 32;
  AvroReader reader(avro, kMostDigits);
  if (!reader.Read(schema.root())) return Undecodable("key", reader.error());
  return std::move(reader.json());
}

}  // namespace sidebus
