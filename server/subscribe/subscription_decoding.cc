// The part of Subscription that decodes what comes from the consumer, at once or when its schema is
// there.

#include <algorithm>
#include <utility>

#include "server/codec/dead_letter.h"
#include "server/subscribe/subscription.h"

namespace sidebus {
namespace {

// Of one event, whatever streams may receive.
constexpr std::uint64_t kMaxJsonBytes = 64 << 20;

}  // namespace

RecordDecoder Subscription::MakeDecoder(bool openedx) const {
  return {openedx ? world_.schemas.get() : nullptr,
          std::min(world_.options.max_delivery_bytes, kMaxJsonBytes)};
}

void Subscription::OnRecords(AssignmentId assignment, std::vector<ConsumedRecord> records) {
  PartitionBuffer* partition = nullptr;
  {
    MutexLock lock(mu_);
    partition = book_.Find(assignment);
  }
  if (partition == nullptr) return;

  // Decoded without the lock. The buffer stays where it is: only OnRevoked() takes it away, and the
  // handler's methods are called one at a time.
  RecordDecoder decoder = MakeDecoder(world_.router->MayHaveOpenedx(*partition->topic.topic));
  std::vector<DecodedRecord> decoded;
  decoded.reserve(records.size());
  Position position{*partition->topic.topic, partition->partition, -1};
  for (ConsumedRecord& record : records) {
    DecodedRecord& next = decoded.emplace_back();
    next.tag = record.tag;
    next.offset = position.offset = record.offset;
    next.broker_time = record.timestamp;
    next.elsewhere = RedriveGroupOf(record.record.headers).value_or(first_.group) != first_.group;
    if (next.elsewhere) continue;
    next.key = record.record.key;
    static_cast<DecodedEvent&>(next) = decoder.Decode(record.record, position);
    next.rest = std::move(record.record);
  }

  Effects effects;
  {
    MutexLock lock(mu_);
    book_.Add(*partition, std::move(decoded), world_.clock.Now());
    book_.Dispatch();
    effects = Collect(Caller::kThread);
  }
  Run(std::move(effects));
}

void Subscription::Ask(SchemaId id) {
  const auto answer =
      world_.schemas->Ask(id, [weak = weak_from_this(), id](const absl::Status& later) {
        if (const auto self = weak.lock()) self->PostAnswer(id, later);
      });
  if (answer.has_value()) PostAnswer(id, *answer);
}

void Subscription::PostAnswer(SchemaId id, const absl::Status& answer) {
  {
    MutexLock lock(mu_);
    if (stopped_) return;
  }
  world_.timers.At(world_.clock.Now(), [weak = weak_from_this(), id, answer] {
    if (const auto self = weak.lock()) self->OnAnswer(id, answer);
  });
}

void Subscription::OnAnswer(SchemaId id, const absl::Status& answer) {
  Effects effects;
  {
    MutexLock lock(mu_);
    if (stopped_) return;
    if (answer.ok()) {
      book_.awaited().Answered(id);
    } else {
      book_.awaited().NoAnswer(id, std::string(answer.message()), world_.clock.Now());
    }
    effects = Collect(Caller::kThread);
  }
  Run(std::move(effects));
  DecodeWaiting();
}

void Subscription::DecodeWaiting() {
  while (true) {
    std::vector<RecordToDecode> batch;
    {
      MutexLock lock(mu_);
      if (!stopped_) batch = book_.awaited().TakeToDecode();
    }
    if (batch.empty()) return;
    RecordDecoder decoder = MakeDecoder(true);
    std::vector<DecodedEvent> decoded;
    decoded.reserve(batch.size());
    for (RecordToDecode& next : batch) decoded.push_back(decoder.Decode(next.record, Position()));
    Effects effects;
    {
      MutexLock lock(mu_);
      const SteadyTime now = world_.clock.Now();
      for (std::size_t i = 0; i < batch.size(); ++i) {
        book_.Decoded(batch[i].number, std::move(decoded[i]), now);
      }
      book_.Dispatch();
      effects = Collect(Caller::kThread);
    }
    Run(std::move(effects));
  }
}

}  // namespace sidebus
