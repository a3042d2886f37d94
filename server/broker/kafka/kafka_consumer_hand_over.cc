// How KafkaConsumer gives partitions up: to the group, because they are lost, or at its end.
#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/broker/kafka/kafka_consumer.h"
#include "server/broker/kafka/kafka_error.h"
#include "server/broker/kafka/steady_now.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kGiveUpPatience = seconds(2);
constexpr Duration kClosePatience = seconds(5);
constexpr Duration kCommitAgainAfter = milliseconds(100);

// The group is between two generations, which passes.
bool SaysTryAgain(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
         error == RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH ||
         error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
         error == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
}

absl::Status WasLost() {
  return MakeError(Reason::kDeliveryRevoked,
                   "commit: the group gave the partitions to another member");
}

}  // namespace

std::set<KafkaConsumer::Partition> KafkaConsumer::Ours() const {
  std::set<Partition> ours;
  for (const auto& reader : readers_) ours.emplace(reader->topic(), reader->partition());
  for (const PartitionOffset& one : locating_) ours.emplace(one.topic, one.partition);
  return ours;
}

void KafkaConsumer::GiveUp(const std::set<Partition>& named, bool lost) {
  StopLocating(named);
  std::vector<PartitionReader*> leaving;
  for (const auto& reader : readers_) {
    if (reader->leaving() || !named.contains({reader->topic(), reader->partition()})) continue;
    reader->set_leaving(true);
    StopFinding(*reader);
    leaving.push_back(reader.get());
  }
  // Asked again, before it was done.
  if (giving_up_ && !lost && leaving.empty()) return;
  // A broker that takes no commits meanwhile would make the holders' acks void.
  const bool waits = !lost && !broadcast() && broker_.commits_while_rebalancing &&
                     options_.revoke_grace > Duration::zero();
  if (!waits) return GiveUpNow(lost);
  const bool commits_already = giving_up_ && !giving_up_->waits_for_holders;
  const SteadyTime now = Now();
  SteadyTime until = now + options_.revoke_grace;
  if (giving_up_) until = commits_already ? now : giving_up_->deadline;
  if (state_ == State::kClosing) until = std::min(until, LastGrace());
  for (PartitionReader* const reader : leaving) handler_.OnRevoking(reader->assignment(), until);
  if (commits_already || !AnythingIsHeld()) return GiveUpNow(false);
  if (giving_up_) return;
  giving_up_.emplace();
  giving_up_->waits_for_holders = true;
  giving_up_->deadline = until;
  giving_up_->end = giving_up_->deadline + kGiveUpPatience;
}

// What is located and stays is located anew.
void KafkaConsumer::StopLocating(const std::set<Partition>& named) {
  const std::size_t gone = std::erase_if(locating_, [&](const PartitionOffset& one) {
    return named.contains({one.topic, one.partition});
  });
  if (gone == 0) return;
  starts_->CancelLocate();
  if (is_cut_off()) SetCutOff(locating_.size());
  if (!locating_.empty()) Locate(std::move(locating_), false);
}

void KafkaConsumer::StopFinding(PartitionReader& reader) {
  std::erase_if(finding_, [&](const auto& finding) {
    return finding.second.topic == reader.topic() && finding.second.partition == reader.partition();
  });
}

// When closing must commit, however long the grace is.
SteadyTime KafkaConsumer::LastGrace() const { return close_deadline_ - kGiveUpPatience; }

bool KafkaConsumer::AnythingIsHeld() const {
  return std::any_of(readers_.begin(), readers_.end(), [this](const auto& reader) {
    return reader->leaving() && handler_.Held(reader->assignment()) > 0;
  });
}

std::uint64_t KafkaConsumer::GivingUp::acks() const {
  std::uint64_t sum = 0;
  for (const Assignments::Floor& floor : floors) sum += floor.acks;
  return sum;
}

void KafkaConsumer::SetAcksGivenUp(std::uint64_t acks) {
  MutexLock lock(mu_);
  counters_.acks_waiting = acks;
}

