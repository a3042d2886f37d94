// Joining, rebalances, closing: the slow half of KafkaConsumer.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/broker/kafka/kafka_consumer.h"
#include "server/broker/kafka/kafka_error.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kGiveUpPatience = seconds(2);
constexpr Duration kClosePatience = seconds(5);
constexpr Duration kCommitAgainAfter = milliseconds(100);
constexpr Duration kLookEvery = seconds(1);
constexpr Duration kLookEveryWhenAllExist = seconds(10);

SteadyTime Now() { return Clock::Real().Now(); }

// The group is between two generations, which passes.
bool SaysTryAgain(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
         error == RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH ||
         error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
         error == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
}

absl::Status NoMemoryFor(std::uint64_t partitions) {
  return MakeError(Reason::kMemoryBudget,
                   fmt::format("subscribe: no memory is left to read {} partitions: raise "
                               "`limits.memory`, or close other subscriptions",
                               partitions),
                   {{std::string(error_key::kLimit), "limits.memory"}});
}

void LogIfError(std::string_view what, rd_kafka_error_t* raw) {
  const KafkaErrorHandle error(raw);
  if (error == nullptr) return;
  Log(LogLevel::kWarning, what, {{"error", rd_kafka_error_name(error.get())}});
}

}  // namespace

void KafkaConsumer::StartPin() {
  ++pins_;
  pinning_ = true;
  starts_->Pin(options_.topics,
               [this](StartFinder::Pinned pinned) { OnPinned(std::move(pinned)); });
}

void KafkaConsumer::OnPinned(StartFinder::Pinned pinned) {
  if (state_ != State::kOpen) return;
  if (!pinned.status.ok()) return Fail(std::move(pinned.status));
  if (pinned.existing.empty()) {
    return Fail(MakeError(Reason::kTopicMissing,
                          fmt::format("subscribe: none of these topics exists: {}: create one",
                                      fmt::join(options_.topics, ", "))));
  }
  existing_.clear();
  std::uint64_t partitions = 0;
  for (const auto& [topic, count] : pinned.existing) {
    existing_.insert(topic);
    partitions += static_cast<std::uint64_t>(count);
  }
  const std::uint64_t fetch_bytes = FetchBytesFor(options_.buffer_bytes, partitions);
  if (!joined_ && fetch_bytes == 0) return Fail(NoMemoryFor(partitions));
  // On a task of its own: this runs inside an answer to a request of the client that may be closed.
  Post([this, existing = std::move(pinned.existing), fetch_bytes, pin = pins_] {
    // New topics since then: they are to be pinned first.
    if (state_ != State::kOpen || pin != pins_) return;
    pinning_ = false;
    if (!joined_ && fetch_bytes < fetch_bytes_) Reopen(fetch_bytes);
    if (broadcast()) return AssignNew(existing, joined_);
    joined_ ? SubscribeAgain() : Subscribe();
  });
}

// The bound on what is fetched ahead cannot change in a client, and is known only now.
void KafkaConsumer::Reopen(std::uint64_t fetch_bytes) {
  std::map<std::string, int> open = starts_->open();
  absl::StatusOr<KafkaClient> client = MakeHandle(fetch_bytes);
  if (!client.ok()) return Fail(client.status());
  CloseClient();
  OpenClient(*std::move(client), fetch_bytes);
  starts_->set_open(std::move(open));
}

// What is fetched ahead is bounded per partition, and topics and partitions come later too.
bool KafkaConsumer::NeedsSmallerBuffers(std::size_t partitions) {
  if (broadcast() || options_.buffer_bytes == 0) return false;
  const std::uint64_t fetch_bytes = FetchBytesFor(options_.buffer_bytes, partitions);
  if (fetch_bytes >= fetch_bytes_) return false;
  if (fetch_bytes > 0) {
    StartReopening(fetch_bytes);
  } else {
    Fail(NoMemoryFor(partitions));
  }
  return true;
}

