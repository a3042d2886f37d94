#include "server/broker/kafka/assignments.h"

#include <algorithm>
#include <atomic>

namespace sidebus {
namespace {

AssignmentId NextId() {
  static std::atomic<std::uint64_t> last{0};
  return AssignmentId(++last);
}

}  // namespace

AssignmentId Assignments::Add(const std::string& topic, std::int32_t partition, std::int64_t start,
                              const std::string& topic_id, const std::vector<OffsetRun>& settled) {
  const AssignmentId id = NextId();
  MutexLock lock(mu_);
  entries_.emplace(id, Entry{topic, partition, OffsetTracker(start, settled), topic_id, start,
                             EncodeSparseAcks(start, settled, topic_id)});
  return id;
}

PartitionOffset Assignments::PositionOf(const Entry& entry, std::size_t* left_out) {
  const std::int64_t floor = entry.tracker.ack_floor();
  return {entry.topic,
          entry.partition,
          floor,
          {},
          EncodeSparseAcks(floor, entry.tracker.sparse_acks(), entry.topic_id, left_out)};
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
  if (entry == entries_.end() || !entry->second.tracker.Ack(tag.offset)) return false;
  ++entry->second.acks;
  return true;
}

std::int64_t Assignments::Next(AssignmentId assignment) const {
  MutexLock lock(mu_);
  const auto entry = entries_.find(assignment);
  return entry == entries_.end() ? -1 : entry->second.tracker.next();
}

void Assignments::SetTopicId(AssignmentId assignment, const std::string& topic_id) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(assignment);
  if (entry == entries_.end()) return;
  Entry& named = entry->second;
  auto lost = lost_.extract({named.topic, named.partition, named.topic_id});
  named.topic_id = topic_id;
  if (lost.empty()) return;
  std::get<2>(lost.key()) = topic_id;
  lost_.insert(std::move(lost));
}

void Assignments::SkipTo(AssignmentId assignment, std::int64_t offset) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(assignment);
  if (entry != entries_.end()) entry->second.tracker.SkipTo(offset);
}

std::uint64_t Assignments::Expire(AssignmentId assignment, std::int64_t log_start) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(assignment);
  if (entry == entries_.end()) return 0;
  RetentionLoss& lost =
      lost_[{entry->second.topic, entry->second.partition, entry->second.topic_id}];
  // What an earlier assignment lost, and had not committed when it went.
  entry->second.tracker.SkipTo(std::min(lost.went_on_at, log_start));
  const std::uint64_t events = entry->second.tracker.SkipTo(log_start);
  lost.events += events;
  lost.went_on_at = log_start;
  return events;
}

std::vector<Assignments::Floor> Assignments::TakeMoved() {
  std::vector<Floor> floors;
  MutexLock lock(mu_);
  for (auto& [id, entry] : entries_) {
    if (!entry.tracker.TakeCommittable().has_value()) continue;
    std::size_t left_out = 0;
    PartitionOffset position = PositionOf(entry, &left_out);
    // Those that did not fit are not committed with it; which of them they are is not known.
    const std::uint64_t acks = left_out == 0 ? entry.acks : entry.acks_committed;
    floors.push_back({id, std::move(position), entry.committed, acks});
    entry.acks_size = floors.back().position.metadata.size();
    if (left_out > 0) ++left_out_;
  }
  return floors;
}

void Assignments::Committed(const std::vector<Floor>& floors) {
  MutexLock lock(mu_);
  for (const Floor& floor : floors) {
    const auto entry = entries_.find(floor.assignment);
    if (entry == entries_.end()) continue;
    entry->second.committed = floor.position.offset;
    entry->second.committed_acks = floor.position.metadata;
    entry->second.acks_committed = floor.acks;
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
  PartitionOffset position = PositionOf(entry);
  if (position.offset == entry.committed && position.metadata == entry.committed_acks) {
    return std::nullopt;
  }
  return Floor{assignment, std::move(position), entry.committed, entry.acks - entry.acks_committed};
}

std::vector<Assignments::Held> Assignments::held() const {
  std::vector<Held> held;
  MutexLock lock(mu_);
  for (const auto& [id, entry] : entries_) {
    held.push_back({entry.topic, entry.partition, entry.tracker.ack_floor(), entry.acks_size});
  }
  return held;
}

std::vector<AssignmentState> Assignments::states() const {
  std::vector<AssignmentState> states;
  MutexLock lock(mu_);
  for (const auto& [id, entry] : entries_) {
    const auto lost = lost_.find({entry.topic, entry.partition, entry.topic_id});
    states.push_back({.topic = entry.topic,
                      .partition = entry.partition,
                      .committed = entry.committed,
                      .next = entry.tracker.next(),
                      .settled_above = CountOffsets(entry.tracker.sparse_acks()),
                      .crowded = entry.acks_size >= kCrowdedAckMetadata,
                      .lost = lost == lost_.end() ? RetentionLoss() : lost->second});
  }
  return states;
}

std::uint64_t Assignments::acks_waiting() const {
  std::uint64_t waiting = 0;
  MutexLock lock(mu_);
  for (const auto& [id, entry] : entries_) waiting += entry.acks - entry.acks_committed;
  return waiting;
}

std::uint64_t Assignments::left_out() const {
  MutexLock lock(mu_);
  return left_out_;
}

}  // namespace sidebus
