#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/broker/broker.h"
#include "server/broker/kafka/kafka_options.h"

namespace sidebus {

// A Kafka cluster.
//
// Ownership: keeps its options, and what its clients found out; each client connects by itself.
// Thread safety: all methods may be called from any thread.
class KafkaBroker : public Broker {
 public:
  explicit KafkaBroker(KafkaBrokerOptions options);

  std::string_view kind() const override { return "kafka"; }
  std::string bootstrap_servers() const override;
  absl::StatusOr<std::unique_ptr<Producer>> MakeProducer(ProducerListener& listener) override;
  absl::StatusOr<std::unique_ptr<Consumer>> MakeConsumer(ConsumerOptions options,
                                                         ConsumerHandler& handler) override;
  absl::StatusOr<std::unique_ptr<GroupAdmin>> MakeGroupAdmin() override;

 private:
  const KafkaBrokerOptions options_;
  const std::shared_ptr<KafkaClusterFacts> cluster_ = std::make_shared<KafkaClusterFacts>();
};

}  // namespace sidebus