void KafkaConsumer::StartReopening(std::uint64_t fetch_bytes) {
  reopen_with_ = fetch_bytes;
  reopen_deadline_ = Now() + kClosePatience;
  LogIfError("cannot leave the group",
             rd_kafka_consumer_close_queue(client_.get(), consumer_queue_.get()));
}

void KafkaConsumer::FinishReopening(SteadyTime now) {
  if (!reopen_with_ || state_ != State::kOpen || giving_up_ || committing_) return;
  if (rd_kafka_consumer_closed(client_.get()) == 0 && now < reopen_deadline_) return;
  const std::uint64_t fetch_bytes = *std::exchange(reopen_with_, std::nullopt);
  Reopen(fetch_bytes);
  joined_ = looking_ = false;
  StartPin();
}

void KafkaConsumer::Subscribe() {
  if (reopen_with_) return;  // the next client will
  joined_ = true;
  const KafkaPartitionList list = MakePartitionList();
  for (const std::string& topic : options_.topics) {
    AddTo(list, topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_OFFSET_INVALID);
  }
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(client_.get(), list.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Fail(ErrorOfKafka(error, "subscribe"));
}

// The group rebalances, so first commit what can be: the mock cluster cannot later.
void KafkaConsumer::SubscribeAgain() {
  waiting_.push_back([this](const absl::Status&) {
    if (state_ == State::kOpen) Subscribe();
  });
  StartCommit();
}

void KafkaConsumer::AssignNew(const std::map<std::string, int>& existing, bool at_beginning) {
  if (locating_) return;  // it is looked for again
  joined_ = true;
  std::vector<PartitionOffset> partitions;
  for (const auto& [topic, count] : existing) {
    for (std::int32_t i = 0; i < count; ++i) {
      if (!known_.contains({topic, i})) partitions.push_back({topic, i, -1, {}});
    }
  }
  if (partitions.empty()) return;
  for (const PartitionOffset& one : partitions) known_.emplace(one.topic, one.partition);
  Locate(std::move(partitions), at_beginning);
}

void KafkaConsumer::LookForTopics(SteadyTime now) {
  // A topic that is being pinned exists: it must not be read before that is done.
  if (state_ != State::kOpen || !joined_ || pinning_ || looking_ || now < look_at_) return;
  const bool all_exist =
      std::all_of(options_.topics.begin(), options_.topics.end(),
                  [this](const auto& topic) { return existing_.contains(topic); });
  if (all_exist && !broadcast()) return;
  looking_ = true;
  look_at_ = now + (all_exist ? kLookEveryWhenAllExist : kLookEvery);
  requests_->Describe(options_.topics, [this](AdminRequests::Answer answer) {
    looking_ = false;
    if (state_ == State::kOpen && !pinning_) OnLooked(answer.topics);
  });
}

void KafkaConsumer::OnLooked(const std::map<std::string, int>& existing) {
  bool appeared = false;
  for (const auto& [topic, partitions] : existing) appeared |= existing_.insert(topic).second;
  if (broadcast()) return AssignNew(existing, true);
  // Makes librdkafka look at the topics at once, and join again if there is something new.
  if (appeared) SubscribeAgain();
}

void KafkaConsumer::OnErrorCallback(rd_kafka_t*, int error, const char*, void* opaque) {
  auto* const consumer = static_cast<KafkaConsumer*>(static_cast<KafkaLog*>(opaque)->owner());
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) consumer->requests_->BrokersAreDown();
  consumer->OnClientError(static_cast<rd_kafka_resp_err_t>(error));
}

void KafkaConsumer::OnRebalance(rd_kafka_t*, rd_kafka_resp_err_t what,
                                rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  auto* const consumer = static_cast<KafkaConsumer*>(static_cast<KafkaLog*>(opaque)->owner());
  if (what != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    return consumer->GiveUp(rd_kafka_assignment_lost(consumer->client_.get()) != 0);
  }
  if (consumer->state_ != State::kOpen || partitions->cnt == 0) return consumer->AssignNothing();
  std::vector<PartitionOffset> wanted;
  for (int i = 0; i < partitions->cnt; ++i) {
    wanted.push_back({partitions->elems[i].topic, partitions->elems[i].partition, -1, {}});
  }
  consumer->Locate(std::move(wanted), false);
}

