#include "server/broker/memory/memory_broker.h"

#include <algorithm>

#include "server/base/check.h"
#include "server/broker/memory/memory_cluster.h"
#include "server/broker/memory/memory_consumer.h"
#include "server/broker/memory/memory_group_admin.h"
#include "server/broker/memory/memory_producer.h"

namespace sidebus {

MemoryBroker::MemoryBroker(const Clock& clock, std::uint64_t seed)
    : cluster_(std::make_unique<MemoryCluster>(clock)) {
  if (seed != 0) random_.emplace(seed);
  MutexLock lock(cluster_->mu);
  cluster_->reachable_since = clock.Now();
}

MemoryBroker::~MemoryBroker() {
  MutexLock lock(cluster_->mu);
  SIDEBUS_CHECK(cluster_->clients.empty());
}

absl::StatusOr<std::unique_ptr<Producer>> MemoryBroker::MakeProducer(ProducerListener& listener) {
  return std::make_unique<MemoryProducer>(*cluster_, listener);
}

absl::StatusOr<std::unique_ptr<Consumer>> MemoryBroker::MakeConsumer(ConsumerOptions options,
                                                                     ConsumerHandler& handler) {
  {
    MutexLock lock(cluster_->mu);
    if (!cluster_->faults.refuse_consumers.ok()) return cluster_->faults.refuse_consumers;
  }
  return std::make_unique<MemoryConsumer>(*cluster_, std::move(options), handler);
}

absl::StatusOr<std::unique_ptr<GroupAdmin>> MemoryBroker::MakeGroupAdmin() {
  return std::make_unique<MemoryGroupAdmin>(*cluster_);
}

void MemoryBroker::CreateTopic(const std::string& topic, int partitions) {
  MutexLock lock(cluster_->mu);
  cluster_->MakeTopic(topic, static_cast<std::size_t>(partitions));
  ++cluster_->readiness_changes;
  cluster_->Changed();
}

void MemoryBroker::MakeAnew(const std::string& topic, int partitions) {
  MutexLock lock(cluster_->mu);
  cluster_->topics.erase(topic);
  std::erase_if(cluster_->log_starts, [&](const auto& one) { return one.first.first == topic; });
  cluster_->MakeTopic(topic, static_cast<std::size_t>(partitions));
  for (const auto& [group, members] : cluster_->groups) {
    for (MemoryConsumer* member : members) {
      member->mu().AssertHeld();
      member->MarkMadeAnew(topic);
    }
  }
  cluster_->Changed();
}

void MemoryBroker::AddPartitions(const std::string& topic, int partitions) {
  MutexLock lock(cluster_->mu);
  auto& logs = cluster_->topics.at(topic);
  logs.resize(std::max(logs.size(), static_cast<std::size_t>(partitions)));
  cluster_->Changed();
}

std::int64_t MemoryBroker::Append(const std::string& topic, std::int32_t partition, Record record) {
  MutexLock lock(cluster_->mu);
  MemoryCluster::Log& log = cluster_->topics.at(topic).at(static_cast<std::size_t>(partition));
  log.push_back({std::move(record), cluster_->clock.WallNow()});
  cluster_->Changed();
  return static_cast<std::int64_t>(log.size()) - 1;
}

void MemoryBroker::Expire(const std::string& topic, std::int32_t partition, std::int64_t offset) {
  MutexLock lock(cluster_->mu);
  cluster_->log_starts[{topic, partition}] = offset;
  cluster_->Changed();
}

std::int32_t MemoryBroker::Partitions(const std::string& topic) const {
  MutexLock lock(cluster_->mu);
  const auto logs = cluster_->topics.find(topic);
  return logs == cluster_->topics.end() ? 0 : static_cast<std::int32_t>(logs->second.size());
}

std::vector<Record> MemoryBroker::Read(const std::string& topic, std::int32_t partition) const {
  MutexLock lock(cluster_->mu);
  std::vector<Record> records;
  const auto logs = cluster_->topics.find(topic);
  const auto at = static_cast<std::size_t>(partition);
  if (logs == cluster_->topics.end() || at >= logs->second.size()) return records;
  for (const auto& entry : logs->second[at]) {
    records.push_back(entry.record);
  }
  return records;
}

std::optional<std::int64_t> MemoryBroker::Committed(const std::string& group,
                                                    const std::string& topic,
                                                    std::int32_t partition) const {
  MutexLock lock(cluster_->mu);
  const auto position = cluster_->positions.find({group, topic, partition});
  if (position == cluster_->positions.end()) return std::nullopt;
  return position->second.offset;
}

std::vector<OffsetRun> MemoryBroker::CommittedAcks(const std::string& group,
                                                   const std::string& topic,
                                                   std::int32_t partition) const {
  MutexLock lock(cluster_->mu);
  const auto position = cluster_->positions.find({group, topic, partition});
  if (position == cluster_->positions.end()) return {};
  return DecodeSparseAcks(position->second.offset, position->second.metadata)
      .value_or(std::vector<OffsetRun>());
}

std::uint64_t MemoryBroker::commits() const {
  MutexLock lock(cluster_->mu);
  return cluster_->commits;
}

std::optional<MemoryBroker::Owner> MemoryBroker::OwnerOf(const std::string& group,
                                                         const std::string& topic,
                                                         std::int32_t partition) const {
  MutexLock lock(cluster_->mu);
  const auto owner = cluster_->owners.find({group, topic, partition});
  if (owner == cluster_->owners.end()) return std::nullopt;
  return Owner{owner->second.consumer->member(), owner->second.assignment};
}

std::size_t MemoryBroker::Members(const std::string& group) const {
  MutexLock lock(cluster_->mu);
  const auto members = cluster_->groups.find(group);
  return members == cluster_->groups.end() ? 0 : members->second.size();
}

bool MemoryBroker::Step() {
  std::vector<std::shared_ptr<MemoryCluster::Client>> clients;
  {
    MutexLock lock(cluster_->mu);
    clients = cluster_->clients;
  }
  if (clients.empty()) return false;
  const std::size_t first = random_.has_value() ? (*random_)() : ++turn_;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (cluster_->Work(clients[(first + i) % clients.size()])) return true;
  }
  return false;
}

