// How KafkaConsumer joins a group, and takes what the group gives it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/broker/kafka/kafka_consumer.h"
#include "server/broker/kafka/kafka_error.h"
#include "server/broker/kafka/steady_now.h"

namespace sidebus {
namespace {

using std::chrono::seconds;

constexpr Duration kLeavePatience = seconds(5);
constexpr Duration kLookEvery = seconds(1);
constexpr Duration kLookEveryWhenAllExist = seconds(10);

absl::Status NoMemoryFor(std::uint64_t partitions, std::uint64_t bytes) {
  return MakeError(Reason::kMemoryBudget,
                   fmt::format("subscribe: the topics have {} partitions, and this subscription's "
                               "share of `limits.memory` is {} KiB, which is enough for {}: raise "
                               "`limits.memory`, lower `limits.max_subscriptions` and "
                               "`limits.max_broadcast_streams` to what there is, or close other "
                               "subscriptions",
                               partitions, bytes >> 10, FetchablePartitions(bytes)),
                   {{std::string(error_key::kLimit), "limits.memory"}});
}

}  // namespace

void KafkaConsumer::StartPin() {
  if (client_ == nullptr) return;  // the next one will
  ++pins_;
  pinning_ = true;
  starts_->Pin(options_.topics,
               [this](StartFinder::Pinned pinned) { OnPinned(std::move(pinned)); });
}

void KafkaConsumer::OnPinned(StartFinder::Pinned pinned) {
  if (state_ != State::kOpen) return;
  if (!pinned.status.ok()) return OnRefused(pinned.error, std::move(pinned.status));
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
  if (!joined_ && fetch_bytes == 0) return Fail(NoMemoryFor(partitions, options_.buffer_bytes));
  seen_ = Seen(pinned.existing);
  handler_.OnTopicsSeen(seen_);
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
  absl::StatusOr<KafkaClient> client = MakeHandle(fetch_bytes);
  if (!client.ok()) return Fail(client.status());
  CloseClient();
  OpenClient(*std::move(client), fetch_bytes);
}

// What is fetched ahead is bounded per partition, and topics and partitions come later too.
bool KafkaConsumer::NeedsSmallerBuffers(std::size_t partitions) {
  if (broadcast() || options_.buffer_bytes == 0) return false;
  const std::uint64_t fetch_bytes = FetchBytesFor(options_.buffer_bytes, partitions);
  if (fetch_bytes >= fetch_bytes_) return false;
  TakeNothing();
  if (fetch_bytes > 0) {
    StartReopening(fetch_bytes);
  } else {
    Fail(NoMemoryFor(partitions, options_.buffer_bytes));
  }
  return true;
}

void KafkaConsumer::StartReopening(std::uint64_t fetch_bytes) {
  reopen_with_ = fetch_bytes;
  reopen_deadline_ = Now() + kLeavePatience;
  LogKafkaError("cannot leave the group",
                rd_kafka_consumer_close_queue(client_.get(), consumer_queue_.get()));
}

void KafkaConsumer::FinishReopening(SteadyTime now) {
  if (!reopen_with_ || state_ != State::kOpen || giving_up_ || committing_) return;
  if (rd_kafka_consumer_closed(client_.get()) == 0 && now < reopen_deadline_) return;
  const std::uint64_t fetch_bytes = *std::exchange(reopen_with_, std::nullopt);
  LoseAll();  // what nobody asked to give up in time
  Reopen(fetch_bytes);
  joined_ = looking_ = false;
  StartPin();
}

void KafkaConsumer::Subscribe() {
  if (reopen_with_) return;  // the next client will
  if (!joined_ && watches()) joining_.emplace(Now());
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
  if (!locating_.empty()) return;  // it is looked for again
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
  looking_ = true;
  look_at_ = now + (all_exist ? kLookEveryWhenAllExist : kLookEvery);
  requests_->Describe(options_.topics, [this](AdminRequests::Answer answer) {
    looking_ = false;
    if (state_ != State::kOpen || pinning_) return;
    for (const auto& [topic, id] : answer.topic_ids) OnTopicId(topic, id);
    OnLooked(answer);
  });
}

// One that was deleted and made anew has another id. librdkafka reads it on from where it was in the
// old one, and says nothing when the new one is long enough.
void KafkaConsumer::OnTopicId(const std::string& topic, const std::string& id) {
  for (const auto& reader : readers_) {
    if (reader->topic() != topic || reader->leaving() || reader->topic_id() == id) continue;
    if (!reader->topic_id().empty()) {
      OnMadeAnew(*reader, id);
      continue;
    }
    reader->set_topic_id(id);
    assignments_.SetTopicId(reader->assignment(), id);
  }
}

void KafkaConsumer::OnMadeAnew(PartitionReader& reader, const std::string& id) {
  Log(LogLevel::kError, "a topic was made anew: positions in the old one say nothing any more",
      {{"group", options_.group}, {"topic", reader.topic()}, {"partition", reader.partition()}});
  reader.set_topic_id(id);
  OnTruncated(reader);
}

void KafkaConsumer::OnLooked(const AdminRequests::Answer& answer) {
  const std::map<std::string, int>& existing = answer.topics;
  bool appeared = false;
  for (const auto& [topic, partitions] : existing) appeared |= existing_.insert(topic).second;
  TopicsSeen seen = Seen(existing);
  // Without an answer, or while a topic has no leaders, nobody knows what is missing.
  if (answer.error == RD_KAFKA_RESP_ERR_NO_ERROR && seen != seen_) {
    seen_ = std::move(seen);
    handler_.OnTopicsSeen(seen_);
  }
  if (broadcast()) return AssignNew(existing, true);
  // Makes librdkafka look at the topics at once, and join again if there is something new.
  if (appeared) SubscribeAgain();
}

TopicsSeen KafkaConsumer::Seen(const std::map<std::string, int>& existing) const {
  TopicsSeen seen;
  for (const std::string& topic : options_.topics) {
    (existing.contains(topic) ? seen.existing : seen.missing).push_back(topic);
  }
  return seen;
}

void KafkaConsumer::OnErrorCallback(rd_kafka_t*, int error, const char*, void* opaque) {
  auto* const consumer = static_cast<KafkaConsumer*>(static_cast<KafkaLog*>(opaque)->owner());
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) consumer->requests_->BrokersAreDown();
  consumer->OnClientError(static_cast<rd_kafka_resp_err_t>(error));
}