void KafkaConsumer::Locate(std::vector<PartitionOffset> partitions, bool at_beginning) {
  locating_ = true;
  starts_->Locate(std::move(partitions), at_beginning,
                  [this](StartFinder::Located located) { OnLocated(std::move(located)); });
}

void KafkaConsumer::OnLocated(StartFinder::Located located) {
  locating_ = false;
  if (!located.status.ok()) {
    AssignNothing();
    return Fail(std::move(located.status));
  }
  if (NeedsSmallerBuffers(readers_.size() + located.positions.size())) return AssignNothing();
  const KafkaPartitionList list = MakePartitionList();
  std::vector<std::unique_ptr<PartitionReader>> readers;
  for (const PartitionOffset& one : located.positions) {
    AddTo(list, one.topic, one.partition, one.offset);
    readers.push_back(
        std::make_unique<PartitionReader>(client_.get(), one.topic, one.partition, signal_.fd()));
  }
  if (broadcast()) {
    LogIfError("cannot assign partitions", rd_kafka_incremental_assign(client_.get(), list.get()));
  } else if (const rd_kafka_resp_err_t error = rd_kafka_assign(client_.get(), list.get());
             error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Log(LogLevel::kWarning, "cannot take the assigned partitions: the group moved on",
        {{"group", options_.group}, {"error", rd_kafka_err2name(error)}});
    return;  // it assigns anew
  }
  last_refusal_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  {
    MutexLock lock(mu_);
    ++counters_.assigned;
  }
  for (std::size_t i = 0; i < readers.size(); ++i) {
    const PartitionOffset& one = located.positions[i];
    const AssignmentId id =
        assignments_.Add(one.topic, one.partition, one.offset, SettledBefore(one));
    readers[i]->set_assignment(id);
    readers_.push_back(std::move(readers[i]));
    handler_.OnAssigned(id, one.topic, one.partition);
  }
}

std::vector<OffsetRun> KafkaConsumer::SettledBefore(const PartitionOffset& position) const {
  std::optional<std::vector<OffsetRun>> settled =
      DecodeSparseAcks(position.offset, position.metadata);
  if (settled.has_value()) return *std::move(settled);
  Log(LogLevel::kInfo, "what another program committed beside a position is ignored",
      {{"group", options_.group}, {"topic", position.topic}, {"partition", position.partition}});
  return {};
}

void KafkaConsumer::AssignNothing() { rd_kafka_assign(client_.get(), nullptr); }

absl::Status KafkaConsumer::WasLost() {
  return MakeError(Reason::kDeliveryRevoked,
                   "commit: the group gave the partitions to another member");
}

void KafkaConsumer::GiveUp(bool lost) {
  if (giving_up_) {
    // Asked again, before it was done.
    if (!lost) return;
    return giving_up_->waits_for_holders ? GiveUpNow(true) : FinishGivingUp(WasLost());
  }
  starts_->CancelLocate();
  locating_ = false;
  finding_.clear();
  // A broker that takes no commits meanwhile would make the holders' acks void.
  const bool waits = !lost && !broadcast() && broker_.commits_while_rebalancing &&
                     options_.revoke_grace > Duration::zero();
  if (!waits) return GiveUpNow(lost);
  for (const auto& reader : readers_) {
    handler_.OnRevoking(reader->assignment());
  }
  if (!AnythingIsHeld()) return GiveUpNow(false);
  giving_up_ =
      GivingUp{.waits_for_holders = true, .floors = {}, .deadline = Now() + options_.revoke_grace};
}

bool KafkaConsumer::AnythingIsHeld() const {
  return std::any_of(readers_.begin(), readers_.end(), [this](const auto& reader) {
    return handler_.Held(reader->assignment()) > 0;
  });
}

