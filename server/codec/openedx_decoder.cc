#include "server/codec/openedx_decoder.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "server/avro/decode_avro.h"
#include "server/base/error.h"
#include "server/codec/attributes.h"
#include "server/codec/openedx_headers.h"

namespace sidebus {
namespace {

absl::Status Undecodable(std::string_view what) {
  return MakeError(Reason::kEventInvalid,
                   fmt::format("the record is no Open edX event: its value {}", what),
                   {{std::string(error_key::kField), "data"}});
}

bool HasHeader(const RawRecord& record, std::string_view name) {
  return std::any_of(record.headers.begin(), record.headers.end(),
                     [name](const RawHeaders::View& header) { return header.name == name; });
}

absl::StatusOr<ConfluentFrame> ReadValue(const RawRecord& record) {
  if (!record.value.has_value()) return Undecodable("is absent (a tombstone)");
  if (HasHeader(record, kValueSchemaHeader)) {
    return Undecodable(
        fmt::format("has its schema named in the header {}, which is not supported; "
                    "its producer must put the id in front of the value",
                    kValueSchemaHeader));
  }
  const auto frame = ReadConfluentFrame(*record.value);
  if (frame.has_value()) return *frame;
  return Undecodable(
      fmt::format("is not framed: {}", record.value->size() <= kConfluentPrefixBytes
                                           ? "it has fewer than 6 bytes"
                                           : "it does not begin with a zero byte and a schema id"));
}

// nullopt: it has none, or it is not framed.
std::optional<ConfluentFrame> ReadKey(const RawRecord& record) {
  if (!record.key.has_value() || HasHeader(record, kKeySchemaHeader)) return std::nullopt;
  return ReadConfluentFrame(*record.key);
}

std::string KeyOf(const RawRecord& record, const AvroSchema* schema) {
  const std::string& key = *record.key;
  const auto frame = schema == nullptr ? std::nullopt : ReadKey(record);
  if (!frame.has_value()) return key;
  auto decoded = DecodeAvroKey(frame->avro, *schema);
  return decoded.ok() ? *std::move(decoded) : key;
}

}  // namespace

bool IsOpenedxRecord(const RawRecord& record) {
  bool avro = false;
  bool other = false;
  bool id_in_header = false;
  for (const auto& [name, value] : record.headers) {
    id_in_header = id_in_header || name == kValueSchemaHeader;
    if (!value.has_value() || (name != kContentType && name != kDataContentType)) continue;
    if (IsCloudEventsContentType(*value)) return false;
    (IsAvroContentType(*value) ? avro : other) = true;
  }
  if (avro || other) return avro;
  if (id_in_header) return true;
  return record.value.has_value() && ReadConfluentFrame(*record.value).has_value();
}

absl::StatusOr<OpenedxSchemaIds> OpenedxDecoder::SchemaIdsOf(const RawRecord& record) const {
  const auto value = ReadValue(record);
  if (!value.ok()) return value.status();
  OpenedxSchemaIds ids{.value = value->id, .key = std::nullopt};
  if (const auto key = ReadKey(record)) ids.key = key->id;
  return ids;
}

absl::StatusOr<Event> OpenedxDecoder::Decode(const RawRecord& record, const AvroSchema& writer,
                                             const AvroSchema* key_schema) const {
  const auto value = ReadValue(record);
  if (!value.ok()) return value.status();
  auto event = DecodeOpenedxHeaders(record.headers);
  if (!event.ok()) return event;
  auto json = DecodeAvro(value->avro, writer, max_json_bytes_, AvroTail::kIgnored);
  if (!json.ok()) return json.status();
  event->data = *std::move(json);
  if (record.key.has_value()) event->key = KeyOf(record, key_schema);
  return event;
}

}  // namespace sidebus
