// The part of DeliveryBook that knows of records without their schemas.

#include <algorithm>
#include <utility>

#include "server/subscribe/delivery_book.h"

namespace sidebus {
namespace {

// What a buffered record costs beyond its bytes, and each of its headers and extensions (as map
// node or string objects; short ones are counted twice).
constexpr std::uint64_t kRecordOverhead = sizeof(BufferedRecord) + sizeof(Event) + 64;
constexpr std::uint64_t kAttributeOverhead = 2 * sizeof(std::string) + 64;

std::uint64_t SizeOfText(const std::optional<std::string>& text) {
  return text.has_value() ? text->size() : 0;
}

std::uint64_t CostOf(const BufferedRecord& record) {
  const std::uint64_t cost = record.bytes + record.rest.headers.memory() + kRecordOverhead;
  if (record.event == nullptr) return cost;
  // A structured record, and one of Open edX, is kept as it was beside the event that was read
  // from it.
  const std::uint64_t twice = SizeOfText(record.rest.key) + SizeOfText(record.rest.value);
  return cost + twice +
         (record.event->headers.size() + record.event->extensions.size()) * kAttributeOverhead;
}

}  // namespace

// The record is what decoding made of it; `type` null: no event.
void DeliveryBook::SetEvent(BufferedRecord& record, TypeQueue* type, DecodedEvent decoded,
                            SteadyTime now) {
  PartitionBuffer& partition = *record.partition;
  unsettled_bytes_ -= record.bytes;
  budget_.Return(record.cost);
  partition.bytes -= record.cost;
  record.type = type;
  record.event = std::move(decoded.event);
  record.schema = std::move(decoded.schema);
  record.too_large = decoded.too_large || decoded.bytes > settings_.max_delivery_bytes;
  record.bytes = decoded.bytes;
  record.cost = CostOf(record);
  unsettled_bytes_ += record.bytes;
  budget_.Take(record.cost);
  partition.bytes += record.cost;
  if (type == nullptr) NoteFailure(record, std::string(decoded.error.message()), now);
}

void DeliveryBook::Decoded(std::uint64_t number, DecodedEvent decoded, SteadyTime now) {
  BufferedRecord* const record = awaited_.Find(number);
  if (record == nullptr) return;
  if (decoded.awaits.has_value()) return awaited_.Await(*record, *decoded.awaits);
  StopDecoding(*record);
  record->state = RecordState::kReady;
  TypeQueue* const type = decoded.event == nullptr ? nullptr : record->type;
  if (type == nullptr) topics_.CountUndecodable(record->partition->topic);
  SetEvent(*record, type, std::move(decoded), now);
  if (KeyLanes::IsFirst(*record)) BecameFirst(record, now);
}

// The first of its lane, and cannot be handed out.
void DeliveryBook::HoldBack(BufferedRecord& record) {
  record.holds_back = true;
  ++held_back_;
}

void DeliveryBook::StopDecoding(BufferedRecord& record) {
  awaited_.Leave(record);
  if (std::exchange(record.holds_back, false)) --held_back_;
}

// No stream can have it, and nobody is to see it: its turn is enough.
bool DeliveryBook::IsSkipped(const BufferedRecord& record) const {
  if (record.type == nullptr && settings_.on_undecodable == Undecodable::kSkip) return true;
  return broadcast() && (record.type == nullptr || record.too_large);
}

// As the stream wants it. Stored data of Open edX are without the framing, which names the schema in
// a registry that the application may not reach: it gets the schema.
std::shared_ptr<const Event> DeliveryBook::EventFor(const BufferedRecord& record,
                                                    const StreamState& stream) {
  if (record.schema == nullptr || stream.start.data_format == DataFormat::kJson) {
    return record.event;
  }
  auto stored = std::make_shared<Event>(*record.event);
  stored->data = record.rest.value->substr(kConfluentPrefixBytes);
  stored->content_type = "application/avro";
  stored->schema = record.schema->text();
  return stored;
}

}  // namespace sidebus
