// What KafkaConsumer does when its client cannot go on, or when no coordinator answers.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/broker/kafka/client_statistics.h"
#include "server/broker/kafka/kafka_consumer.h"
#include "server/broker/kafka/kafka_error.h"
#include "server/broker/kafka/steady_now.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFirstWait = milliseconds(500);
constexpr Duration kLongestWait = seconds(30);

bool SaysNoConsumerProtocol(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE ||
         error == RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION;
}

// The member's epoch; above zero when a coordinator has taken it in.
std::int32_t EpochOf(rd_kafka_t* client) {
  rd_kafka_consumer_group_metadata_t* const metadata = rd_kafka_consumer_group_metadata(client);
  if (metadata == nullptr) return -1;
  const std::int32_t epoch = rd_kafka_consumer_group_metadata_generation_id(metadata);
  rd_kafka_consumer_group_metadata_destroy(metadata);
  return epoch;
}

}  // namespace

void KafkaConsumer::OnClientError(rd_kafka_resp_err_t error) {
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(client_.get(), nullptr, 0);
    return OnFatal(cause, ErrorOfKafka(cause, "subscribe"));
  }
  const Reason reason = ReasonOfKafka(error);
  // A client that cannot log in yet tries again; the credentials may be on their way.
  const bool final = reason == Reason::kBrokerDenied || reason == Reason::kGroupProtocol ||
                     reason == Reason::kMemberFenced;
  if (final && error != RD_KAFKA_RESP_ERR__AUTHENTICATION) {
    return OnRefused(error, ErrorOfKafka(error, "subscribe"));
  }
  // librdkafka tries again by itself. What a broker refuses, it does not log.
  if (error <= RD_KAFKA_RESP_ERR_NO_ERROR && !final) return;
  if (error == last_refusal_) return;
  last_refusal_ = error;
  NoteError(ErrorOfKafka(error, "subscribe"));
  if (error <= RD_KAFKA_RESP_ERR_NO_ERROR) return;
  Log(LogLevel::kWarning, "Kafka refuses what a group's member asks; it asks again and again",
      {{"group", options_.group},
       {"error", rd_kafka_err2name(error)},
       {"what", rd_kafka_err2str(error)}});
}

// Zero: librdkafka frees the text.
int KafkaConsumer::OnStatistics(rd_kafka_t*, char* json, std::size_t size, void* opaque) {
  auto* const consumer = static_cast<KafkaConsumer*>(static_cast<KafkaLog*>(opaque)->owner());
  if (consumer->metrics_ == nullptr) return 0;
  const auto figures = ParseStatistics({json, size});
  if (figures) consumer->metrics_->Update(*figures);
  return 0;
}

void KafkaConsumer::OnFatal(rd_kafka_resp_err_t cause, absl::Status why) {
  if (SaysNoConsumerProtocol(cause)) return OnNoConsumerProtocol();
  if (metrics_ != nullptr) metrics_->CountFatal(rd_kafka_err2name(cause));
  if (ReasonOfKafka(cause) == Reason::kMemberFenced) return Fail(std::move(why));
  StartAgain(std::move(why));
}

void KafkaConsumer::OnNoConsumerProtocol() {
  joining_.reset();
  if (broker_.group_protocol == GroupProtocol::kConsumer) {
    return Fail(MakeError(Reason::kGroupProtocol,
                          "subscribe: the brokers do not have Kafka's consumer protocol: set "
                          "subscribe.group_protocol to classic or auto"));
  }
  if (restart_) return;
  cluster_->has_consumer_protocol = false;
  broker_.group_protocol = GroupProtocol::kClassic;
  Log(LogLevel::kInfo, "the brokers do not have the consumer protocol; groups use the classic one",
      {{"group", options_.group}});
  restart_.emplace(Now());
}

void KafkaConsumer::OnRefused(rd_kafka_resp_err_t error, absl::Status why) {
  // Somebody may grant it, and the streams need not know.
  if (error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) return StartAgain(std::move(why));
  Fail(std::move(why));
}

void KafkaConsumer::Fail(absl::Status why) {
  if (state_ != State::kOpen) return;
  state_ = State::kFailed;
  NoteError(why);
  Log(LogLevel::kError, "a consumer cannot go on", {{"group", options_.group}, {"why", why}});
  handler_.OnFailed(why);
}

