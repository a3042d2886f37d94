#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "server/broker/memory/memory_cluster.h"
#include "server/broker/producer.h"

namespace sidebus {

// Producer of the memory broker. Records with a key go to the partition of its hash, the others in
// turn.
class MemoryProducer final : public Producer, public MemoryClient {
 public:
  MemoryProducer(MemoryCluster& cluster, ProducerListener& listener);
  ~MemoryProducer() override;

  ProducerTopic& Topic(const std::string& full_name) override;
  absl::Status Produce(ProducerTopic& topic, PendingRecord& record) override;
  void CreateTopic(ProducerTopic& topic, const std::string& like,
                   absl::AnyInvocable<void(absl::Status)> done) override;
  BrokerCondition condition() const override;
  std::size_t in_flight() const override;
  // Where no thread drives the broker it works this producer itself, and does not wait.
  bool Flush(SteadyTime deadline) override;
  void Purge() override;

  bool Work() override;

 private:
  class TopicHandle;
  struct Accepted {
    std::string topic;
    PendingRecord* record = nullptr;
    bool done = false;  // `report` is to be told
    DeliveryReport report;
  };

  struct Creation {
    std::string topic;
    std::string like;
    absl::AnyInvocable<void(absl::Status)> done;
  };

  absl::Status Create(const Creation& creation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  void Write(Accepted& accepted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  std::size_t PartitionOf(const Record& record, std::size_t partitions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);

  MemoryCluster& cluster_;
  ProducerListener& listener_;
  std::map<std::string, std::unique_ptr<TopicHandle>> topics_ ABSL_GUARDED_BY(cluster_.mu);
  std::deque<Accepted> accepted_ ABSL_GUARDED_BY(cluster_.mu);
  std::deque<Creation> creations_ ABSL_GUARDED_BY(cluster_.mu);
  std::size_t in_flight_ ABSL_GUARDED_BY(cluster_.mu) = 0;
  std::size_t next_partition_ ABSL_GUARDED_BY(cluster_.mu) = 0;
  std::uint64_t told_changes_ ABSL_GUARDED_BY(cluster_.mu) = 0;
  bool purging_ ABSL_GUARDED_BY(cluster_.mu) = false;
  std::shared_ptr<MemoryCluster::Client> client_;
};

}  // namespace sidebus
