#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/broker/broker.h"
#include "server/broker/kafka/kafka_broker.h"
#include "server/broker/kafka/kafka_log.h"

struct rd_kafka_mock_cluster_s;

namespace sidebus {

struct EmbeddedBrokerOptions {
  std::vector<std::string> topics;  // with prefix; made at once
  int partitions = 2;
  int brokers = 1;
  KafkaBrokerOptions kafka;  // servers and offsets_by_time are filled in
};

// Kafka in this process: librdkafka's mock cluster, and KafkaBroker's clients that connect to it on
// the loopback interface. For development, demos and tests: records are in memory only, the oldest
// beyond 5 MiB per partition are dropped, and looking up by time does not work.
//
// Ownership: owns the cluster; outlives what it makes.
// Thread safety: all methods may be called from any thread.
class EmbeddedBroker final : public Broker {
 public:
  static absl::StatusOr<std::unique_ptr<EmbeddedBroker>> Make(EmbeddedBrokerOptions options);
  ~EmbeddedBroker() override;

  std::string_view kind() const override { return "embedded"; }
  std::string bootstrap_servers() const override { return kafka_->bootstrap_servers(); }
  absl::StatusOr<std::unique_ptr<Producer>> MakeProducer(ProducerListener& listener) override {
    return kafka_->MakeProducer(listener);
  }
  absl::StatusOr<std::unique_ptr<Consumer>> MakeConsumer(ConsumerOptions options,
                                                         ConsumerHandler& handler) override {
    return kafka_->MakeConsumer(std::move(options), handler);
  }
  absl::StatusOr<std::unique_ptr<GroupAdmin>> MakeGroupAdmin() override {
    return kafka_->MakeGroupAdmin();
  }

  // An existing topic is left as it is.
  absl::Status CreateTopic(const std::string& name, int partitions);

  // For tests that make the cluster fail; valid as long as this object.
  rd_kafka_mock_cluster_s* cluster() { return cluster_; }

 private:
  EmbeddedBroker() = default;

  KafkaLog log_{"embedded"};
  KafkaClient host_;  // the cluster lives in it
  rd_kafka_mock_cluster_s* cluster_ = nullptr;
  std::unique_ptr<KafkaBroker> kafka_;
};

}  // namespace sidebus
