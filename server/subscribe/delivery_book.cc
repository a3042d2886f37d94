#include "server/subscribe/delivery_book.h"

#include <algorithm>

#include "server/base/log.h"

namespace sidebus {
namespace {

// A partition may buffer at least this much, whatever the windows.
constexpr std::uint32_t kMinShareEvents = 64;
constexpr std::uint64_t kMinShareBytes = 64 << 10;

}  // namespace

DeliveryBook::DeliveryBook(Settings settings, std::shared_ptr<const Router> router,
                           SubscribeMetrics& metrics, MemoryBudget& budget)
    : settings_(std::move(settings)),
      budget_(budget),
      random_(settings_.seed),
      metrics_(metrics.ForGroup(metrics.GroupLabel(settings_.group))),
      topics_(std::move(router), metrics, metrics.GroupLabel(settings_.group)) {}

DeliveryBook::~DeliveryBook() {
  for (const auto& [id, partition] : partitions_) budget_.Return(partition->bytes);
}

void DeliveryBook::Attach(StreamState& stream, SteadyTime now) {
  const bool first = streams_.empty();
  streams_.push_back(&stream);
  topics_.Attach(stream, stream.start.topics);
  CountWindows();
  // What came while nobody could say what is not wanted.
  if (first) SettleUnwanted(now);
}

void DeliveryBook::Detach(StreamState& stream, bool interrupted, SteadyTime now) {
  ReturnQueued(stream);
  ReturnHeld(stream, interrupted, now);
  for (const auto& [id, record] : stream.deliveries) record->holder = nullptr;
  stream.deliveries.clear();
  topics_.Detach(stream, stream.start.topics, now + settings_.linger);
  NoteDue(now + settings_.linger);
  streams_.erase(std::find(streams_.begin(), streams_.end(), &stream));
  CountWindows();
}

void DeliveryBook::SetWindow(StreamState& stream, const Window& window) {
  stream.window = window;
  CountWindows();
}

PartitionBuffer& DeliveryBook::Assign(AssignmentId assignment, const std::string& full_topic,
                                      std::int32_t partition) {
  auto& buffer = partitions_[assignment];
  SIDEBUS_CHECK(buffer == nullptr);
  TopicQueues& topic = topics_.Find(full_topic);
  ++topic.partitions;
  buffer = std::make_unique<PartitionBuffer>(assignment, topic, partition, settings_.ordering);
  return *buffer;
}

PartitionBuffer* DeliveryBook::Find(AssignmentId assignment) {
  const auto known = partitions_.find(assignment);
  return known == partitions_.end() ? nullptr : known->second.get();
}

void DeliveryBook::BeginRevoke(AssignmentId assignment, SteadyTime until) {
  PartitionBuffer* const partition = Find(assignment);
  if (partition == nullptr || std::exchange(partition->revoking, true)) return;
  std::vector<BufferedRecord*> records;
  for (auto* record = partition->records.front(); record != nullptr;
       record = decltype(partition->records)::Next(*record)) {
    records.push_back(record);
  }
  for (BufferedRecord* record : records) {
    if (record->place == &under_way_) continue;  // may be confirmed yet
    if (!IsGiven(*record)) {
      Drop(*record);
      continue;
    }
    record->holder->revoking[until].push_back(record->delivery_id);
    Touch(*record->holder);
  }
}

std::size_t DeliveryBook::HeldOf(AssignmentId assignment) {
  const PartitionBuffer* const partition = Find(assignment);
  return partition == nullptr ? 0 : partition->records.size();
}

// Forgets a record that is not settled: its partition goes, and who reads it next gets it.
void DeliveryBook::Drop(BufferedRecord& record) {
  LeaveState(record);
  ForgetHolder(record);
  record.partition->lanes.Forget(record);
  Forget(record);
}

void DeliveryBook::Revoke(AssignmentId assignment, SteadyTime now) {
  PartitionBuffer* const partition = Find(assignment);
  if (partition == nullptr) return;
  while (!partition->records.empty()) {
    BufferedRecord& record = *partition->records.front();
    if (IsGiven(record)) {
      record.holder->dead.Add(record.delivery_id, DeadIds::Why::kRevoked, now);
      record.holder->revoked.push_back(record.delivery_id);
      record.type->metrics.returned_revoked.Increment();
    }
    Drop(record);
  }
  --partition->topic.partitions;
  partitions_.erase(assignment);
}

void DeliveryBook::RevokeAll(SteadyTime now) {
  while (!partitions_.empty()) Revoke(partitions_.begin()->first, now);
}

Room DeliveryBook::RoomFor(PartitionBuffer& partition, SteadyTime now) {
  partition.paused = Paused::kRevoke;
  if (partition.revoking) return {};
  partition.paused = Paused::kNoStream;
  if (streams_.empty()) return {};
  partition.paused = Paused::kShare;
  const std::size_t events = partition.records.size();
  if (events >= share_events_ || partition.bytes >= share_bytes_) return {};
  partition.paused = Paused::kNo;
  Room room{share_events_ - static_cast<std::uint32_t>(events), share_bytes_ - partition.bytes};
  const std::uint64_t used = budget_.used();
  if (used < budget_.limit()) {
    room.bytes = std::min(room.bytes, budget_.limit() - used);
    return room;
  }
  // One record per partition always fits, or nothing would ever be settled and give memory back.
  if (events == 0) return {1, 1};
  partition.paused = Paused::kMemory;
  if (!retry_memory_.has_value()) retry_memory_ = now + kMemoryRetry;
  NoteDue(*retry_memory_);
  return {};
}

void DeliveryBook::Add(PartitionBuffer& partition, std::vector<DecodedRecord> records,
                       SteadyTime now) {
  for (DecodedRecord& record : records) AddOne(partition, std::move(record), now);
}

void DeliveryBook::AddOne(PartitionBuffer& partition, DecodedRecord decoded, SteadyTime now) {
  if (decoded.elsewhere) {
    metrics_.redriven_elsewhere.Increment();
    decisions_.settled.push_back(decoded.tag);
    return;
  }
  if (decoded.event == nullptr) topics_.CountUndecodable(partition.topic);
  TypeQueue* const type =
      decoded.event == nullptr ? nullptr : &topics_.Find(partition.topic, decoded.event->type);
  if (type != nullptr && !Wanted(*type, now)) {
    Unwanted(*type, partition.topic);
    decisions_.settled.push_back(decoded.tag);
    return;
  }

  BufferedRecord& record = pool_.Make();
  record.tag = decoded.tag;
  record.offset = decoded.offset;
  record.broker_time = decoded.broker_time;
  record.number = ++last_number_;
  record.rest = std::move(decoded.rest);
  record.partition = &partition;
  record.buffered_at = now;
  partition.records.PushBack(record);
  ++unsettled_;
  const std::optional<AwaitedSchema> awaits = std::move(decoded.awaits);
  const std::optional<std::string> key = std::move(decoded.key);
  SetEvent(record, type, std::move(decoded), now);
  if (!awaits.has_value() && IsSkipped(record)) {
    decisions_.settled.push_back(record.tag);
    return Forget(record);
  }
  const bool first = partition.lanes.Add(record, key);
  if (awaits.has_value()) {
    awaited_.Await(record, *awaits);
    if (first) HoldBack(record);
  } else if (first) {
    Begin(record, now);
  }
}

// The record is the first of its lane now.
void DeliveryBook::Begin(BufferedRecord& record, SteadyTime now) {
  if (record.type == nullptr) {
    return GiveUp(record, DeadReason::kUndecodable,
                  settings_.on_undecodable == Undecodable::kDeadLetter);
  }
  if (!record.too_large) return MakeReady(record, false);
  NoteFailure(record, "larger than a stream may receive", now);
  GiveUp(record, DeadReason::kUndeliverableSize, true);
}

bool DeliveryBook::Wanted(const TypeQueue& queue, SteadyTime now) const {
  // Without any stream nobody said what is not wanted.
  return !queue.streams.empty() || streams_.empty() || queue.wanted_until > now;
}

void DeliveryBook::Unwanted(TypeQueue& queue, const TopicQueues& topic) {
  queue.metrics.unwanted.Increment();
  queue.metrics.settled_unwanted.Increment();
  if (std::exchange(queue.unwanted_logged, true)) return;
  Log(LogLevel::kWarning, "no stream of the group names this event type: its events are settled",
      {{"group", settings_.group},
       {"topic", *topic.topic},
       {"event_type", Topics::LabelOf(topic, queue)}});
}

void DeliveryBook::MakeReady(BufferedRecord& record, bool front) {
  record.state = RecordState::kReady;
  TypeQueue& queue = *record.type;
  front ? MoveToFront(record, queue.ready) : MoveToBack(record, queue.ready);
  if (std::exchange(queue.active, true)) return;
  active_.push_back(&queue);
}

void DeliveryBook::BecameFirst(BufferedRecord* record, SteadyTime now) {
  while (record != nullptr && record->state == RecordState::kReady) {
    if (IsSkipped(*record)) {
      record = TakeOut(*record);
      continue;
    }
    if (record->type == nullptr || Wanted(*record->type, now)) return Begin(*record, now);
    Unwanted(*record->type, record->partition->topic);
    record = TakeOut(*record);
  }
  if (record != nullptr && record->state == RecordState::kDecoding) HoldBack(*record);
}

void DeliveryBook::SettleRecord(BufferedRecord& record, Counter& result, SteadyTime now) {
  result.Increment();
  Finish(record, now);
}

void DeliveryBook::Finish(BufferedRecord& record, SteadyTime now) {
  LeaveState(record);
  ForgetHolder(record);
  BecameFirst(TakeOut(record), now);
}

BufferedRecord* DeliveryBook::TakeOut(BufferedRecord& record) {
  decisions_.settled.push_back(record.tag);
  PartitionBuffer& partition = *record.partition;
  BufferedRecord* const next = partition.lanes.Remove(record);
  LeavePlace(record);
  Forget(record);
  ReturnRoom(partition);
  return next;
}

void DeliveryBook::Forget(BufferedRecord& record) {
  --unsettled_;
  unsettled_bytes_ -= record.bytes;
  budget_.Return(record.cost);
  record.partition->bytes -= record.cost;
  record.partition->records.Erase(record);
  pool_.Free(record);
}

void DeliveryBook::LeaveState(BufferedRecord& record) {
  switch (record.state) {
    case RecordState::kDecoding:
      StopDecoding(record);
      break;
    case RecordState::kReady:
      LeavePlace(record);
      break;
    case RecordState::kHeld:
      Release(record);
      break;
    case RecordState::kWaiting:
      backoffs_.erase({record.due, record.number, &record});
      --held_back_;
      break;
    case RecordState::kDeadLettering:
      LeaveLetters(record);
      --held_back_;
      break;
    case RecordState::kHalted:
      --held_back_;
      break;
  }
}

// For what is due then: the next attempt, or the next try to write.
void DeliveryBook::Wait(BufferedRecord& record, Duration wait, SteadyTime now) {
  record.due = now + wait;
  backoffs_.insert({record.due, record.number, &record});
  NoteDue(record.due);
}

void DeliveryBook::ReturnRoom(PartitionBuffer& partition) {
  if (partition.paused != Paused::kShare && partition.paused != Paused::kMemory) return;
  if (partition.paused == Paused::kShare && !HasShareAgain(partition)) return;
  partition.paused = Paused::kNo;
  decisions_.room_returned.push_back(partition.assignment);
}

// An eighth, so that a full partition is not asked for one record at a time, and one that is nearly
// full of followers of a blocked lane still lets the others pass.
bool DeliveryBook::HasShareAgain(const PartitionBuffer& partition) const {
  return partition.records.size() <= share_events_ - share_events_ / 8 &&
         partition.bytes <= share_bytes_ - share_bytes_ / 8;
}

void DeliveryBook::CountWindows() {
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  for (const StreamState* stream : streams_) {
    events += stream->window.events;
    bytes += stream->window.bytes;
  }
  share_events_ = std::max(kMinShareEvents, static_cast<std::uint32_t>(2 * events));
  share_bytes_ = std::max(kMinShareBytes, bytes);
  if (streams_.empty()) return;
  for (const auto& [id, partition] : partitions_) {
    if (std::exchange(partition->paused, Paused::kNo) == Paused::kNo) continue;
    decisions_.room_returned.push_back(id);
  }
}

void DeliveryBook::RunDue(SteadyTime now) {
  const std::vector<StreamState*> streams = streams_;
  for (StreamState* stream : streams) {
    while (!stream->leased.empty() && stream->leased.front()->due <= now) {
      BufferedRecord& record = *stream->leased.front();
      stream->dead.Add(record.delivery_id, DeadIds::Why::kLeaseExpired, now);
      record.type->metrics.returned_lease.Increment();
      if (!std::exchange(stream->suspect, true)) ReturnQueued(*stream);
      Fail(record, true, std::nullopt, "lease over", now);
    }
  }
  while (!backoffs_.empty() && std::get<SteadyTime>(*backoffs_.begin()) <= now) {
    BufferedRecord& record = *std::get<BufferedRecord*>(*backoffs_.begin());
    if (record.state == RecordState::kDeadLettering) {
      backoffs_.erase(backoffs_.begin());
      MoveToBack(record, to_write_);
      continue;
    }
    LeaveState(record);
    record.state = RecordState::kReady;
    if (Wanted(*record.type, now)) {
      MakeReady(record, true);
    } else {
      ForgetHolder(record);
      BecameFirst(&record, now);
    }
  }
  if (retry_memory_.has_value() && *retry_memory_ <= now) {
    retry_memory_.reset();
    for (const auto& [id, partition] : partitions_) {
      if (partition->paused == Paused::kMemory) ReturnRoom(*partition);
    }
  }
  const auto end = topics_.NextEnd(swept_);
  if (end.has_value() && *end <= now && !streams_.empty()) SettleUnwanted(now);
}

void DeliveryBook::SettleUnwanted(SteadyTime now) {
  swept_ = now;
  topics_.ForEachQueue([&](const TopicQueues& topic, TypeQueue& queue) {
    while (!queue.ready.empty() && !Wanted(queue, now)) {
      Unwanted(queue, topic);
      BufferedRecord& record = *queue.ready.front();
      ForgetHolder(record);
      BecameFirst(TakeOut(record), now);
    }
  });
  topics_.Prune(now);
}

std::optional<SteadyTime> DeliveryBook::NextDue(SteadyTime now) const {
  std::optional<SteadyTime> next = topics_.NextEnd(now);
  const auto consider = [&](SteadyTime when) {
    if (!next.has_value() || when < *next) next = when;
  };
  for (const StreamState* stream : streams_) {
    if (!stream->leased.empty()) consider(stream->leased.front()->due);
  }
  if (!backoffs_.empty()) consider(std::get<SteadyTime>(*backoffs_.begin()));
  if (retry_memory_.has_value()) consider(*retry_memory_);
  if (const auto ask = awaited_.NextDue(); ask.has_value()) consider(*ask);
  return next;
}

void DeliveryBook::NoteDue(SteadyTime when) {
  if (!decisions_.due.has_value() || when < *decisions_.due) decisions_.due = when;
}

DeliveryBook::Decisions DeliveryBook::TakeDecisions() {
  for (const auto& stream : decisions_.touched) stream->touched = false;
  return std::exchange(decisions_, {});
}

void DeliveryBook::Touch(StreamState& stream) {
  if (std::exchange(stream.touched, true)) return;
  decisions_.touched.push_back(stream.shared_from_this());
}

std::size_t DeliveryBook::held() const {
  std::size_t held = 0;
  for (const StreamState* stream : streams_) held += stream->held;
  return held;
}

std::size_t DeliveryBook::paused(Paused why) const {
  return static_cast<std::size_t>(
      std::count_if(partitions_.begin(), partitions_.end(),
                    [&](const auto& entry) { return entry.second->paused == why; }));
}

Duration DeliveryBook::OldestUnsettled(SteadyTime now) const {
  Duration oldest{};
  for (const auto& [id, partition] : partitions_) {
    if (partition->records.empty()) continue;
    oldest = std::max(oldest, now - partition->records.front()->buffered_at);
  }
  return oldest;
}

std::map<std::string, SystemTime> DeliveryBook::OldestRecords() const {
  std::map<std::string, SystemTime> oldest;
  for (const auto& [id, partition] : partitions_) {
    if (partition->records.empty()) continue;
    const SystemTime written = partition->records.front()->broker_time;
    const auto [topic, is_first] = oldest.try_emplace(*partition->topic.topic, written);
    if (!is_first) topic->second = std::min(topic->second, written);
  }
  return oldest;
}

}  // namespace sidebus
