#include "server/broker/offset_tracker.h"

#include <algorithm>

namespace sidebus {
namespace {

constexpr std::size_t kMinToCompact = 64;

}  // namespace

bool OffsetTracker::Track(std::int64_t offset) {
  if (offset < next_) return false;
  in_flight_.push_back(Entry{offset, false});
  ++unacked_;
  next_ = offset + 1;
  return true;
}

bool OffsetTracker::Ack(std::int64_t offset) {
  const auto entry = std::lower_bound(
      in_flight_.begin(), in_flight_.end(), offset,
      [](const Entry& candidate, std::int64_t wanted) { return candidate.offset < wanted; });
  if (entry == in_flight_.end() || entry->offset != offset || entry->acked) return false;
  entry->acked = true;
  --unacked_;
  while (!in_flight_.empty() && in_flight_.front().acked) in_flight_.pop_front();
  if (in_flight_.size() > kMinToCompact && in_flight_.size() > 2 * unacked_) {
    std::erase_if(in_flight_, [](const Entry& one) { return one.acked; });
  }
  return true;
}

std::optional<std::int64_t> OffsetTracker::TakeCommittable() {
  const std::int64_t floor = ack_floor();
  if (floor == last_taken_) return std::nullopt;
  last_taken_ = floor;
  return floor;
}

}  // namespace sidebus
