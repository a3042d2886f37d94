#include "server/subscribe/record_decoder.h"

#include <algorithm>
#include <utility>

#include "server/base/error.h"
#include "server/codec/cloudevents.h"
#include "server/codec/openedx_headers.h"

namespace sidebus {
namespace {

// A few bytes of Avro can mean any amount of JSON (an array of a million nulls). No event of Open edX
// comes near this: a byte of a record of booleans stands for a name and a value.
constexpr std::size_t kMaxGrowth = 128;
constexpr std::size_t kAlwaysAllowed = 64 << 10;

AwaitedSchema Await(SchemaId id, const std::optional<WriterSchemas::Answer>& known) {
  if (!known.has_value()) return {.id = id, .ask_at = {}, .why = {}};
  return {.id = id, .ask_at = known->ask_again, .why = std::string(known->error.message())};
}

}  // namespace

DecodedEvent RecordDecoder::Decode(RawRecord& record, const Position& position) {
  if (schemas_ != nullptr && IsOpenedxRecord(record)) return DecodeOpenedx(record);
  DecodedEvent decoded;
  decoded.bytes = SizeOf(record);
  auto event = std::make_shared<Event>();
  decoded.error = DecodeCloudEvent(record, position, *event);
  if (decoded.error.ok()) decoded.event = std::move(event);
  return decoded;
}

DecodedEvent RecordDecoder::DecodeOpenedx(const RawRecord& record) {
  const OpenedxDecoder decoder(MaxJsonBytes(record));
  DecodedEvent decoded;
  decoded.bytes = SizeOf(record);
  const auto ids = decoder.SchemaIdsOf(record);
  if (!ids.ok()) {
    decoded.error = ids.status();
    return decoded;
  }
  const auto value = Find(ids->value, last_value_);
  const auto key = ids->key.has_value() ? Find(*ids->key, last_key_) : WriterSchemas::Answer();
  const bool value_known = value.has_value() && value->final;
  if (value_known && value->schema == nullptr) {
    decoded.error = value->error;
    return decoded;
  }
  if (!value_known || !key.has_value()) {
    decoded = Undecoded(record);
    if (decoded.event == nullptr) return decoded;
    decoded.awaits = value_known ? Await(*ids->key, key) : Await(ids->value, value);
    return decoded;
  }
  auto event = decoder.Decode(record, *value->schema, key->schema.get());
  if (event.ok()) {
    const std::size_t stored = record.value->size();
    decoded.bytes += std::max(event->data->size(), stored) - stored;
    decoded.schema = value->schema;
    decoded.event = std::make_shared<const Event>(*std::move(event));
  } else if (ReasonOf(event.status()) == Reason::kEventTooLarge) {
    decoded = Undecoded(record);
    decoded.too_large = true;
  } else {
    decoded.error = event.status();
  }
  return decoded;
}

// The event of the headers; an error where they are bad, for which nobody needs a schema.
DecodedEvent RecordDecoder::Undecoded(const RawRecord& record) {
  DecodedEvent decoded;
  decoded.bytes = SizeOf(record);
  auto event = DecodeOpenedxHeaders(record.headers);
  if (event.ok()) {
    decoded.event = std::make_shared<const Event>(*std::move(event));
  } else {
    decoded.error = event.status();
  }
  return decoded;
}

std::optional<WriterSchemas::Answer> RecordDecoder::Find(SchemaId id, std::optional<Last>& last) {
  if (last.has_value() && last->id == id) return last->answer;
  auto answer = schemas_->Find(id);
  if (answer.has_value()) last = Last{id, *answer};
  return answer;
}

std::size_t RecordDecoder::MaxJsonBytes(const RawRecord& record) const {
  const std::size_t size = record.value.has_value() ? record.value->size() : 0;
  return std::min(max_json_bytes_, kAlwaysAllowed + kMaxGrowth * size);
}

}  // namespace sidebus
