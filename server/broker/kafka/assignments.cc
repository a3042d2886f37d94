#include "server/broker/kafka/assignments.h"

#include <atomic>

namespace sidebus {
namespace {

AssignmentId NextId() {
  static std::atomic<std::uint64_t> last{0};
  return AssignmentId(++last);
}

}  // namespace

AssignmentId Assignments::Add(const std::string& topic, std::int32_t partition,
                              std::int64_t start) {
  const AssignmentId id = NextId();
  MutexLock lock(mu_);
  entries_.emplace(id, Entry{topic, partition, OffsetTracker(start), start});
  return id;
}

bool Assignments::Track(AssignmentId assignment, std::vector<ConsumedRecord>& records) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(assignment);
  if (entry == entries_.end()) return false;
  std::erase_if(records, [&](const ConsumedRecord& record) {
    return !entry->second.tracker.Track(record.offset);
  });
  return true;
}

bool Assignments::Ack(const DeliveryTag& tag) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(tag.assignment);
  return entry != entries_.end() && entry->second.tracker.Ack(tag.offset);
}

std::int64_t Assignments::Next(AssignmentId assignment) const {
  MutexLock lock(mu_);
  const auto entry = entries_.find(assignment);
  return entry == entries_.end() ? -1 : entry->second.tracker.next();
}

void Assignments::SkipTo(AssignmentId assignment, std::int64_t offset) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(assignment);
  if (entry != entries_.end()) entry->second.tracker.SkipTo(offset);
}

std::vector<Assignments::Floor> Assignments::TakeMoved() {
  std::vector<Floor> floors;
  MutexLock lock(mu_);
  for (auto& [id, entry] : entries_) {
    if (const std::optional<std::int64_t> floor = entry.tracker.TakeCommittable()) {
      floors.push_back({id, {entry.topic, entry.partition, *floor, {}}, entry.committed});
    }
  }
  return floors;
}

void Assignments::Committed(const std::vector<Floor>& floors) {
  MutexLock lock(mu_);
  for (const Floor& floor : floors) {
    const auto entry = entries_.find(floor.assignment);
    if (entry != entries_.end()) entry->second.committed = floor.position.offset;
  }
}

void Assignments::CommitFailed(const std::vector<Floor>& floors) {
  MutexLock lock(mu_);
  for (const Floor& floor : floors) {
    const auto entry = entries_.find(floor.assignment);
    if (entry != entries_.end()) entry->second.tracker.CommitFailed(floor.committed_before);
  }
}

std::optional<Assignments::Floor> Assignments::Remove(AssignmentId assignment) {
  MutexLock lock(mu_);
  const auto node = entries_.extract(assignment);
  if (node.empty()) return std::nullopt;
  const Entry& entry = node.mapped();
  const std::int64_t floor = entry.tracker.ack_floor();
  if (floor == entry.committed) return std::nullopt;
  return Floor{assignment, {entry.topic, entry.partition, floor, {}}, entry.committed};
}

std::vector<Assignments::Held> Assignments::held() const {
  std::vector<Held> held;
  MutexLock lock(mu_);
  for (const auto& [id, entry] : entries_) {
    held.push_back({entry.topic, entry.partition, entry.tracker.ack_floor()});
  }
  return held;
}

}  // namespace sidebus