std::size_t MemoryBroker::RunUntilIdle() {
  std::size_t steps = 0;
  while (Step()) ++steps;
  return steps;
}

void MemoryBroker::SetReachable(bool reachable) {
  MutexLock lock(cluster_->mu);
  if (cluster_->faults.unreachable != reachable) return;
  cluster_->faults.unreachable = !reachable;
  cluster_->reachable_since = cluster_->clock.Now();
  ++cluster_->readiness_changes;
  cluster_->Changed();
}

void MemoryBroker::Revoke(const std::string& group, bool lost) {
  MutexLock lock(cluster_->mu);
  for (MemoryConsumer* member : cluster_->groups[group]) {
    member->mu().AssertHeld();
    member->MarkRevoked(lost);
  }
  cluster_->Changed();
}

void MemoryBroker::CutOff(const std::string& group, std::size_t nth, Duration silence) {
  MutexLock lock(cluster_->mu);
  auto& members = cluster_->groups[group];
  if (nth >= members.size()) return;
  MemoryConsumer* const member = members[nth];
  members.erase(members.begin() + static_cast<std::ptrdiff_t>(nth));
  member->mu().AssertHeld();
  member->MarkCutOff(silence);
  cluster_->Changed();
}

void MemoryBroker::FailConsumers(const std::string& group, const absl::Status& why) {
  MutexLock lock(cluster_->mu);
  for (MemoryConsumer* member : cluster_->groups[group]) {
    member->mu().AssertHeld();
    member->MarkFailed(why);
  }
  cluster_->Changed();
}

void MemoryBroker::FailProduces(int count, DeliveryReport::Outcome outcome) {
  MutexLock lock(cluster_->mu);
  cluster_->faults.fail_produces = count;
  cluster_->faults.failed_outcome = outcome;
}

void MemoryBroker::DuplicateProduces(int count) {
  MutexLock lock(cluster_->mu);
  cluster_->faults.duplicate_produces = count;
}

void MemoryBroker::HoldReports(bool hold) {
  MutexLock lock(cluster_->mu);
  cluster_->faults.hold_reports = hold;
  cluster_->Changed();
}

void MemoryBroker::DenyTopics(bool deny) {
  MutexLock lock(cluster_->mu);
  cluster_->faults.deny_topics = deny;
}

void MemoryBroker::SetMaxRecordBytes(std::size_t bytes) {
  MutexLock lock(cluster_->mu);
  cluster_->faults.max_record_bytes = bytes;
}

void MemoryBroker::RefuseConsumers(absl::Status why) {
  MutexLock lock(cluster_->mu);
  cluster_->faults.refuse_consumers = std::move(why);
}

void MemoryBroker::LetMembersStay(Duration time) {
  MutexLock lock(cluster_->mu);
  cluster_->members_stay = time;
}

void MemoryBroker::FailCommits(int count) {
  MutexLock lock(cluster_->mu);
  cluster_->faults.fail_commits = count;
}

void MemoryBroker::LoseCommitAnswers(int count) {
  MutexLock lock(cluster_->mu);
  cluster_->faults.lose_commit_answers = count;
}

void MemoryBroker::HoldCommits(bool hold) {
  MutexLock lock(cluster_->mu);
  cluster_->faults.hold_commits = hold;
  cluster_->Changed();
}

MemoryBrokerThread::MemoryBrokerThread(MemoryBroker& broker) : broker_(broker) {
  {
    MutexLock lock(broker_.cluster_->mu);
    broker_.cluster_->threaded = true;
  }
  thread_ = std::thread([this] { Run(); });
}

MemoryBrokerThread::~MemoryBrokerThread() {
  {
    MutexLock lock(broker_.cluster_->mu);
    stopping_ = true;
    broker_.cluster_->threaded = false;
    broker_.cluster_->Changed();
  }
  thread_.join();
}

void MemoryBrokerThread::Run() {
  // Commits are due by time alone.
  constexpr auto kLookAgain = std::chrono::milliseconds(50);
  MemoryCluster& cluster = *broker_.cluster_;
  while (true) {
    std::uint64_t seen = 0;
    {
      MutexLock lock(cluster.mu);
      if (stopping_) return;
      seen = cluster.version;
    }
    if (broker_.Step()) continue;
    MutexLock lock(cluster.mu);
    if (stopping_ || cluster.version != seen) continue;
    cluster.changed.WaitUntil(cluster.mu, std::chrono::steady_clock::now() + kLookAgain);
  }
}

}  // namespace sidebus
