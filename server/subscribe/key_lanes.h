#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/subscribe/buffered_record.h"
#include "server/subscribe/subscriber.h"

namespace sidebus {

// Records that must stay in order, oldest first.
struct Lane {
  std::string key;
  IntrusiveList<BufferedRecord, &BufferedRecord::in_lane> records;
};

// The lanes of one partition: who may be handed out, and who waits behind whom.
//
//   BY_KEY        a: [10 14 17]  b: [11]  12  13 b: ... (12 and 13 have no key: no lane)
//   BY_PARTITION  [10 11 12 13 14 17]
//   UNORDERED     10  11  12  13  14  17
//
// The first record of a lane stays first until it is settled, whatever happens to it meanwhile, so
// a redelivery never overtakes and a lane never has two unsettled deliveries.
//
// Invariant: a lane in `by_key_` is not empty and its offsets ascend.
// Ownership: refers to records, owns lanes. Thread safety: none.
// Cost: Add() one hash look-up by key (one copy of a key that is new); Remove() one for the last
// record of a lane.
class KeyLanes {
 public:
  explicit KeyLanes(Ordering ordering) : ordering_(ordering) {}
  KeyLanes(const KeyLanes&) = delete;
  KeyLanes& operator=(const KeyLanes&) = delete;

  // Puts a record behind the others of its lane. True: it is the first and may be handed out.
  bool Add(BufferedRecord& record, std::optional<std::string_view> key);

  // Takes out the first record of a lane, or one without. The record that is first now, or null.
  BufferedRecord* Remove(BufferedRecord& first);

  // Takes out any record, for when the whole partition goes.
  void Forget(BufferedRecord& record);

  static bool IsFirst(const BufferedRecord& record);

  // Lanes that have records.
  std::size_t size() const { return by_key_.size() + (whole_.records.empty() ? 0 : 1); }

 private:
  Lane* LaneOf(std::optional<std::string_view> key);
  void DropIfEmpty(Lane& lane);

  const Ordering ordering_;
  Lane whole_;  // BY_PARTITION
  std::deque<Lane> storage_;
  std::vector<Lane*> free_;
  absl::flat_hash_map<std::string_view, Lane*, std::hash<std::string_view>> by_key_;
};

}  // namespace sidebus
