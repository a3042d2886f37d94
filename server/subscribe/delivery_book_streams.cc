// The half of DeliveryBook that faces streams: handing out, settling, giving back.

#include <algorithm>
#include <utility>

#include "server/base/log.h"
#include "server/subscribe/delivery_book.h"
#include "server/subscribe/retry_policy.h"

namespace sidebus {
namespace {

double SecondsFromZero(Duration duration) {
  return std::max(0.0, std::chrono::duration<double>(duration).count());
}

// From so many interruptions on a record is held alone.
constexpr std::uint32_t kAloneFrom = 3;

bool WantsToBeAlone(const BufferedRecord& record) { return record.interruptions >= kAloneFrom; }

bool Fits(const StreamState& stream, const BufferedRecord& record) {
  return stream.held == 0 || (!WantsToBeAlone(record) && record.bytes <= stream.window.bytes &&
                              stream.held_bytes <= stream.window.bytes - record.bytes);
}

}  // namespace

void DeliveryBook::Dispatch() {
  ++round_;
  std::size_t idle = 0;  // types in a row that nobody has room for
  std::optional<std::size_t> starved;
  while (!active_.empty() && idle < active_.size()) {
    if (turn_ >= active_.size()) turn_ = 0;
    TypeQueue& queue = *active_[turn_];
    if (queue.ready.empty()) {
      queue.active = false;
      active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(turn_));
      continue;
    }
    StreamState* const stream = MostRoom(queue, *queue.ready.front());
    if (stream == nullptr) {
      ++idle;
      ++turn_;
      continue;
    }
    if (!Fits(*stream, *queue.ready.front())) {
      // Kept free until the event fits, or small ones would pass it for ever.
      stream->saving = round_;
      if (!starved.has_value()) starved = turn_;
      continue;
    }
    Hand(*queue.ready.front(), *stream);
    idle = 0;
    ++turn_;
  }
  if (starved.has_value()) turn_ = *starved;
}

StreamState* DeliveryBook::MostRoom(const TypeQueue& queue, const BufferedRecord& record) {
  StreamState* best = nullptr;
  std::uint32_t most = 0;
  bool best_fits = false;
  for (StreamState* stream : queue.streams) {
    if (stream->phase != StreamState::Phase::kOpen || stream->saving == round_) continue;
    if (stream->held >= stream->window.events) continue;
    if ((stream->suspect || stream->alone) && stream->held > 0) continue;
    const std::uint32_t room = stream->window.events - stream->held;
    const bool fits = Fits(*stream, record);
    if (best == nullptr || fits > best_fits || (fits == best_fits && room > most)) {
      best = stream;
      most = room;
      best_fits = fits;
    }
  }
  return best;
}

void DeliveryBook::Hand(BufferedRecord& record, StreamState& stream) {
  ForgetHolder(record);
  record.state = RecordState::kHeld;
  record.holder = &stream;
  record.delivery_id = ++stream.last_id;
  stream.deliveries.emplace(record.delivery_id, &record);
  ++stream.held;
  stream.held_bytes += record.bytes;
  stream.alone = WantsToBeAlone(record);
  MoveToBack(record, stream.queued);
  Touch(stream);
}

std::vector<Delivery> DeliveryBook::Take(StreamState& stream, std::uint32_t max_events,
                                         std::uint64_t max_bytes, SteadyTime now,
                                         SystemTime wall_now) {
  std::vector<Delivery> deliveries;
  deliveries.reserve(std::min<std::size_t>(stream.queued.size(), max_events));
  std::uint64_t bytes = 0;
  while (!stream.queued.empty() && deliveries.size() < max_events) {
    BufferedRecord& record = *stream.queued.front();
    bytes += record.bytes;
    if (bytes > max_bytes && !deliveries.empty()) break;
    MoveToBack(record, stream.taken);
    record.taken_at = now;
    if (std::exchange(record.delivered, record.attempt) > 0) {
      record.type->metrics.redeliveries.Increment();
    } else {
      record.type->metrics.first_deliveries.Increment();
      record.type->metrics.age.Observe(SecondsFromZero(wall_now - record.broker_time));
    }
    deliveries.push_back(Delivery{.id = record.delivery_id,
                                  .attempt = record.attempt,
                                  .interruptions = record.interruptions,
                                  .event = EventFor(record, stream),
                                  .topic = record.partition->topic.topic,
                                  .partition = record.partition->partition,
                                  .offset = record.offset,
                                  .broker_time = record.broker_time});
  }
  return deliveries;
}

void DeliveryBook::Written(StreamState& stream, SteadyTime now) {
  if (stream.taken.empty()) return;
  while (!stream.taken.empty()) {
    BufferedRecord& record = *stream.taken.front();
    record.due = now + stream.start.lease;
    MoveToBack(record, stream.leased);
  }
  NoteDue(stream.leased.front()->due);
}

// The record that the stream was given under this id and can still settle. What waits for the
// stream's transport was not given: its id can only be a guess.
BufferedRecord* DeliveryBook::Given(StreamState& stream, std::uint64_t id) {
  const auto known = stream.deliveries.find(id);
  if (known == stream.deliveries.end() || known->second->place == &stream.queued) return nullptr;
  return known->second;
}

void DeliveryBook::Ack(StreamState& stream, std::uint64_t id, SteadyTime now) {
  BufferedRecord* const given = Given(stream, id);
  if (given == nullptr) return Refuse(stream, id, now);
  BufferedRecord& record = *given;
  if (record.state == RecordState::kDeadLettering) return Refuse(stream, id, now);
  stream.suspect = false;
  stream.dead.Forget(id);
  DeliveredTypeMetrics& metrics = record.type->metrics;
  metrics.processing.Observe(SecondsFromZero(now - record.taken_at));
  SettleRecord(record, metrics.settled_ack, now);
}