// Not at once: this may run in a callback of the client.
void KafkaConsumer::StartAgain(absl::Status why) {
  if (state_ != State::kOpen || restart_) return;
  wait_ = std::clamp(2 * wait_, kFirstWait, kLongestWait);
  restart_.emplace(Now() + wait_);
  NoteError(why);
  Log(LogLevel::kError, "a consumer begins anew with another client",
      {{"group", options_.group},
       {"why", why},
       {"after_ms", std::chrono::duration_cast<milliseconds>(wait_).count()}});
}

void KafkaConsumer::StartAgainIfDue(SteadyTime now) {
  if (!restart_) return;
  if (client_ != nullptr) Abandon();
  if (state_ != State::kOpen || now < *restart_) return;
  restart_.reset();
  const std::uint64_t fetch_bytes = FetchBytesFor(0, 1);
  absl::StatusOr<KafkaClient> client = MakeHandle(fetch_bytes);
  if (!client.ok()) return Fail(client.status());
  OpenClient(*std::move(client), fetch_bytes);
  StartPin();
}

void KafkaConsumer::Abandon() {
  LoseAll();
  if (committing_) OnCommitted(RD_KAFKA_RESP_ERR__DESTROY);
  CloseClient();
  joined_ = pinning_ = looking_ = leaving_ = false;
  joining_.reset();
  reopen_with_.reset();
  known_.clear();
  SetCutOff(0);
}

// The group has given us partitions: what went wrong is over.
void KafkaConsumer::OnJoined() {
  wait_ = Duration::zero();
  last_refusal_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  watch_.Answered(Now());
  SetCutOff(0);
  NoteError(absl::OkStatus());
  MutexLock lock(mu_);
  ++counters_.assigned;
}

void KafkaConsumer::NoteError(const absl::Status& why) {
  MutexLock lock(mu_);
  counters_.last_error = std::string(why.message());
}

void KafkaConsumer::WatchJoining(SteadyTime now) {
  if (!joining_ || state_ != State::kOpen || !joining_->ShouldLook(now)) return;
  if (EpochOf(client_.get()) > 0) return joining_.reset();
  if (joining_->HasNoProtocol(now)) return OnNoConsumerProtocol();
  if (!joining_->ShouldAsk(now)) return;
  requests_->GroupPositions(options_.group, {{*existing_.begin(), 0, -1, {}}},
                            [this](const AdminRequests::Answer& answer) {
                              if (!joining_) return;
                              answer.error == RD_KAFKA_RESP_ERR_NO_ERROR
                                  ? joining_->Answered(Now())
                                  : joining_->NotAnswered(Now());
                            });
}

void KafkaConsumer::WatchCoordinator(SteadyTime now) {
  if (!watches() || state_ != State::kOpen || readers_.empty()) return;
  if (watch_.ShouldAsk(now)) {
    const PartitionReader& any = *readers_.front();
    requests_->GroupPositions(options_.group, {{any.topic(), any.partition(), -1, {}}},
                              [this](const AdminRequests::Answer& answer) {
                                answer.error == RD_KAFKA_RESP_ERR_NO_ERROR ? watch_.Answered(Now())
                                                                           : watch_.NotAnswered();
                              });
  }
  if (watch_.IsCutOff(now) && !giving_up_) CutOff();
}

// Others may have the partitions by now. We are still a member for all we know, so they are located
// again, which is answered when a coordinator answers.
void KafkaConsumer::CutOff() {
  Log(LogLevel::kError,
      "no coordinator has answered for the time of a session: nothing is delivered until one does",
      {{"group", options_.group}, {"partitions", readers_.size()}});
  std::vector<PartitionOffset> again = locating_;
  std::vector<Partition> partitions;
  for (const auto& reader : readers_) {
    partitions.emplace_back(reader->topic(), reader->partition());
    again.push_back({reader->topic(), reader->partition(), -1, {}});
  }
  LoseAll();
  LetGo(partitions);
  SetCutOff(again.size());
  NoteError(MakeError(Reason::kBrokerDown, "subscribe: no coordinator answers"));
  Locate(std::move(again), false);
}

void KafkaConsumer::SetCutOff(std::size_t partitions) {
  MutexLock lock(mu_);
  counters_.cut_off = partitions;
}

}  // namespace sidebus
