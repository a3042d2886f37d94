#include "tests/simulation/group_checker.h"

#include <algorithm>
#include <utility>

#include "server/codec/confluent_frame.h"
#include "server/codec/dead_letter.h"
#include "server/subscribe/dead_letters.h"

namespace sidebus::simulation {
namespace {

std::string NameOf(const Ticket& ticket) {
  return GroupChecker::DataOf(ticket.topic, ticket.partition, ticket.offset);
}

const std::string kLetterTopics = DeadLetterOptions().topic;

bool Covers(std::int64_t floor, const std::vector<OffsetRun>& acks, std::int64_t offset) {
  return offset < floor || std::any_of(acks.begin(), acks.end(), [&](const OffsetRun& run) {
           return run.first <= offset && offset < run.end;
         });
}

// Whether a value is the framing of Open edX and then the data.
bool IsFramed(const std::optional<std::string>& value, const std::string& data) {
  if (!value.has_value()) return false;
  const auto frame = ReadConfluentFrame(*value);
  return frame.has_value() && frame->avro == data;
}

}  // namespace

GroupChecker::GroupChecker(Rules rules, const MemoryBroker& broker, Report& report)
    : rules_(std::move(rules)), broker_(broker), report_(report) {}

std::string GroupChecker::DataOf(const std::string& topic, std::int32_t partition,
                                 std::int64_t offset) {
  return fmt::format("{}/{}@{}", topic, partition, offset);
}

GroupChecker::Record& GroupChecker::RecordAt(const Ticket& ticket) {
  return At(ticket).records.at(static_cast<std::size_t>(ticket.offset));
}

void GroupChecker::Published(const std::string& topic, std::int32_t partition,
                             const std::optional<std::string>& key, Fate fate) {
  Partition& log = partitions_[{topic, partition}];
  const auto offset = static_cast<std::int64_t>(log.records.size());
  Record& record = log.records.emplace_back();
  record.fate = fate;
  record.doomed = fate == Fate::kDead;
  if (rules_.ordering == Ordering::kByPartition) record.lane = "all";
  if (rules_.ordering == Ordering::kByKey && key.has_value()) record.lane = "key " + *key;
  if (fate != Fate::kAny && !record.lane.empty()) log.open[record.lane].insert(offset);
}

bool GroupChecker::Current(const Ticket& ticket) const {
  const auto owner = broker_.OwnerOf(rules_.group, FullName(ticket.topic), ticket.partition);
  return owner.has_value() && !ticket.stale() && owner->assignment == ticket.assignment;
}

Ticket GroupChecker::Delivered(const Holder& holder, const Delivery& delivery, SteadyTime now) {
  ++deliveries_;
  Ticket ticket{*delivery.topic, delivery.partition, delivery.offset, AssignmentId()};
  const PartitionName name{ticket.topic, ticket.partition};
  const auto owner = broker_.OwnerOf(rules_.group, FullName(ticket.topic), ticket.partition);
  const bool last_chance = delivery.attempt >= holder.max_attempts ||
                           delivery.interruptions + 1 >= rules_.max_interruptions;
  if (last_chance) RecordAt(ticket).doomed = true;
  // Of one that was cut off and does not know it: of no account.
  if (!owner.has_value() || owner->member != holder.member) return ticket;
  ticket.assignment = owner->assignment;
  Partition& partition = partitions_.at(name);
  if (partition.assignment != owner->assignment) {
    AssignedAnew(name, partition, owner->assignment, now);
  }

  Record& record = partition.records.at(static_cast<std::size_t>(ticket.offset));
  CheckReason(ticket, record, delivery, now);
  CheckLane(ticket, now);
  record.delivered = true;
  record.returned = false;
  record.counted.reset();
  record.holder = holder.id;
  record.attempt = delivery.attempt;
  record.then = holder.on_exhausted;
  record.last_chance = last_chance;
  record.lease_over = holder.lease_runs ? now + holder.lease : SteadyTime::max();
  if (!record.lane.empty()) partition.open[record.lane].insert(ticket.offset);
  return ticket;
}

void GroupChecker::AssignedAnew(const PartitionName& name, Partition& partition,
                                AssignmentId assignment, SteadyTime now) {
  CheckPosition(name, partition, now);
  partition.assignment = assignment;
  for (std::size_t i = 0; i < partition.records.size(); ++i) {
    const auto offset = static_cast<std::int64_t>(i);
    Record& record = partition.records[i];
    if (record.committed) continue;
    Record anew;
    anew.lane = std::move(record.lane);
    anew.fate = record.fate;
    anew.delivered = record.delivered;
    anew.doomed = record.doomed;
    anew.dead = record.dead;
    record = std::move(anew);
    if (record.fate == Fate::kAny || (record.fate == Fate::kDead && record.dead)) {
      Close(partition, offset);
    } else if (!record.lane.empty()) {
      partition.open[record.lane].insert(offset);
    }
  }
}

void GroupChecker::CheckReason(const Ticket& ticket, const Record& record, const Delivery& delivery,
                               SteadyTime now) {
  const std::string at = NameOf(ticket);
  if (record.committed)
    return report_.Violation("{} was settled and committed, and came again", at);
  if (record.settled) return report_.Violation("{} was settled, and came again", at);
  if (record.rejected) return report_.Violation("{} was rejected, and came again", at);
  if (record.delivered && rules_.exactly_once) return report_.Violation("{} came twice", at);
  if (record.holder == 0) {
    if (delivery.attempt != 1) report_.Violation("{} began with attempt {}", at, delivery.attempt);
    return;
  }
  if (!IsBack(record, now)) return report_.Violation("{} came again while it was held", at);
  const std::uint32_t least = record.attempt + (record.counted.value_or(false) ? 1 : 0);
  const std::uint32_t most = record.attempt + (record.counted.value_or(true) ? 1 : 0);
  if (delivery.attempt < least || delivery.attempt > most) {
    report_.Violation("{} came as attempt {} after attempt {}", at, delivery.attempt,
                      record.attempt);
  }
}

void GroupChecker::CheckLane(const Ticket& ticket, SteadyTime now) {
  Partition& partition = At(ticket);
  const auto lane =
      partition.open.find(partition.records[static_cast<std::size_t>(ticket.offset)].lane);
  if (lane == partition.open.end()) return;
  for (const std::int64_t offset : lane->second) {
    if (offset == ticket.offset) continue;
    const Record& other = partition.records[static_cast<std::size_t>(offset)];
    const bool held = other.holder != 0 && !IsBack(other, now);
    if (offset < ticket.offset ? MayBeSetAside(ticket.topic, other, now) : !held) continue;
    return report_.Violation("{} is out together with, or overtook, {} of its lane", NameOf(ticket),
                             offset);
  }
}

void GroupChecker::Settled(const Ticket& ticket) {
  if (!Current(ticket)) return;
  Record& record = RecordAt(ticket);
  if (record.settled) {
    return report_.Violation("{} was settled twice, and both were told that it counts",
                             NameOf(ticket));
  }
  record.settled = true;
  record.rejected = false;
  Close(At(ticket), ticket.offset);
}

void GroupChecker::Rejected(const Ticket& ticket) {
  RecordAt(ticket).doomed = true;
  if (Current(ticket)) RecordAt(ticket).rejected = true;
}

void GroupChecker::Returned(const Ticket& ticket, bool counted) {
  if (!Current(ticket)) return;
  Record& record = RecordAt(ticket);
  record.returned = true;
  record.counted = counted;
}

void GroupChecker::Extended(const Ticket& ticket, SteadyTime lease_over) {
  if (!Current(ticket)) return;
  Record& record = RecordAt(ticket);
  if (record.lease_over != SteadyTime::max()) record.lease_over = lease_over;
}

void GroupChecker::Gone(std::uint64_t holder) {
  for (auto& [name, partition] : partitions_) {
    for (Record& record : partition.records) {
      if (record.holder == holder) record.returned = true;
    }
  }
}

void GroupChecker::EndedWell(const std::vector<Ticket>& settled, SteadyTime now) {
  for (const Ticket& ticket : settled) {
    if (!Current(ticket)) continue;
    CheckPosition({ticket.topic, ticket.partition}, At(ticket), now);
    if (RecordAt(ticket).committed) continue;
    report_.Violation("a stream ended well, but what it settled is not committed: {}",
                      NameOf(ticket));
  }
}

void GroupChecker::Close(Partition& partition, std::int64_t offset) {
  const auto lane = partition.open.find(partition.records[static_cast<std::size_t>(offset)].lane);
  if (lane == partition.open.end()) return;
  lane->second.erase(offset);
}

bool GroupChecker::IsBack(const Record& record, SteadyTime now) {
  return record.returned || record.lease_over <= now;
}

// What no stream wants, or was to be skipped after its last attempt, may be. What was rejected or used
// up its attempts otherwise: when it is in the dead-letter topic.
bool GroupChecker::MayBeSetAside(const std::string& topic, const Record& record, SteadyTime now) {
  const bool held = record.holder != 0 && !record.rejected && !IsBack(record, now);
  if (held) return false;
  if (record.fate == Fate::kAny || record.dead) return true;
  if (record.last_chance && record.then == Exhausted::kSkip && !record.rejected) return true;
  if (!record.doomed) return false;
  ReadLetters(topic);
  return record.dead;
}

void GroupChecker::ReadLetters(const std::string& topic) {
  const std::string letters = FullName(DeadLetterTopic(kLetterTopics, topic, rules_.group));
  for (std::int32_t number = 0; number < broker_.Partitions(letters); ++number) {
    const std::vector<sidebus::Record> log = broker_.Read(letters, number);
    for (std::size_t& seen = letters_[{letters, number}]; seen < log.size(); ++seen) {
      const sidebus::Record& letter = log[seen];
      const auto note = ReadDeadLetterNote(RawRecordOf(letter).headers);
      const auto origin = note.value_or(DeadLetterNote{}).origin;
      const auto from = partitions_.find({topic, origin.partition});
      if (origin.topic != FullName(topic) || from == partitions_.end()) {
        return report_.Violation("a letter of {} does not say where it is from", topic);
      }
      Record& record = from->second.records.at(static_cast<std::size_t>(origin.offset));
      record.dead = true;
      const std::string data = DataOf(topic, origin.partition, origin.offset);
      if (!record.doomed) report_.Violation("{} is a dead letter without a reason", data);
      if (!IsFramed(letter.value, data) && letter.value != data)
        report_.Violation("{} is a dead letter of other bytes", data);
    }
  }
}

void GroupChecker::CheckPositions(SteadyTime now) {
  if (std::exchange(checked_commits_, broker_.commits()) == broker_.commits()) return;
  for (auto& [name, partition] : partitions_) CheckPosition(name, partition, now);
}

void GroupChecker::CheckPosition(const PartitionName& name, Partition& partition, SteadyTime now) {
  const std::string topic = FullName(name.first);
  const std::int64_t floor = broker_.Committed(rules_.group, topic, name.second).value_or(0);
  std::vector<OffsetRun> acks = broker_.CommittedAcks(rules_.group, topic, name.second);
  if (partition.floor == floor && partition.acks == acks) return;
  if (floor < partition.floor) {
    report_.Violation("the position of {}/{} went back from {} to {}", name.first, name.second,
                      partition.floor, floor);
  }
  // Who has the partition now may have delivered nothing of it yet, but settled what it does not
  // want. By the assignment before nobody holds anything any more.
  const auto owner = broker_.OwnerOf(rules_.group, topic, name.second);
  if (!owner.has_value() || owner->assignment != partition.assignment) {
    for (Record& record : partition.records) record.returned = true;
  }
  for (std::int64_t offset = partition.floor; offset < floor; ++offset) {
    Commit(name, partition, offset, now);
  }
  for (const OffsetRun& run : acks) {
    for (std::int64_t offset = run.first; offset < run.end; ++offset) {
      Commit(name, partition, offset, now);
    }
  }
  for (const OffsetRun& run : partition.acks) {
    for (std::int64_t offset = run.first; offset < run.end; ++offset) {
      if (Covers(floor, acks, offset)) continue;
      report_.Violation("{}/{}@{} was committed as settled, and is not any more", name.first,
                        name.second, offset);
    }
  }
  partition.floor = floor;
  partition.acks = std::move(acks);
}

void GroupChecker::Commit(const PartitionName& name, Partition& partition, std::int64_t offset,
                          SteadyTime now) {
  Record& record = partition.records.at(static_cast<std::size_t>(offset));
  if (record.committed) return;
  if (!record.settled && !MayBeSetAside(name.first, record, now)) {
    return report_.Violation("{}: {}/{}@{} is committed as settled, and nobody settled it",
                             rules_.group, name.first, name.second, offset);
  }
  record.committed = record.settled = true;
  Close(partition, offset);
}

bool GroupChecker::halted(SteadyTime now) const {
  return std::any_of(partitions_.begin(), partitions_.end(), [&](const auto& partition) {
    const auto& records = partition.second.records;
    return std::any_of(records.begin(), records.end(), [&](const Record& record) {
      const bool used_up = record.last_chance && record.then == Exhausted::kHalt;
      return !record.settled && (record.rejected || (used_up && IsBack(record, now)));
    });
  });
}

bool GroupChecker::complete() const {
  for (const auto& [name, partition] : partitions_) {
    if (partition.floor < static_cast<std::int64_t>(partition.records.size())) return false;
    for (const Record& record : partition.records) {
      if (record.fate == Fate::kDelivered && !record.delivered) return false;
    }
  }
  return true;
}

}  // namespace sidebus::simulation
