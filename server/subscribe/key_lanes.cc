#include "server/subscribe/key_lanes.h"

namespace sidebus {

bool KeyLanes::Add(BufferedRecord& record, std::optional<std::string_view> key) {
  record.lane = LaneOf(key);
  if (record.lane == nullptr) return true;
  record.lane->records.PushBack(record);
  return record.lane->records.front() == &record;
}

BufferedRecord* KeyLanes::Remove(BufferedRecord& first) {
  Lane* const lane = first.lane;
  if (lane == nullptr) return nullptr;
  SIDEBUS_CHECK(lane->records.front() == &first);
  Forget(first);
  return lane->records.front();
}

void KeyLanes::Forget(BufferedRecord& record) {
  Lane* const lane = record.lane;
  if (lane == nullptr) return;
  lane->records.Erase(record);
  record.lane = nullptr;
  DropIfEmpty(*lane);
}

bool KeyLanes::IsFirst(const BufferedRecord& record) {
  return record.lane == nullptr || record.lane->records.front() == &record;
}

Lane* KeyLanes::LaneOf(std::optional<std::string_view> key) {
  if (ordering_ == Ordering::kUnordered) return nullptr;
  if (ordering_ == Ordering::kByPartition) return &whole_;
  if (!key.has_value()) return nullptr;
  const auto known = by_key_.find(*key);
  if (known != by_key_.end()) return known->second;
  if (free_.empty()) free_.push_back(&storage_.emplace_back());
  Lane* const lane = free_.back();
  free_.pop_back();
  lane->key = *key;
  by_key_.emplace(lane->key, lane);
  return lane;
}

void KeyLanes::DropIfEmpty(Lane& lane) {
  if (!lane.records.empty() || &lane == &whole_) return;
  by_key_.erase(std::string_view(lane.key));
  std::string().swap(lane.key);  // a large key gives its memory back
  free_.push_back(&lane);
}

}  // namespace sidebus
