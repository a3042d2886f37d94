#include <gmock/gmock.h>

#include "tests/broker_contract/kafka_fixture.h"

namespace sidebus::contract {
namespace {

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

// Kafka forgets positions on a topic that is deleted, if a coordinator hears of it; other brokers, and
// mirrors of a cluster, keep them.
TEST_P(KafkaContract, APositionInATopicOfAnotherIdIsNone) {
  const std::string topic = NewTopic(1);
  const std::string group = UnusedName("group");
  PublishValues(topic, Numbers(0, 5));
  ASSERT_EQ(SetKafkaPosition(servers(), group, topic, 3, "sb1:AQE:q1uzbJqNQqmzMSnMGh4uCw"), "");
  Receiver receiver;

  auto consumer = Consume(group, {topic}, receiver);

  ASSERT_TRUE(receiver.WaitForRecords(5));
  EXPECT_THAT(receiver.values(), testing::ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_TRUE(consumer->Ack(receiver.received()[0].record.tag));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  Receiver second;
  consumer = Consume(group, {topic}, second);
  ASSERT_TRUE(second.WaitForRecords(4));
  EXPECT_THAT(second.values(), testing::ElementsAre("1", "2", "3", "4"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), testing::IsEmpty());
  EXPECT_THAT(second.breaches(), testing::IsEmpty());
}

const auto kBackends = testing::Values(
    KafkaAt("Kafka", kKafka), KafkaAt("KafkaSticky", kKafka, kStickyMembers),
    KafkaAt("KafkaConsumer", kKafka, kConsumerMembers), KafkaAt("Kafka39", kKafka39),
    KafkaAt("Kafka39Sticky", kKafka39, kStickyMembers));

INSTANTIATE_TEST_SUITE_P(Kafka, BrokerContract, kBackends, NameOfBackend);
INSTANTIATE_TEST_SUITE_P(Kafka, KafkaContract, kBackends, NameOfBackend);

}  // namespace
}  // namespace sidebus::contract
