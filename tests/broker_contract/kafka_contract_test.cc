#include <cstdlib>

#include "server/broker/kafka/kafka_broker.h"
#include "tests/broker_contract/contract.h"
#include "tests/support/kafka_topics.h"

namespace sidebus::contract {
namespace {

std::string BootstrapServers() {
  const char* const servers = std::getenv("SIDEBUS_TEST_KAFKA");
  return servers == nullptr ? std::string() : servers;
}

class KafkaFixture final : public BrokerFixture {
 public:
  explicit KafkaFixture(const std::string& servers)
      : servers_(servers), broker_(Options(servers)) {}

  Broker& broker() override { return broker_; }
  void CreateTopic(const std::string& topic, int partitions) override {
    EXPECT_EQ(CreateKafkaTopic(servers_, topic, partitions), "");
  }
  bool finds_offsets_by_time() const override { return true; }

 private:
  static KafkaBrokerOptions Options(const std::string& servers) {
    KafkaBrokerOptions options;
    options.bootstrap_servers = {servers};
    return options;
  }

  const std::string servers_;
  KafkaBroker broker_;
};

std::unique_ptr<BrokerFixture> Make() {
  const std::string servers = BootstrapServers();
  if (servers.empty()) {
    ADD_FAILURE() << "these tests need a real Kafka: start one and set SIDEBUS_TEST_KAFKA to its "
                     "host:port";
    return nullptr;
  }
  return std::make_unique<KafkaFixture>(servers);
}

INSTANTIATE_BROKER_CONTRACT(Kafka, Make);

}  // namespace
}  // namespace sidebus::contract
