#include "server/publish/slot.h"

namespace sidebus {
namespace {

using IdState = SchemaAnswer::State;

IdState StateOf(const std::shared_ptr<const SchemaAnswer>& answer) {
  return answer == nullptr ? IdState::kKnown : answer->state();
}

}  // namespace

void Slot::SetLane(TopicLane& a_lane) {
  lane = &a_lane;
  outcome.lane = &a_lane;
  payload_bytes = record.value.has_value() ? record.value->size() : 0;
  record_bytes = SizeOf(record);
}

std::uint64_t Slot::Footprint() const {
  return sizeof(Slot) + SizeOf(record) + record.headers.capacity() * sizeof(Header);
}

SchemaAnswer::State Slot::ids() const {
  const IdState key = StateOf(key_id);
  const IdState value = StateOf(value_id);
  if (key == IdState::kFailed || value == IdState::kFailed) return IdState::kFailed;
  if (key == IdState::kOpen || value == IdState::kOpen) return IdState::kOpen;
  return IdState::kKnown;
}

const absl::Status& Slot::ids_error() const {
  return StateOf(key_id) == IdState::kFailed ? key_id->error() : value_id->error();
}

void Slot::PutIds() {
  if (key_id != nullptr) SetConfluentId(*record.key, key_id->id());
  if (value_id != nullptr) SetConfluentId(*record.value, value_id->id());
  key_id.reset();
  value_id.reset();
}

}  // namespace sidebus
