#include "server/broker/kafka/kafka_consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/broker/kafka/ending_clients.h"
#include "server/broker/kafka/kafka_error.h"
#include "server/broker/kafka/steady_now.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kPollWaitMs = 100;
// librdkafka does not say when it has left, nor the handler when nothing is held any more.
constexpr int kImpatientMs = 5;
constexpr Duration kCommitEvery = milliseconds(500);
constexpr Duration kCommitPatience = seconds(15);
constexpr std::uint32_t kRecordsAtOnce = 512;
constexpr int kRoundsAtOnce = 8;

}  // namespace

absl::StatusOr<std::unique_ptr<KafkaConsumer>> KafkaConsumer::Make(
    const KafkaBrokerOptions& broker, std::shared_ptr<KafkaClusterFacts> cluster,
    ConsumerOptions options, ConsumerHandler& handler) {
  std::unique_ptr<KafkaConsumer> consumer(
      new KafkaConsumer(broker, std::move(cluster), std::move(options), handler));
  const std::uint64_t fetch_bytes = FetchBytesFor(0, 1);
  absl::StatusOr<KafkaClient> client = consumer->MakeHandle(fetch_bytes);
  if (!client.ok()) return client.status();
  consumer->OpenClient(*std::move(client), fetch_bytes);
  KafkaConsumer* const self = consumer.get();
  consumer->thread_ = std::thread([self] { self->Run(); });
  return consumer;
}

KafkaConsumer::KafkaConsumer(const KafkaBrokerOptions& broker,
                             std::shared_ptr<KafkaClusterFacts> cluster, ConsumerOptions options,
                             ConsumerHandler& handler)
    : broker_(broker),
      cluster_(std::move(cluster)),
      options_(std::move(options)),
      handler_(handler),
      log_(std::make_shared<KafkaLog>(
          options_.group.empty() ? "broadcast" : "group " + options_.group, this)),
      metrics_(broker.metrics != nullptr ? broker.metrics->ForClient("consumer") : nullptr),
      watch_(SessionTimeoutOf(broker)) {
  if (broker_.group_protocol == GroupProtocol::kAuto && !cluster_->has_consumer_protocol) {
    broker_.group_protocol = GroupProtocol::kClassic;
  }
}

KafkaConsumer::~KafkaConsumer() {
  stopping_ = true;
  signal_.Raise();
  if (thread_.joinable()) thread_.join();
  CloseClient();
}

absl::StatusOr<KafkaClient> KafkaConsumer::MakeHandle(std::uint64_t fetch_bytes) {
  absl::StatusOr<KafkaConf> conf = MakeConsumerConf(broker_, options_, fetch_bytes, *log_);
  if (!conf.ok()) return conf.status();
  rd_kafka_conf_set_rebalance_cb(conf->get(), &KafkaConsumer::OnRebalance);
  rd_kafka_conf_set_error_cb(conf->get(), &KafkaConsumer::OnErrorCallback);
  rd_kafka_conf_set_stats_cb(conf->get(), &KafkaConsumer::OnStatistics);
  return MakeClient(RD_KAFKA_CONSUMER, *std::move(conf));
}

void KafkaConsumer::OpenClient(KafkaClient client, std::uint64_t fetch_bytes) {
  incremental_ = broadcast() || IsIncremental(broker_);
  {
    MutexLock lock(mu_);
    client_ = std::move(client);
  }
  fetch_bytes_ = fetch_bytes;
  rd_kafka_poll_set_consumer(client_.get());
  consumer_queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
  control_queue_.reset(rd_kafka_queue_new(client_.get()));
  static constexpr std::uint64_t kOne = 1;
  for (rd_kafka_queue_t* queue : {consumer_queue_.get(), control_queue_.get()}) {
    rd_kafka_queue_io_event_enable(queue, signal_.fd(), &kOne, sizeof(kOne));
  }
  requests_ = std::make_unique<AdminRequests>(client_.get(), control_queue_.get(), options_.group);
  starts_ = std::make_unique<StartFinder>(options_.group, options_.start, *requests_);
  starts_->set_open(open_topics_);
}

void KafkaConsumer::CloseClient() {
  readers_.clear();
  if (starts_ != nullptr) open_topics_ = starts_->open();
  starts_.reset();
  requests_.reset();
  for (rd_kafka_queue_t* queue : {consumer_queue_.get(), control_queue_.get()}) {
    if (queue != nullptr) rd_kafka_queue_io_event_enable(queue, -1, nullptr, 0);
  }
  consumer_queue_.reset();
  control_queue_.reset();
  KafkaClient client;
  {
    MutexLock lock(mu_);
    client = std::move(client_);
    member_id_.clear();
  }
  // Also one that has nothing to leave: ending it waits for its threads, and they for name look-ups.
  if (client != nullptr) EndingClients::Instance().End(std::move(client), log_);
}