void KafkaConsumer::GiveUpNow(bool lost) {
  giving_up_.reset();
  std::vector<Assignments::Floor> floors;
  const bool some = !readers_.empty();
  for (const auto& reader : readers_) {
    const AssignmentId id = reader->assignment();
    handler_.OnRevoked(id, lost);
    if (std::optional<Assignments::Floor> floor = assignments_.Remove(id)) {
      floors.push_back(*std::move(floor));
    }
  }
  readers_.clear();
  if (some) {
    MutexLock lock(mu_);
    ++(lost ? counters_.lost : counters_.revoked);
  }
  if (broadcast() || floors.empty()) return FinishGivingUp(absl::OkStatus());
  if (lost) return FinishGivingUp(WasLost());
  giving_up_ = GivingUp{.waits_for_holders = false,
                        .floors = std::move(floors),
                        .deadline = Now() + kGiveUpPatience,
                        .id = ++last_giving_up_};
  CommitBeforeGivingUp();
}

void KafkaConsumer::CommitBeforeGivingUp() {
  giving_up_->retry_at = {};
  std::vector<PartitionOffset> positions;
  for (const Assignments::Floor& floor : giving_up_->floors) positions.push_back(floor.position);
  const std::uint64_t id = giving_up_->id;
  requests_->Commit(positions, [this, id](AdminRequests::Answer answer) {
    if (!giving_up_ || giving_up_->id != id) return;
    const bool good = answer.error == RD_KAFKA_RESP_ERR_NO_ERROR;
    {
      MutexLock lock(mu_);
      ++(good ? counters_.commits_ok : counters_.commits_failed);
      if (good) counters_.last_commit = Clock::Real().WallNow();
    }
    if (SaysTryAgain(answer.error) && broker_.commits_while_rebalancing) {
      giving_up_->retry_at = Now() + kCommitAgainAfter;
      return;
    }
    FinishGivingUp(good ? absl::OkStatus() : ErrorOfKafka(answer.error, "commit"));
  });
}

void KafkaConsumer::FinishGivingUp(absl::Status committed) {
  giving_up_.reset();
  AssignNothing();
  if (!committed.ok()) {
    Log(LogLevel::kWarning, "acks were not committed before their partitions were given up",
        {{"group", options_.group}, {"why", committed}});
    if (state_ == State::kClosing) final_commit_ = committed;
  }
  AnswerWaiters(std::exchange(waiting_, {}), committed);
}

void KafkaConsumer::StartClosing(Done done) {
  closed_.push_back(std::move(done));
  if (state_ == State::kClosing) return;
  state_ = State::kClosing;
  close_deadline_ = Now() + kClosePatience;
  if (locating_) {
    starts_->CancelLocate();
    locating_ = false;
    AssignNothing();
  }
  if (broadcast()) GiveUp(false);
}

bool KafkaConsumer::ClosingIsDone(SteadyTime now) {
  if (state_ != State::kClosing) return false;
  const bool late = now >= close_deadline_;
  if (!late) {
    if (giving_up_ || committing_) return false;
    // Who is in no group has none to leave.
    if ((!joined_ || broadcast()) && !leaving_) return AnswerAll();
    if (!leaving_ && reopen_with_) {
      leaving_ = true;  // already on its way
    } else if (!leaving_) {
      leaving_ = true;
      LogIfError("cannot leave the group",
                 rd_kafka_consumer_close_queue(client_.get(), consumer_queue_.get()));
      return false;
    }
    if (rd_kafka_consumer_closed(client_.get()) == 0) return false;
  } else {
    final_commit_ =
        MakeError(Reason::kBrokerDown, "close: no broker confirmed that the group was left");
  }
  // Only after a fatal error, or when it is late: librdkafka did not ask to give them up.
  if (!readers_.empty()) GiveUp(true);
  return AnswerAll();
}

bool KafkaConsumer::AnswerAll() {
  AnswerWaiters(std::exchange(committing_for_, {}), final_commit_);
  AnswerWaiters(std::exchange(waiting_, {}), final_commit_);
  return true;
}

}  // namespace sidebus
