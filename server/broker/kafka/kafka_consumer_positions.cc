// What KafkaConsumer does about positions that a log does not have, and records that cannot be read.
#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/broker/kafka/kafka_consumer.h"
#include "server/broker/kafka/kafka_error.h"
#include "server/broker/kafka/log_bounds.h"
#include "server/broker/kafka/steady_now.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFindAgainAfter = milliseconds(500);
constexpr Duration kReadAgainAfter = seconds(5);

// A checksum that is wrong, or a compression that is damaged or not built in.
bool SaysUnreadable(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__BAD_MSG || error == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
         error == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED;
}

}  // namespace

void KafkaConsumer::OnFault(PartitionReader& reader, const PartitionReader::Fault& fault) {
  const bool gone = SaysPositionIsGone(fault.error);
  if (!gone && !SaysUnreadable(fault.error)) return OnClientError(fault.error);
  if (reader.finding()) return;
  if (gone) return FindPosition(StartFinding(reader, fault.offset));
  // librdkafka would stand still, or pass what it cannot read. It is read again from where we are:
  // bytes that were damaged on their way come whole the next time.
  const std::int64_t next = assignments_.Next(reader.assignment());
  Log(LogLevel::kError, "records cannot be read; trying again",
      {{"group", options_.group},
       {"topic", reader.topic()},
       {"partition", reader.partition()},
       {"offset", next},
       {"error", rd_kafka_err2name(fault.error)}});
  finding_.at(StartFinding(reader, next)).retry_at = Now() + kReadAgainAfter;
}

// Whatever its position, it is none in this log.
void KafkaConsumer::OnTruncated(PartitionReader& reader) {
  StopFinding(reader);
  FindPosition(StartFinding(reader, -1));
}

std::uint64_t KafkaConsumer::StartFinding(PartitionReader& reader, std::int64_t lost) {
  reader.set_finding(true);
  finding_.emplace(++last_finding_, Finding{reader.topic(), reader.partition(), lost, {}});
  return last_finding_;
}

void KafkaConsumer::FindPosition(std::uint64_t id) {
  Finding& finding = finding_.at(id);
  finding.retry_at = {};
  const auto ask = [this, id](std::int64_t spec, absl::AnyInvocable<void(std::int64_t)> then) {
    const Finding& wanted = finding_.at(id);
    requests_->Offsets(
        {{wanted.topic, wanted.partition, spec, {}}},
        [this, id, then = std::move(then)](AdminRequests::Answer answer) mutable {
          const auto found = finding_.find(id);
          if (found == finding_.end()) return;
          if (answer.error != RD_KAFKA_RESP_ERR_NO_ERROR || answer.partitions.size() != 1) {
            found->second.retry_at = Now() + kFindAgainAfter;
            return;
          }
          then(answer.partitions.front().offset);
        });
  };
  ask(AdminRequests::kBeginning, [this, id, ask](std::int64_t begin) {
    ask(AdminRequests::kEnd, [this, id, begin](std::int64_t end) { OnLogBounds(id, begin, end); });
  });
}

void KafkaConsumer::OnLogBounds(std::uint64_t id, std::int64_t begin, std::int64_t end) {
  const Finding finding = finding_.at(id);
  PartitionReader* const reader = ReaderOf(finding.topic, finding.partition);
  if (reader == nullptr) {
    finding_.erase(id);
    return;
  }
  const LostPosition lost = LookUp(finding.lost, begin, end);
  const bool expired = lost == LostPosition::kExpired;
  const bool truncated = lost == LostPosition::kTruncated;
  if (truncated && broker_.halt_on_truncated) {
    finding_.erase(id);
    return Fail(MakeError(
        Reason::kLogTruncated,
        fmt::format("subscribe: partition {} of {} was truncated or made anew: its log ends at {}, "
                    "before the group's position; seek the group to where it is to go on",
                    finding.partition, finding.topic, end)));
  }
  const std::int64_t position = expired || truncated ? begin : finding.lost;
  if (!MoveTo(*reader, position)) {
    finding_.at(id).retry_at = Now() + kFindAgainAfter;
    return;
  }
  finding_.erase(id);
  reader->set_finding(false);
  if (!expired && !truncated) return;
  // What was delivered stays where it is; the rest is gone.
  const std::uint64_t events = expired ? assignments_.Expire(reader->assignment(), begin) : 0;
  Log(truncated ? LogLevel::kError : LogLevel::kWarning,
      truncated ? "the log is shorter than the group's position: it was truncated; reading from "
                  "its beginning"
                : "retention overtook the group's position; reading from the log start",
      {{"group", options_.group},
       {"topic", finding.topic},
       {"partition", finding.partition},
       {"position", finding.lost},
       {"events_lost", events},
       {"log_start", begin},
       {"log_end", end}});
  if (expired) {
    MutexLock lock(mu_);
    ++counters_.lost_to_retention[finding.topic];
    return;
  }
  // Offsets begin anew, so nothing that was delivered may be mistaken for what comes now.
  handler_.OnRevoked(reader->assignment(), true);
  assignments_.Remove(reader->assignment());
  // The topic may have been made anew, and which it is now is not known yet.
  if (finding.lost >= 0) reader->set_topic_id("");
  reader->set_assignment(
      assignments_.Add(finding.topic, finding.partition, position, reader->topic_id()));
  handler_.OnAssigned(reader->assignment(), finding.topic, finding.partition);
}

// Not by seeking: after such an error librdkafka has stopped to fetch the partition, and a seek is
// refused without a word. With the eager protocols the whole assignment is made anew, each other
// partition where it is; what was fetched ahead is fetched again.
bool KafkaConsumer::MoveTo(PartitionReader& reader, std::int64_t position) {
  const KafkaPartitionList list = MakePartitionList();
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (incremental_) {
    // Either call would be the answer to a rebalance that waits for one.
    if (giving_up_ || !locating_.empty()) return false;
    reader.Clear();
    AddTo(list, reader.topic(), reader.partition(), position);
    // Fails when it is tried again after the other half failed.
    KafkaErrorHandle(rd_kafka_incremental_unassign(client_.get(), list.get()));
    const KafkaErrorHandle failed(rd_kafka_incremental_assign(client_.get(), list.get()));
    if (failed != nullptr) error = rd_kafka_error_code(failed.get());
  } else {
    for (const auto& one : readers_) {
      // Another one that waits for its position is moved when that is known.
      if (one->finding() && one.get() != &reader) continue;
      one->Clear();
      const std::int64_t next = assignments_.Next(one->assignment());
      AddTo(list, one->topic(), one->partition(), one.get() == &reader ? position : next);
    }
    error = rd_kafka_assign(client_.get(), list.get());
  }
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
  Log(LogLevel::kWarning, "cannot move to a position",
      {{"group", options_.group}, {"error", rd_kafka_err2name(error)}});
  return false;
}

}  // namespace sidebus