void KafkaConsumer::Post(absl::AnyInvocable<void()> task) {
  {
    MutexLock lock(mu_);
    tasks_.push_back(std::move(task));
  }
  signal_.Raise();
}

// Every partition is looked at again on each turn, so it is enough to wake the thread.
void KafkaConsumer::RoomReturned(AssignmentId) { signal_.Raise(); }

void KafkaConsumer::SetTopics(std::vector<std::string> topics) {
  Post([this, topics = std::move(topics)]() mutable {
    if (state_ != State::kOpen) return;
    options_.topics = std::move(topics);
    StartPin();
  });
}

void KafkaConsumer::Commit(Done done) {
  Post([this, done = std::move(done)]() mutable {
    waiting_.push_back(std::move(done));
    StartCommit();
  });
}

void KafkaConsumer::Close(Done done) {
  Post([this, done = std::move(done)]() mutable { StartClosing(std::move(done)); });
}

ConsumerStats KafkaConsumer::stats() const {
  const std::vector<Assignments::Held> held = assignments_.held();
  MutexLock lock(mu_);
  ConsumerStats stats = counters_;
  stats.acks_left_out = assignments_.left_out();
  if (!broadcast()) stats.acks_waiting += assignments_.acks_waiting();
  for (const Assignments::Held& one : held) {
    ConsumerStats::Topic& topic = stats.topics[one.topic];
    ++topic.partitions;
    stats.fetch_bytes += fetch_bytes_;
    stats.CountAckMetadata(one.acks_size);
    const std::int64_t end = EndOf(one.topic, one.partition);
    if (end > one.floor) topic.lag_events += static_cast<std::uint64_t>(end - one.floor);
  }
  return stats;
}

std::vector<AssignmentState> KafkaConsumer::assignments() const {
  std::vector<AssignmentState> states = assignments_.states();
  MutexLock lock(mu_);
  for (AssignmentState& state : states) {
    state.end = EndOf(state.topic, state.partition);
    if (broadcast()) state.committed = -1;
  }
  return states;
}

std::int64_t KafkaConsumer::EndOf(const std::string& topic, std::int32_t partition) const {
  std::int64_t low = -1;
  std::int64_t high = -1;
  if (client_ == nullptr ||
      rd_kafka_get_watermark_offsets(client_.get(), topic.c_str(), partition, &low, &high) !=
          RD_KAFKA_RESP_ERR_NO_ERROR) {
    return -1;
  }
  return std::max<std::int64_t>(high, -1);
}

void KafkaConsumer::Run() {
  StartPin();
  next_commit_ = Now() + kCommitEvery;
  bool more = false;
  while (!stopping_) {
    const bool impatient =
        leaving_ || unsubscribed_ || reopen_with_ || (giving_up_ && giving_up_->waits_for_holders);
    signal_.Wait(more ? 0 : impatient ? kImpatientMs : kPollWaitMs);
    RunTasks();
    more = client_ != nullptr && ServeClient();
    StartAgainIfDue(Now());
    if (ClosingIsDone(Now())) break;
  }
  for (Done& done : closed_) done(final_commit_);
}

// True: there is more to read at once.
bool KafkaConsumer::ServeClient() {
  requests_->Serve(Now());
  ServeConsumerQueue();
  Tick(Now());
  FinishReopening(Now());
  return ReadPartitions();
}