void KafkaConsumer::GiveUpNow(bool lost) {
  // It may have begun with others, whose commit is under way.
  GivingUp giving_up = giving_up_ ? *std::move(giving_up_) : GivingUp();
  giving_up_.reset();
  bool some = false;
  for (const auto& reader : readers_) {
    if (!reader->leaving()) continue;
    some = true;
    const AssignmentId id = reader->assignment();
    handler_.OnRevoked(id, lost);
    if (std::optional<Assignments::Floor> floor = assignments_.Remove(id)) {
      giving_up.floors.push_back(*std::move(floor));
    }
    giving_up.partitions.emplace_back(reader->topic(), reader->partition());
  }
  std::erase_if(readers_, [](const auto& reader) { return reader->leaving(); });
  if (some) {
    MutexLock lock(mu_);
    ++(lost ? counters_.lost : counters_.revoked);
  }
  giving_up.waits_for_holders = false;
  giving_up.id = ++last_giving_up_;
  if (giving_up.end == SteadyTime{}) {
    giving_up.end = Now() + options_.revoke_grace + kGiveUpPatience;
  }
  giving_up_ = std::move(giving_up);
  SetAcksGivenUp(broadcast() ? 0 : giving_up_->acks());
  if (broadcast() || giving_up_->floors.empty()) return FinishGivingUp(absl::OkStatus());
  if (lost) return FinishGivingUp(WasLost());
  CommitBeforeGivingUp();
}

void KafkaConsumer::CommitBeforeGivingUp() {
  giving_up_->deadline = Now() + kGiveUpPatience;
  giving_up_->retry_at = {};
  std::vector<PartitionOffset> positions;
  for (const Assignments::Floor& floor : giving_up_->floors) positions.push_back(floor.position);
  const std::uint64_t id = giving_up_->id;
  requests_->Commit(positions, [this, id](AdminRequests::Answer answer) {
    if (!giving_up_ || giving_up_->id != id) return;
    const bool good = answer.error == RD_KAFKA_RESP_ERR_NO_ERROR;
    CountCommit(good);
    if (SaysTryAgain(answer.error) && broker_.commits_while_rebalancing &&
        Now() < giving_up_->end) {
      giving_up_->retry_at = Now() + kCommitAgainAfter;
      return;
    }
    FinishGivingUp(good ? absl::OkStatus() : ErrorOfKafka(answer.error, "commit"));
  });
}

void KafkaConsumer::FinishGivingUp(absl::Status committed) {
  const GivingUp giving_up = *std::move(giving_up_);
  giving_up_.reset();
  SetAcksGivenUp(0);
  LetGo(giving_up.partitions);
  if (!committed.ok()) OnAcksLost(committed, giving_up.acks());
  // Those who wait for what was acked in partitions that stay wait for the next commit.
  if (committed.ok() && !readers_.empty()) return StartCommit();
  AnswerWaiters(std::exchange(waiting_, {}), committed);
}

void KafkaConsumer::OnAcksLost(const absl::Status& why, std::uint64_t acks) {
  Log(LogLevel::kWarning,
      "acks were not committed before their partitions were given up: their events come again",
      {{"group", options_.group}, {"acks", acks}, {"why", why}});
  if (state_ == State::kClosing && final_commit_.ok()) final_commit_ = why;
  {
    MutexLock lock(mu_);
    counters_.acks_lost += acks;
  }
  AnswerWaiters(std::exchange(waiting_, {}), why);
}

void KafkaConsumer::LetGo(const std::vector<Partition>& partitions) {
  if (!incremental_) {
    rd_kafka_assign(client_.get(), nullptr);
    return;
  }
  const KafkaPartitionList list = MakePartitionList();
  for (const auto& [topic, partition] : partitions) {
    AddTo(list, topic, partition, RD_KAFKA_OFFSET_INVALID);
  }
  LogKafkaError("cannot give partitions up",
                rd_kafka_incremental_unassign(client_.get(), list.get()));
}

