#include <gmock/gmock.h>

#include <cstdlib>

#include "server/broker/kafka/kafka_broker.h"
#include "tests/broker_contract/contract.h"
#include "tests/support/kafka_topics.h"

namespace sidebus::contract {
namespace {

class KafkaFixture final : public BrokerFixture {
 public:
  explicit KafkaFixture(const std::string& servers)
      : servers_(servers), broker_(Options(servers)) {}

  Broker& broker() override { return broker_; }
  void CreateTopic(const std::string& topic, int partitions) override {
    EXPECT_EQ(CreateKafkaTopic(servers_, topic, partitions), "");
  }
  bool AddPartitions(const std::string& topic, int partitions) override {
    EXPECT_EQ(AddKafkaPartitions(servers_, topic, partitions), "");
    return true;
  }
  bool finds_offsets_by_time() const override { return true; }

 private:
  static KafkaBrokerOptions Options(const std::string& servers) {
    KafkaBrokerOptions options;
    options.bootstrap_servers = {servers};
    // Sooner than by default: a crashed member is missed, a new partition is seen.
    options.session_timeout = std::chrono::seconds(6);
    options.properties["topic.metadata.refresh.interval.ms"] = "1000";
    return options;
  }

  const std::string servers_;
  KafkaBroker broker_;
};

// The broker whose host:port is in an environment variable; without it the tests are skipped.
Backend KafkaAt(const std::string& name, const std::string& variable) {
  return {name,
          [variable]() -> std::unique_ptr<BrokerFixture> {
            const char* const servers = std::getenv(variable.c_str());
            if (servers == nullptr || *servers == '\0') return nullptr;
            return std::make_unique<KafkaFixture>(servers);
          },
          "needs a real Kafka: set " + variable +
              " to its host:port, or use tests/support/kafka.py run"};
}

class KafkaContract : public BrokerContract {
 protected:
  std::string servers() { return broker().bootstrap_servers(); }
};

TEST_P(KafkaContract, AbortedRecordsAreNotDeliveredAndGapsAreSettled) {
  const std::string topic = NewTopic(1);
  const std::string group = UnusedName("group");
  ASSERT_EQ(WriteInTransaction(servers(), topic, {"a", "b"}, true), "");
  ASSERT_EQ(WriteInTransaction(servers(), topic, {"x", "y"}, false), "");
  ASSERT_EQ(WriteInTransaction(servers(), topic, {"c"}, true), "");
  Receiver first;
  auto consumer = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(3));
  EXPECT_THAT(first.values(), testing::ElementsAre("a", "b", "c"));
  for (const auto& received : first.received()) EXPECT_TRUE(consumer->Ack(received.record.tag));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());

  ASSERT_EQ(WriteInTransaction(servers(), topic, {"d"}, true), "");
  Receiver second;
  consumer = Consume(group, {topic}, second);

  ASSERT_TRUE(second.WaitForRecords(1));
  EXPECT_THAT(second.values(), testing::ElementsAre("d"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(second.breaches(), testing::IsEmpty());
}

const auto kBackends = testing::Values(KafkaAt("Kafka", "SIDEBUS_TEST_KAFKA"),
                                       KafkaAt("Kafka39", "SIDEBUS_TEST_KAFKA_39"));

INSTANTIATE_TEST_SUITE_P(Kafka, BrokerContract, kBackends, NameOfBackend);
INSTANTIATE_TEST_SUITE_P(Kafka, KafkaContract, kBackends, NameOfBackend);

}  // namespace
}  // namespace sidebus::contract
