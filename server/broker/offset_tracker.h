#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "server/broker/sparse_acks.h"

namespace sidebus {

// Decides what of one partition may be committed while records are acked out of order.
//
// A record is *in flight* from Track() to Ack(). The *ack floor* is the smallest offset in flight,
// or one past the last tracked record when none is; everything below it is settled. What is settled
// above it are the *sparse acks*. Both are committed together.
//
//   tracked    10  11  12  14  15  16    (13 was compacted away: gaps are normal)
//   acked       x   x       x  x
//   ack floor           ^ 12             TakeCommittable() == 12, sparse_acks() == {[13, 16)}
//
// Only offsets that were received count, so compaction gaps, transaction markers and aborted
// records never hold the floor.
//
// What is acked above the floor is forgotten by and by, so that one record that is never acked does
// not make the tracker grow with all that comes after it: what lies between two records in flight
// is settled. What an earlier reader settled is known from the start, until reading is past it.
//
// Invariant: in_flight_ is sorted by offset, its front, if any, is not acked, and it has at most as
// many acked entries as others, or 64. settled_ ascends, and ends above next_.
// Ownership: a value, one per assigned partition, inside a broker's consumer.
// Thread safety: none; the consumer guards it.
// Cost: Track() O(1); Ack() O(log n) and amortised O(1) removals, n = in_flight().
class OffsetTracker {
 public:
  // `start`: where reading begins, the committed position. `settled`: the sparse acks committed with
  // it, ascending and above it.
  explicit OffsetTracker(std::int64_t start, const std::vector<OffsetRun>& settled = {})
      : settled_(settled.begin(), settled.end()), next_(start), last_taken_(start) {}

  // Starts tracking a received record. False, and it is not in flight, when `offset` is below one
  // that was tracked before or below the start (a record that was fetched twice), or was settled by
  // an earlier reader.
  bool Track(std::int64_t offset);

  // There is no record between the last tracked one and `offset` (any more). How many offsets that is
  // that no earlier reader settled.
  std::uint64_t SkipTo(std::int64_t offset);

  // False for an offset that is not in flight (unknown, or acked already): nothing changes.
  bool Ack(std::int64_t offset);

  std::int64_t ack_floor() const;

  // What is settled above the floor. O(entries()).
  std::vector<OffsetRun> sparse_acks() const;

  // The floor to commit, with sparse_acks(): nullopt when neither changed since the last call.
  std::optional<std::int64_t> TakeCommittable();

  // Nothing was acked since the last TakeCommittable(), and the floor is where it was.
  bool taken() const { return !acked_ && ack_floor() == last_taken_; }

  // The last TakeCommittable() was not committed after all: it will be offered again.
  void CommitFailed(std::int64_t committed_before) {
    last_taken_ = committed_before;
    acked_ = true;
  }

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

  void Advance(std::int64_t next);

  std::deque<Entry> in_flight_;
  std::deque<OffsetRun> settled_;  // by an earlier reader
  std::size_t unacked_ = 0;
  std::int64_t next_;
  std::int64_t last_taken_;
  bool acked_ = false;  // something, since it was taken
};

}  // namespace sidebus
