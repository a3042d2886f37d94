// The part of DeliveryBook that gives records up: to their dead-letter topic, or until somebody
// decides.

#include <array>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/codec/cloudevents.h"
#include "server/subscribe/delivery_book.h"
#include "server/subscribe/retry_policy.h"

namespace sidebus {
namespace {

// Between two attempts to write a letter. The first failure is mostly a topic that is being looked
// up or made.
const RetryPolicy kWriteAgain{.max_attempts = 0,
                              .min_backoff = std::chrono::milliseconds(100),
                              .max_backoff = std::chrono::seconds(30),
                              .on_exhausted = std::nullopt};

// After so many the trouble is a lasting one: it is logged, and who leaves does not wait any more.
constexpr std::uint32_t kLastingTrouble = 6;

std::string_view WhatHalts(DeadReason reason) {
  constexpr auto kTexts = std::to_array<std::string_view>({
      "an event used up its attempts and holds back its key",
      "an event was rejected and holds back its key",
      "the holders of an event vanished too often, and it holds back its key",
      "a record cannot be decoded and holds back its key",
      "a record is larger than a stream may receive and holds back its key",
  });
  return kTexts[static_cast<std::size_t>(reason)];
}

// The copy, its new headers, and what librdkafka keeps of them.
std::uint64_t MemoryOf(const BufferedRecord& record) {
  return 2 * (record.bytes + record.rest.headers.memory()) + 4 * kMaxDeadDetail;
}

}  // namespace

// No stream is to have the record again. It has left its state.
void DeliveryBook::GiveUp(BufferedRecord& record, DeadReason reason, bool dead_letter) {
  if (!dead_letter || !settings_.dead_letters) return Halt(record, WhatHalts(reason));
  record.state = RecordState::kDeadLettering;
  record.failure->reason = reason;
  ++held_back_;
  letters_.emplace(record.number, &record);
  record.failure->awaited = true;
  ++awaited_letters_;
  if (record.holder != nullptr) ++record.holder->letters;
  MoveToBack(record, to_write_);
}

void DeliveryBook::Halt(BufferedRecord& record, std::string_view what) {
  record.state = RecordState::kHalted;
  ++held_back_;
  Log(LogLevel::kWarning, what,
      {{"group", settings_.group},
       {"topic", *record.partition->topic.topic},
       {"partition", record.partition->partition},
       {"offset", record.offset},
       {"attempt", record.attempt},
       {"detail", record.failure->detail}});
}

std::optional<DeliveryBook::LetterToWrite> DeliveryBook::TakeLetter(
    absl::FunctionRef<bool(std::uint64_t)> reserve, SteadyTime now, SystemTime wall_now) {
  if (to_write_.empty()) return std::nullopt;
  BufferedRecord& record = *to_write_.front();
  // A broker refuses a batch as a whole, for what its letters are together (Kafka's
  // max.message.bytes), and names each of them.
  const bool must_wait =
      !under_way_.empty() && (record.failure->alone || under_way_.front()->failure->alone);
  if (must_wait) return std::nullopt;
  const std::uint64_t bytes = MemoryOf(record);
  if (!reserve(bytes)) {
    NoteDue(now + kMemoryRetry);
    return std::nullopt;
  }
  MoveToBack(record, under_way_);
  const Failure& failure = *record.failure;
  const TopicQueues& topic = record.partition->topic;
  LetterToWrite next;
  next.reserved = bytes;
  next.letter.number = record.number;
  next.letter.topic = *topic.topic;
  next.letter.record = RestoreRecord(record.rest, record.event.get());
  next.letter.note = DeadLetterNote{
      .reason = std::string(NameOf(failure.reason)),
      .detail = failure.detail,
      .group = settings_.group,
      .attempts = record.delivered,
      .origin = {topic.full_topic, record.partition->partition, record.offset},
      .timestamp = record.broker_time,
      .first_failure =
          wall_now - std::chrono::duration_cast<SystemTime::duration>(now - failure.first_at),
      .time = wall_now,
      .truncated = failure.truncated};
  return next;
}

void DeliveryBook::LetterDone(std::uint64_t number, const absl::Status& written, SteadyTime now) {
  const auto known = letters_.find(number);
  if (known == letters_.end()) return;
  BufferedRecord& record = *known->second;
  Failure& failure = *record.failure;
  if (written.ok()) {
    topics_.CountDeadLetter(record.partition->topic, record.type, failure.reason);
    if (record.type == nullptr) return Finish(record, now);
    DeliveredTypeMetrics& metrics = record.type->metrics;
    return SettleRecord(record,
                        failure.reason == DeadReason::kRejected ? metrics.settled_reject
                                                                : metrics.settled_exhausted,
                        now);
  }
  metrics_.dead_letter_failures.Increment();
  if (record.partition->revoking) return Drop(record);
  if (ReasonOf(written) != Reason::kEventTooLarge) return WriteLater(record, written, now);
  if (std::exchange(failure.alone, true) && std::exchange(failure.truncated, true)) {
    LeaveState(record);
    return Halt(record, "an event is too large for its dead-letter topic and holds back its key");
  }
  MoveToBack(record, to_write_);
}

void DeliveryBook::StopAwaiting(BufferedRecord& record) {
  if (!std::exchange(record.failure->awaited, false)) return;
  --awaited_letters_;
  if (record.holder == nullptr) return;
  --record.holder->letters;
  Touch(*record.holder);
}

void DeliveryBook::WriteLater(BufferedRecord& record, const absl::Status& why, SteadyTime now) {
  Failure& failure = *record.failure;
  failure.write_error = std::string(why.message());
  LeavePlace(record);
  if (++failure.writes == kLastingTrouble) {
    StopAwaiting(record);
    Log(LogLevel::kWarning, "a dead letter cannot be written; it is tried again",
        {{"group", settings_.group},
         {"topic", *record.partition->topic.topic},
         {"partition", record.partition->partition},
         {"offset", record.offset},
         {"error", why}});
  }
  Wait(record, BackoffAfter(kWriteAgain, failure.writes, random_), now);
}

// The record is not dead-lettering any more.
void DeliveryBook::LeaveLetters(BufferedRecord& record) {
  letters_.erase(record.number);
  StopAwaiting(record);
  if (record.place == nullptr) backoffs_.erase({record.due, record.number, &record});
  LeavePlace(record);
}

}  // namespace sidebus