void KafkaConsumer::RunTasks() {
  std::vector<absl::AnyInvocable<void()>> tasks;
  {
    MutexLock lock(mu_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
}

// Rebalances and errors run as callbacks in here; records do not come this way.
void KafkaConsumer::ServeConsumerQueue() {
  std::array<rd_kafka_message_t*, 16> messages;
  for (;;) {
    const ssize_t count =
        rd_kafka_consume_batch_queue(consumer_queue_.get(), 0, messages.data(), messages.size());
    if (count <= 0) return;
    for (ssize_t i = 0; i < count; ++i) {
      const KafkaMessage message(messages[static_cast<std::size_t>(i)]);
      OnMessage(*message);
    }
  }
}

void KafkaConsumer::OnMessage(const rd_kafka_message_t& message) {
  if (SaysPositionIsGone(message.err)) {
    PartitionReader* const reader =
        message.rkt == nullptr ? nullptr
                               : ReaderOf(rd_kafka_topic_name(message.rkt), message.partition);
    if (reader != nullptr) OnFault(*reader, {message.err, message.offset});
    return;
  }
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) OnClientError(message.err);
}

void KafkaConsumer::Tick(SteadyTime now) {
  starts_->Tick(now);
  if (committing_ && now >= commit_deadline_) {
    OnCommitted(RD_KAFKA_RESP_ERR__TIMED_OUT);
  }
  if (now >= next_commit_) {
    next_commit_ = now + kCommitEvery;
    StartCommit();
  }
  TickGivingUp(now);
  WatchJoining(now);
  WatchCoordinator(now);
  std::vector<std::uint64_t> again;
  for (const auto& [id, finding] : finding_) {
    if (finding.retry_at != SteadyTime{} && now >= finding.retry_at) again.push_back(id);
  }
  for (const std::uint64_t id : again) FindPosition(id);
  LookForTopics(now);
}

bool KafkaConsumer::ReadPartitions() {
  if (state_ != State::kOpen) return false;
  bool more = true;
  for (int round = 0; more && round < kRoundsAtOnce; ++round) {
    more = false;
    // By index: reading may move a partition to another assignment.
    for (std::size_t i = 0; i < readers_.size(); ++i) more |= ReadPartition(*readers_[i]);
  }
  return more;
}

bool KafkaConsumer::ReadPartition(PartitionReader& reader) {
  const AssignmentId assignment = reader.assignment();
  if (reader.leaving() || reader.finding() || reader.crowded()) return false;
  Room room = handler_.RoomFor(assignment);
  room.events = std::min(room.events, kRecordsAtOnce);
  if (room.events == 0) return false;
  std::optional<PartitionReader::Fault> fault;
  std::vector<ConsumedRecord> records = reader.Read(room, fault);
  const bool some = !records.empty();
  if (some && assignments_.Track(assignment, records) && !records.empty()) {
    handler_.OnRecords(assignment, std::move(records));
  }
  if (const std::optional<std::int64_t> end = reader.TakeEnd()) {
    assignments_.SkipTo(assignment, *end);
  }
  if (fault) OnFault(reader, *fault);
  return some || fault.has_value();
}

void KafkaConsumer::StartCommit() {
  if (broadcast()) return AnswerWaiters(std::exchange(waiting_, {}), absl::OkStatus());
  if (committing_ || giving_up_) return;
  std::vector<Assignments::Floor> floors = assignments_.TakeMoved();
  if (floors.empty()) return AnswerWaiters(std::exchange(waiting_, {}), absl::OkStatus());
  committing_ = true;
  commit_deadline_ = Now() + kCommitPatience;
  committing_for_ = std::exchange(waiting_, {});
  std::vector<PartitionOffset> positions;
  for (const Assignments::Floor& floor : floors) {
    positions.push_back(floor.position);
    PartitionReader* const reader = ReaderOf(floor.position.topic, floor.position.partition);
    if (reader != nullptr) {
      reader->set_crowded(floor.position.metadata.size() >= kCrowdedAckMetadata);
    }
  }
  commit_floors_ = std::move(floors);
  const std::uint64_t id = ++commit_id_;
  requests_->Commit(positions, [this, id](AdminRequests::Answer answer) {
    if (id == commit_id_ && committing_) OnCommitted(answer.error);
  });
}

void KafkaConsumer::OnCommitted(rd_kafka_resp_err_t error) {
  committing_ = false;
  const std::vector<Assignments::Floor> floors = std::exchange(commit_floors_, {});
  const bool good = error == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (good) {
    assignments_.Committed(floors);
  } else {
    assignments_.CommitFailed(floors);
  }
  CountCommit(good);
  AnswerWaiters(std::exchange(committing_for_, {}),
                good ? absl::OkStatus() : ErrorOfKafka(error, "commit"));
  if (!waiting_.empty()) StartCommit();
}

void KafkaConsumer::CountCommit(bool good) {
  if (good) watch_.Answered(Now());
  MutexLock lock(mu_);
  ++(good ? counters_.commits_ok : counters_.commits_failed);
  if (good) counters_.last_commit = Clock::Real().WallNow();
}

void KafkaConsumer::AnswerWaiters(std::vector<Done> waiters, const absl::Status& status) {
  for (Done& waiter : waiters) waiter(status);
}

PartitionReader* KafkaConsumer::ReaderOf(const std::string& topic, std::int32_t partition) {
  for (const auto& reader : readers_) {
    if (reader->partition() == partition && reader->topic() == topic) return reader.get();
  }
  return nullptr;
}

}  // namespace sidebus