void DeliveryBook::Settle(StreamState& stream, const Nack& nack, SteadyTime now) {
  BufferedRecord* const given = Given(stream, nack.delivery_id);
  if (given == nullptr) return Refuse(stream, nack.delivery_id, now);
  BufferedRecord& record = *given;
  const bool retry = nack.action == Nack::Action::kRetry;
  const bool held = record.state == RecordState::kHeld;
  if (record.state == RecordState::kReady || record.state == RecordState::kDeadLettering ||
      (!held && retry)) {
    return Refuse(stream, nack.delivery_id, now);
  }
  stream.suspect = false;
  DeliveredTypeMetrics& metrics = record.type->metrics;
  if (nack.action == Nack::Action::kSkip) {
    stream.dead.Forget(nack.delivery_id);
    SettleRecord(record, metrics.settled_skip, now);
  } else if (record.partition->revoking) {
    if (retry) metrics.returned_nack.Increment();
    stream.dead.Forget(nack.delivery_id);
    Drop(record);
  } else if (retry) {
    metrics.returned_nack.Increment();
    std::optional<Duration> delay = nack.delay;
    if (delay.has_value()) delay = std::clamp(*delay, Duration(0), settings_.max_delay);
    Fail(record, !nack.not_counted, delay, nack.reason, now);
  } else if (broadcast()) {
    SettleRecord(record, metrics.settled_reject, now);
  } else if (record.state != RecordState::kHalted || settings_.dead_letters) {
    NoteFailure(record, nack.reason, now);
    LeaveState(record);
    GiveUp(record, DeadReason::kRejected, true);
  }
}

void DeliveryBook::Extend(StreamState& stream, std::uint64_t id, SteadyTime now) {
  BufferedRecord* const given = Given(stream, id);
  if (given == nullptr || given->state != RecordState::kHeld) return Refuse(stream, id, now);
  stream.suspect = false;
  BufferedRecord& record = *given;
  if (record.place != &stream.leased) return;  // its lease has not started
  record.due = now + stream.start.lease;
  MoveToBack(record, stream.leased);
}

void DeliveryBook::Refuse(StreamState& stream, std::uint64_t id, SteadyTime now) {
  stream.failures.push_back({id, stream.dead.ErrorFor(id, now)});
  Touch(stream);
}

void DeliveryBook::Fail(BufferedRecord& record, bool counted, std::optional<Duration> delay,
                        std::string_view why, SteadyTime now) {
  if (record.partition->revoking) return Drop(record);
  const RetryPolicy& policy = record.holder->start.retry;
  if (counted && record.attempt >= policy.max_attempts) {
    return Exhaust(record, DeadReason::kExhausted, why, now);
  }
  NoteFailure(record, why, now);
  LeaveState(record);
  record.state = RecordState::kWaiting;
  Wait(record, delay.has_value() ? *delay : BackoffAfter(policy, record.attempt, random_), now);
  if (counted) ++record.attempt;
  ++held_back_;
}

void DeliveryBook::Exhaust(BufferedRecord& record, DeadReason reason, std::string_view why,
                           SteadyTime now) {
  const Exhausted policy = record.holder->start.retry.on_exhausted.value_or(Exhausted::kHalt);
  if (policy == Exhausted::kSkip) {
    return SettleRecord(record, record.type->metrics.settled_exhausted, now);
  }
  NoteFailure(record, why, now);
  LeaveState(record);
  GiveUp(record, reason, policy == Exhausted::kDeadLetter);
}

void DeliveryBook::Release(BufferedRecord& record) {
  StreamState& stream = *record.holder;
  --stream.held;
  stream.held_bytes -= record.bytes;
  LeavePlace(record);
  Touch(stream);
}

void DeliveryBook::ForgetHolder(BufferedRecord& record) {
  if (record.holder == nullptr) return;
  record.holder->deliveries.erase(record.delivery_id);
  record.holder = nullptr;
}

void DeliveryBook::Return(BufferedRecord& record) {
  if (record.partition->revoking) return Drop(record);
  if (IsGiven(record)) record.type->metrics.returned_stream_gone.Increment();
  Release(record);
  ForgetHolder(record);
  MakeReady(record, true);
}

// The holder vanished. What it was not given yet cannot have been the reason.
void DeliveryBook::Interrupt(BufferedRecord& record, SteadyTime now) {
  if (!IsGiven(record) || record.partition->revoking) return Return(record);
  metrics_.interruptions.Increment();
  NoteFailure(record, "its holder vanished", now);
  if (++record.interruptions < settings_.max_interruptions) return Return(record);
  record.type->metrics.returned_stream_gone.Increment();
  Exhaust(record, DeadReason::kInterrupted, "its holders vanished", now);
}

void DeliveryBook::ReturnQueued(StreamState& stream) {
  // From the back, so that the oldest is in front in the end.
  std::vector<BufferedRecord*> queued;
  for (auto* record = stream.queued.front(); record != nullptr; record = PlaceList::Next(*record)) {
    queued.push_back(record);
  }
  for (auto record = queued.rbegin(); record != queued.rend(); ++record) Return(**record);
}

void DeliveryBook::ReturnHeld(StreamState& stream, bool interrupted, SteadyTime now) {
  std::vector<BufferedRecord*> held;
  held.reserve(stream.held);
  for (const auto& [id, record] : stream.deliveries) {
    if (record->state == RecordState::kHeld) held.push_back(record);
  }
  std::sort(held.begin(), held.end(),
            [](const auto* a, const auto* b) { return a->number > b->number; });
  for (BufferedRecord* record : held) {
    interrupted ? Interrupt(*record, now) : Return(*record);
  }
}

}  // namespace sidebus
