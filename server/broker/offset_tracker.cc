#include "server/broker/offset_tracker.h"

#include <algorithm>

namespace sidebus {
namespace {

constexpr std::size_t kMinToCompact = 64;

}  // namespace

bool OffsetTracker::Track(std::int64_t offset) {
  if (offset < next_) return false;
  while (!settled_.empty() && settled_.front().end <= offset) settled_.pop_front();
  const bool settled = !settled_.empty() && settled_.front().first <= offset;
  Advance(offset + 1);
  if (settled) return false;
  in_flight_.push_back(Entry{offset, false});
  ++unacked_;
  return true;
}

std::uint64_t OffsetTracker::SkipTo(std::int64_t offset) {
  if (offset <= next_) return 0;
  auto skipped = static_cast<std::uint64_t>(offset - next_);
  for (const OffsetRun& run : settled_) {
    const std::int64_t first = std::max(run.first, next_);
    const std::int64_t end = std::min(run.end, offset);
    if (first < end) skipped -= static_cast<std::uint64_t>(end - first);
  }
  Advance(offset);
  return skipped;
}

void OffsetTracker::Advance(std::int64_t next) {
  next_ = std::max(next_, next);
  while (!settled_.empty() && settled_.front().end <= next_) settled_.pop_front();
}

bool OffsetTracker::Ack(std::int64_t offset) {
  const auto entry = std::lower_bound(
      in_flight_.begin(), in_flight_.end(), offset,
      [](const Entry& candidate, std::int64_t wanted) { return candidate.offset < wanted; });
  if (entry == in_flight_.end() || entry->offset != offset || entry->acked) return false;
  entry->acked = true;
  acked_ = true;
  --unacked_;
  while (!in_flight_.empty() && in_flight_.front().acked) in_flight_.pop_front();
  if (in_flight_.size() > kMinToCompact && in_flight_.size() > 2 * unacked_) {
    std::erase_if(in_flight_, [](const Entry& one) { return one.acked; });
  }
  return true;
}

std::optional<std::int64_t> OffsetTracker::TakeCommittable() {
  if (taken()) return std::nullopt;
  acked_ = false;
  last_taken_ = ack_floor();
  return last_taken_;
}

// Never at an offset that an earlier reader settled.
std::int64_t OffsetTracker::ack_floor() const {
  if (!in_flight_.empty()) return in_flight_.front().offset;
  if (!settled_.empty() && settled_.front().first <= next_) return settled_.front().end;
  return next_;
}

std::vector<OffsetRun> OffsetTracker::sparse_acks() const {
  std::vector<OffsetRun> runs;
  const auto add = [&runs](std::int64_t first, std::int64_t end) {
    if (first >= end) return;
    if (!runs.empty() && runs.back().end == first) {
      runs.back().end = end;
    } else {
      runs.push_back({first, end});
    }
  };
  const std::int64_t floor = ack_floor();
  std::int64_t at = floor;
  for (const Entry& entry : in_flight_) {
    if (entry.acked) continue;
    add(at, entry.offset);
    at = entry.offset + 1;
  }
  add(at, next_);
  for (const OffsetRun& run : settled_) {
    if (run.end > floor) add(std::max(run.first, next_), run.end);
  }
  return runs;
}

}  // namespace sidebus