void KafkaConsumer::OnRebalance(rd_kafka_t*, rd_kafka_resp_err_t what,
                                rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  auto* const consumer = static_cast<KafkaConsumer*>(static_cast<KafkaLog*>(opaque)->owner());
  std::set<Partition> named;
  for (int i = 0; i < partitions->cnt; ++i) {
    named.emplace(partitions->elems[i].topic, partitions->elems[i].partition);
  }
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    consumer->LearnMemberId();
    return consumer->Take(named);
  }
  const bool lost = rd_kafka_assignment_lost(consumer->client_.get()) != 0;
  // The eager protocols name what the group gave, which may be more than was taken yet.
  if (!consumer->incremental_) named = consumer->Ours();
  consumer->GiveUp(named, lost);
}

// librdkafka asks its own thread, so not whenever somebody wants to know.
void KafkaConsumer::LearnMemberId() {
  std::string id = AskMemberId();
  MutexLock lock(mu_);
  member_id_ = std::move(id);
}

std::string KafkaConsumer::AskMemberId() {
  char* const text = rd_kafka_memberid(client_.get());
  std::string id = text == nullptr ? "" : text;
  rd_kafka_mem_free(client_.get(), text);
  return id;
}

std::string KafkaConsumer::member_id() const {
  MutexLock lock(mu_);
  return member_id_;
}

void KafkaConsumer::Take(const std::set<Partition>& given) {
  if (state_ != State::kOpen || given.empty()) return TakeNothing();
  std::vector<PartitionOffset> wanted = std::move(locating_);
  for (const auto& [topic, partition] : given) wanted.push_back({topic, partition, -1, {}});
  Locate(std::move(wanted), false);
}

void KafkaConsumer::Locate(std::vector<PartitionOffset> partitions, bool at_beginning) {
  locating_ = partitions;
  starts_->Locate(std::move(partitions), at_beginning,
                  [this](StartFinder::Located located) { OnLocated(std::move(located)); });
}

void KafkaConsumer::OnLocated(StartFinder::Located located) {
  locating_.clear();
  if (!located.status.ok()) {
    TakeNothing();
    return OnRefused(located.error, std::move(located.status));
  }
  if (NeedsSmallerBuffers(readers_.size() + located.positions.size())) return;
  std::vector<std::unique_ptr<PartitionReader>> readers;
  for (const PartitionOffset& one : located.positions) {
    readers.push_back(
        std::make_unique<PartitionReader>(client_.get(), one.topic, one.partition, signal_.fd()));
  }
  if (!Assign(located.positions)) return;  // the group assigns anew
  OnJoined();
  for (std::size_t i = 0; i < readers.size(); ++i) {
    const PartitionOffset& one = located.positions[i];
    const auto now = located.topic_ids.find(one.topic);
    const std::string then = TopicIdOf(one.metadata);
    const bool is_known = now != located.topic_ids.end();
    const std::string& topic_id = then.empty() && is_known ? now->second : then;
    const AssignmentId id =
        assignments_.Add(one.topic, one.partition, one.offset, topic_id, SettledBefore(one));
    PartitionReader& reader = *readers_.emplace_back(std::move(readers[i]));
    reader.set_assignment(id);
    reader.set_topic_id(topic_id);
    handler_.OnAssigned(id, one.topic, one.partition);
    // While nobody of the group was there.
    if (is_known && now->second != topic_id) OnMadeAnew(reader, now->second);
  }
}

// Beside what is assigned already, or (the eager protocols) instead of nothing.
bool KafkaConsumer::Assign(const std::vector<PartitionOffset>& positions) {
  const KafkaPartitionList list = MakePartitionList();
  for (const PartitionOffset& one : positions) AddTo(list, one.topic, one.partition, one.offset);
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (incremental_) {
    const KafkaErrorHandle failed(rd_kafka_incremental_assign(client_.get(), list.get()));
    if (failed != nullptr) error = rd_kafka_error_code(failed.get());
  } else {
    error = rd_kafka_assign(client_.get(), list.get());
  }
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
  Log(LogLevel::kWarning, "cannot take the assigned partitions: the group moved on",
      {{"group", options_.group}, {"error", rd_kafka_err2name(error)}});
  return false;
}

// Not assigning "none" (null): a member that is given nothing would not hear of the next rebalance.
void KafkaConsumer::TakeNothing() { Assign({}); }

std::vector<OffsetRun> KafkaConsumer::SettledBefore(const PartitionOffset& position) const {
  std::optional<std::vector<OffsetRun>> settled =
      DecodeSparseAcks(position.offset, position.metadata);
  if (settled.has_value()) return *std::move(settled);
  Log(LogLevel::kInfo, "what another program committed beside a position is ignored",
      {{"group", options_.group}, {"topic", position.topic}, {"partition", position.partition}});
  return {};
}

}  // namespace sidebus
