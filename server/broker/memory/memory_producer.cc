#include "server/broker/memory/memory_producer.h"

#include <utility>

#include "server/base/error.h"

namespace sidebus {

class MemoryProducer::TopicHandle final : public ProducerTopic {
 public:
  TopicHandle(MemoryCluster& cluster, std::string name)
      : cluster_(cluster), name_(std::move(name)) {}

  const std::string& name() const override { return name_; }

  TopicReadiness readiness() override {
    MutexLock lock(cluster_.mu);
    if (cluster_.faults.unreachable) return TopicReadiness::kWaiting;
    return cluster_.topics.contains(name_) ? TopicReadiness::kReady : TopicReadiness::kMissing;
  }

 private:
  MemoryCluster& cluster_;
  const std::string name_;
};

MemoryProducer::MemoryProducer(MemoryCluster& cluster, ProducerListener& listener)
    : cluster_(cluster), listener_(listener), client_(cluster.Add(*this)) {}

MemoryProducer::~MemoryProducer() {
  Purge();
  while (true) {
    cluster_.Work(client_);
    MutexLock lock(cluster_.mu);
    if (in_flight_ == 0 && creations_.empty()) break;
  }
  cluster_.Remove(client_);
}

ProducerTopic& MemoryProducer::Topic(const std::string& full_name) {
  MutexLock lock(cluster_.mu);
  auto& topic = topics_[full_name];
  if (topic == nullptr) topic = std::make_unique<TopicHandle>(cluster_, full_name);
  return *topic;
}

absl::Status MemoryProducer::Produce(ProducerTopic& topic, PendingRecord& record) {
  MutexLock lock(cluster_.mu);
  accepted_.push_back(Accepted{topic.name(), &record, false, {}});
  ++in_flight_;
  cluster_.Changed();
  return absl::OkStatus();
}

void MemoryProducer::CreateTopic(ProducerTopic& topic, const std::string& like,
                                 absl::AnyInvocable<void(absl::Status)> done) {
  MutexLock lock(cluster_.mu);
  creations_.push_back({topic.name(), like, std::move(done)});
  cluster_.Changed();
}

absl::Status MemoryProducer::Create(const Creation& creation) {
  if (cluster_.faults.unreachable) return MakeError(Reason::kBrokerDown, "no broker is up");
  if (cluster_.faults.deny_topics) {
    return MakeError(Reason::kBrokerDenied, "the broker lets this client make no topics");
  }
  const auto like = cluster_.topics.find(creation.like);
  if (like == cluster_.topics.end()) {
    return MakeError(Reason::kTopicMissing, "the topic to copy does not exist");
  }
  cluster_.MakeTopic(creation.topic, like->second.size());
  return absl::OkStatus();
}

BrokerCondition MemoryProducer::condition() const {
  MutexLock lock(cluster_.mu);
  return {!cluster_.faults.unreachable, cluster_.reachable_since};
}

std::size_t MemoryProducer::in_flight() const {
  MutexLock lock(cluster_.mu);
  return in_flight_;
}

bool MemoryProducer::Flush(SteadyTime deadline) {
  while (true) {
    const bool worked = cluster_.Work(client_);
    MutexLock lock(cluster_.mu);
    if (in_flight_ == 0) return true;
    if (worked) continue;
    if (!cluster_.threaded || cluster_.clock.Now() >= deadline) return false;
    cluster_.changed.WaitUntil(cluster_.mu, deadline);
  }
}

void MemoryProducer::Purge() {
  MutexLock lock(cluster_.mu);
  const absl::Status purged = MakeError(Reason::kDeliveryTimeout, "given up before it was written");
  for (Accepted& accepted : accepted_) {
    // Written and not told: nobody may know.
    const auto outcome =
        accepted.done ? DeliveryReport::Outcome::kUnknown : DeliveryReport::Outcome::kNotWritten;
    accepted.done = true;
    accepted.report = DeliveryReport{outcome, purged};
  }
  purging_ = true;
  cluster_.Changed();
}

bool MemoryProducer::Work() {
  bool readiness = false;
  std::optional<Accepted> done;
  std::optional<Creation> creation;
  absl::Status created;
  {
    MutexLock lock(cluster_.mu);
    readiness =
        std::exchange(told_changes_, cluster_.readiness_changes) != cluster_.readiness_changes;
    if (!readiness && !creations_.empty()) {
      creation = std::move(creations_.front());
      creations_.pop_front();
      created = Create(*creation);
      if (created.ok()) cluster_.Changed();
    }
    if (!readiness && !creation.has_value()) {
      if (accepted_.empty()) purging_ = false;
      if (!cluster_.faults.unreachable) {
        for (Accepted& accepted : accepted_) {
          if (!accepted.done) Write(accepted);
        }
      }
      if (accepted_.empty() || !accepted_.front().done) return false;
      if (cluster_.faults.hold_reports && !purging_) return false;
      done = std::move(accepted_.front());
      accepted_.pop_front();
    }
  }
  if (readiness) {
    listener_.OnReadinessChanged();
    return true;
  }
  if (creation.has_value()) {
    creation->done(created);
    return true;
  }
  done->record->OnReport(done->report);
  MutexLock lock(cluster_.mu);
  --in_flight_;
  cluster_.Changed();
  return true;
}

void MemoryProducer::Write(Accepted& accepted) {
  accepted.done = true;
  DeliveryReport& report = accepted.report;
  MemoryCluster::Faults& faults = cluster_.faults;
  const auto topic = cluster_.topics.find(accepted.topic);
  if (topic == cluster_.topics.end()) {
    report.outcome = DeliveryReport::Outcome::kNotWritten;
    report.error = MakeError(Reason::kTopicMissing, "the topic does not exist: create it");
    return;
  }
  if (SizeOf(accepted.record->record) > faults.max_record_bytes) {
    report.outcome = DeliveryReport::Outcome::kNotWritten;
    report.error = MakeError(Reason::kEventTooLarge, "the record is larger than the topic takes");
    return;
  }
  const bool fails = faults.fail_produces > 0;
  if (fails) {
    --faults.fail_produces;
    report.outcome = faults.failed_outcome;
    report.error = MakeError(Reason::kDeliveryTimeout, "the broker did not confirm in time");
    if (report.outcome == DeliveryReport::Outcome::kNotWritten) return;
  }
  std::vector<MemoryCluster::Log>& logs = topic->second;
  const std::size_t partition = PartitionOf(accepted.record->record, logs.size());
  MemoryCluster::Log& log = logs[partition];
  const SystemTime now = cluster_.clock.WallNow();
  if (faults.duplicate_produces > 0) {
    --faults.duplicate_produces;
    log.push_back({accepted.record->record, now});
  }
  log.push_back({accepted.record->record, now});
  cluster_.Changed();
  if (fails) return;
  report.outcome = DeliveryReport::Outcome::kWritten;
  report.partition = static_cast<std::int32_t>(partition);
  report.offset = static_cast<std::int64_t>(log.size()) - 1;
}

std::size_t MemoryProducer::PartitionOf(const Record& record, std::size_t partitions) {
  if (!record.key.has_value()) return next_partition_++ % partitions;
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a: the same everywhere
  for (const char c : *record.key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash % partitions;
}

}  // namespace sidebus
