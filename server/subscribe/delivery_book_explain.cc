// The part of DeliveryBook that faces operators: what holds a partition back, and settling it.

#include <fmt/format.h>

#include <algorithm>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/utf8.h"
#include "server/subscribe/delivery_book.h"

namespace sidebus {
namespace {

// Text that protobuf takes: applications choose it, and it was cut.
std::string CleanText(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const std::size_t size = Utf8Length(text);
    size == 0 ? clean += '?' : clean += text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return clean;
}

std::string LastErrorOf(const BufferedRecord& record, const AwaitedSchemas& awaited) {
  if (record.state == RecordState::kDecoding) return CleanText(awaited.WhyWaits(record));
  if (record.failure == nullptr) return "";
  const Failure& failure = *record.failure;
  if (record.state != RecordState::kDeadLettering || failure.write_error.empty()) {
    return CleanText(failure.detail);
  }
  return fmt::format("{}{}its dead letter cannot be written: {}", CleanText(failure.detail),
                     failure.detail.empty() ? "" : "; ", CleanText(failure.write_error));
}

bool IsHeldBack(const BufferedRecord& record) {
  if (record.state == RecordState::kDecoding) return record.holds_back;
  return record.state == RecordState::kWaiting || record.state == RecordState::kDeadLettering ||
         record.state == RecordState::kHalted;
}

absl::Status NotTheHead(const PartitionBuffer& partition, std::int64_t offset) {
  const std::string where = fmt::format("{}/{}", *partition.topic.topic, partition.partition);
  const std::string head =
      partition.records.empty()
          ? "nothing holds it back now"
          : fmt::format("its first unsettled record is {}", partition.records.front()->offset);
  return MakeError(Reason::kOffsetOutOfRange,
                   fmt::format("settle the head of {}: it is not {}: {}; look again with "
                               "`sidebus explain`",
                               where, offset, head),
                   {{std::string(error_key::kTopic), *partition.topic.topic}});
}

}  // namespace

std::vector<PartitionState> DeliveryBook::Explain(SteadyTime now) const {
  std::vector<PartitionState> states;
  states.reserve(partitions_.size());
  for (const auto& [id, partition] : partitions_) {
    PartitionState& state = states.emplace_back();
    state.topic = *partition->topic.topic;
    state.partition = partition->partition;
    const BufferedRecord* const first = partition->records.front();
    for (const auto* record = first; record != nullptr;
         record = decltype(partition->records)::Next(*record)) {
      if (record->state == RecordState::kHeld) ++state.held;
      if (IsHeldBack(*record)) ++state.held_back;
    }
    if (first == nullptr) continue;
    state.oldest_unsettled = now - first->buffered_at;
    state.head = PartitionState::Head{.offset = first->offset,
                                      .attempt = first->attempt,
                                      .state = first->state,
                                      .last_error = LastErrorOf(*first, awaited_)};
  }
  return states;
}

absl::Status DeliveryBook::SettleHead(const Position& head, Nack::Action action,
                                      std::string_view reason, SteadyTime now) {
  const auto found = std::find_if(partitions_.begin(), partitions_.end(), [&](const auto& entry) {
    return entry.second->partition == head.partition && *entry.second->topic.topic == head.topic;
  });
  if (found == partitions_.end()) {
    return MakeError(Reason::kOffsetOutOfRange,
                     fmt::format("settle the head of {}/{}: this gateway does not have the "
                                 "partition; `sidebus explain` tells its owner: ask there",
                                 head.topic, head.partition),
                     {{std::string(error_key::kTopic), head.topic}});
  }
  PartitionBuffer& partition = *found->second;
  BufferedRecord* const record = partition.records.front();
  if (record == nullptr || record->offset != head.offset) return NotTheHead(partition, head.offset);
  const auto log = [&] {
    Log(LogLevel::kWarning, "an operator settles the head of a partition",
        {{"group", settings_.group},
         {"topic", head.topic},
         {"partition", head.partition},
         {"offset", head.offset},
         {"action", action == Nack::Action::kSkip ? "skip" : "reject"},
         {"reason", reason}});
  };
  if (action == Nack::Action::kSkip) {
    log();
    // What is no event has no type whose series could count it.
    if (record->type == nullptr) {
      Finish(*record, now);
    } else {
      SettleRecord(*record, record->type->metrics.settled_skip, now);
    }
    return absl::OkStatus();
  }
  if (record->state == RecordState::kDeadLettering) return absl::OkStatus();
  if (record->state == RecordState::kHalted && !settings_.dead_letters) {
    return MakeError(Reason::kNotSupported,
                     "the record is halted already, and dead letters are off: skip it, or mend "
                     "what rejects it");
  }
  log();
  NoteFailure(*record, reason, now);
  LeaveState(*record);
  GiveUp(*record, DeadReason::kRejected, true);
  return absl::OkStatus();
}

}  // namespace sidebus