void KafkaConsumer::TickGivingUp(SteadyTime now) {
  if (giving_up_ && rd_kafka_assignment_lost(client_.get()) != 0) GiveUp(Ours(), true);
  if (!giving_up_) return;
  if (giving_up_->waits_for_holders) {
    const bool late = state_ == State::kClosing && now >= LastGrace();
    if (late || now >= giving_up_->deadline || !AnythingIsHeld()) GiveUpNow(false);
  } else if (giving_up_->retry_at != SteadyTime{}) {
    if (now >= giving_up_->retry_at) CommitBeforeGivingUp();
  } else if (now >= giving_up_->deadline) {
    FinishGivingUp(ErrorOfKafka(RD_KAFKA_RESP_ERR__TIMED_OUT, "commit"));
  }
}

// Without librdkafka's having asked: its client is gone, or will be.
void KafkaConsumer::LoseAll() {
  starts_->CancelLocate();
  locating_.clear();
  finding_.clear();
  GivingUp lost = giving_up_ ? *std::move(giving_up_) : GivingUp();
  giving_up_.reset();
  SetAcksGivenUp(0);
  const bool some = !readers_.empty();
  for (const auto& reader : readers_) {
    handler_.OnRevoked(reader->assignment(), true);
    if (std::optional<Assignments::Floor> floor = assignments_.Remove(reader->assignment())) {
      lost.floors.push_back(*std::move(floor));
    }
  }
  readers_.clear();
  if (!lost.floors.empty() && !broadcast()) {
    OnAcksLost(final_commit_.ok() ? WasLost() : final_commit_, lost.acks());
  }
  if (!some) return;
  MutexLock lock(mu_);
  ++counters_.lost;
}

void KafkaConsumer::StartClosing(Done done) {
  closed_.push_back(std::move(done));
  if (state_ == State::kClosing) return;
  state_ = State::kClosing;
  close_deadline_ = Now() + kClosePatience;
  if (client_ == nullptr) return;
  if (!locating_.empty()) {
    starts_->CancelLocate();
    locating_.clear();
    TakeNothing();
  }
  if (broadcast()) GiveUp(Ours(), false);
}

bool KafkaConsumer::ClosingIsDone(SteadyTime now) {
  if (state_ != State::kClosing) return false;
  if (client_ == nullptr) return AnswerAll();
  const bool late = now >= close_deadline_;
  // A client that raised a fatal error does not say that it has left (2.15.1).
  const bool fatal = rd_kafka_fatal_error(client_.get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!late && !fatal) {
    if (giving_up_ || committing_) return false;
    // Who is in no group has none to leave.
    if ((!joined_ || broadcast()) && !leaving_) return AnswerAll();
    if (!leaving_ && reopen_with_) {
      leaving_ = true;  // already on its way
    } else if (!leaving_) {
      if (MustUnsubscribe() && !Unsubscribes()) return false;
      leaving_ = true;
      LogKafkaError("cannot leave the group",
                    rd_kafka_consumer_close_queue(client_.get(), consumer_queue_.get()));
      return false;
    }
    if (rd_kafka_consumer_closed(client_.get()) == 0) return false;
  } else if (late) {
    final_commit_ =
        MakeError(Reason::kBrokerDown, "close: no broker confirmed that the group was left");
  }
  // Only after a fatal error, or when it is late: librdkafka did not ask to give them up.
  LoseAll();
  return AnswerAll();
}

// With cooperative-sticky a client that the group gave nothing is closed without leaving it (2.15.1).
// Static members are to stay.
bool KafkaConsumer::MustUnsubscribe() const {
  return broker_.group_protocol == GroupProtocol::kClassic && incremental_ &&
         !IsStatic(broker_, options_) && Ours().empty();
}

// True: there is nothing to wait for. A rebalance that is under way comes first, and takes the member
// id only when it is over. Without an assignor it is the client's first one, and closing ends that.
bool KafkaConsumer::Unsubscribes() {
  if (!std::exchange(unsubscribed_, true)) {
    const char* const protocol = rd_kafka_rebalance_protocol(client_.get());
    if (protocol == nullptr || std::string_view(protocol) != "COOPERATIVE") return true;
    rd_kafka_unsubscribe(client_.get());
  }
  return AskMemberId().empty();
}

bool KafkaConsumer::AnswerAll() {
  AnswerWaiters(std::exchange(committing_for_, {}), final_commit_);
  AnswerWaiters(std::exchange(waiting_, {}), final_commit_);
  return true;
}

}  // namespace sidebus
