#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace sidebus {

// Decides which position of one partition may be committed while records are acked out of order.
//
// A record is *in flight* from Track() to Ack(). The *ack floor* is the smallest offset in flight,
// or one past the last tracked record when none is; everything below it is settled and may be
// committed.
//
//   tracked    10  11  12  14  15        (13 was compacted away: gaps are normal)
//   acked       x   x       x
//   ack floor           ^ 12             TakeCommittable() == 12
//
// Only offsets that were received count, so compaction gaps, transaction markers and aborted
// records never hold the floor.
//
// What is acked above the floor is forgotten by and by, so that one record that is never acked does
// not make the tracker grow with all that comes after it.
//
// Invariant: in_flight_ is sorted by offset, its front, if any, is not acked, and it has at most as
// many acked entries as others, or 64.
// Ownership: a value, one per assigned partition, inside a broker's consumer.
// Thread safety: none; the consumer guards it.
// Cost: Track() O(1); Ack() O(log n) and amortised O(1) removals, n = in_flight().
class OffsetTracker {
 public:
  // `start`: where reading begins, the committed position.
  explicit OffsetTracker(std::int64_t start) : next_(start), last_taken_(start) {}

  // Starts tracking a received record. False, and nothing changes, when `offset` is below one that
  // was tracked before or below the start (a record that was fetched twice).
  bool Track(std::int64_t offset);

  // There is nothing between the last tracked record and `offset` (any more).
  void SkipTo(std::int64_t offset) { next_ = std::max(next_, offset); }

  // False for an offset that is not in flight (unknown, or acked already): nothing changes.
  bool Ack(std::int64_t offset);

  std::int64_t ack_floor() const { return in_flight_.empty() ? next_ : in_flight_.front().offset; }

  // The position to commit: nullopt when the floor is where it was at the last call.
  std::optional<std::int64_t> TakeCommittable();

  // The last TakeCommittable() was not committed after all: it will be offered again.
  void CommitFailed(std::int64_t committed_before) { last_taken_ = committed_before; }

  // Records tracked and not acked.
  std::size_t in_flight() const { return unacked_; }

  // Entries that take memory: in flight, or acked and not forgotten yet.
  std::size_t entries() const { return in_flight_.size(); }

  // One past the highest offset tracked, or the start.
  std::int64_t next() const { return next_; }

 private:
  struct Entry {
    std::int64_t offset = 0;
    bool acked = false;
  };

  std::deque<Entry> in_flight_;
  std::size_t unacked_ = 0;
  std::int64_t next_;
  std::int64_t last_taken_;
};

}  // namespace sidebus
