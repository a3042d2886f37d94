#include "tests/server/broker/kafka/kafka_producer_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;

using KafkaTopicsTest = KafkaProducerFixture;

TEST_F(KafkaTopicsTest, AMissingTopicIsAnsweredFromMemory) {
  MakeProducer();
  ProducerTopic& topic = producer_->Topic("missing");
  ASSERT_TRUE(WaitFor(topic, TopicReadiness::kMissing));
  TrackRequests();

  for (int i = 0; i < 10'000; ++i) (void)topic.readiness();

  EXPECT_LT(RequestsSeen(kMetadataRequest), 10);
}

TEST_F(KafkaTopicsTest, TheListenerHearsWhenATopicWasLookedUp) {
  MakeProducer();
  ProducerTopic& topic = producer_->Topic("orders");
  ASSERT_TRUE(WaitFor(topic, TopicReadiness::kReady));

  EXPECT_TRUE(listener_.WaitUntil([this] { return listener_.changes() > 0; }));
}

TEST_F(KafkaTopicsTest, ATopicThatTheBrokerDoesNotKnowAnyMoreIsMissing) {
  ProducerTopic& topic = Start();
  ASSERT_EQ(Produce(topic).Report().outcome, DeliveryReport::Outcome::kWritten);
  ASSERT_EQ(rd_kafka_mock_topic_delete(broker_->cluster(), "orders"), RD_KAFKA_RESP_ERR_NO_ERROR);

  Sent late("b");
  if (const absl::Status refused = producer_->Produce(topic, late); refused.ok()) {
    const DeliveryReport report = late.Report();
    EXPECT_EQ(report.outcome, DeliveryReport::Outcome::kNotWritten);
    EXPECT_EQ(ReasonOf(report.error), Reason::kTopicMissing) << report.error;
  } else {
    EXPECT_EQ(ReasonOf(refused), Reason::kTopicMissing) << refused;
  }

  EXPECT_TRUE(WaitFor(topic, TopicReadiness::kMissing));
}

TEST_F(KafkaTopicsTest, WhileNoBrokerIsUpTopicsWaitAndAfterwardsTheyAreReady) {
  ProducerTopic& topic = Start();
  ASSERT_TRUE(producer_->condition().reachable);

  SetBrokerDown();
  EXPECT_TRUE(WaitFor(topic, TopicReadiness::kWaiting));
  EXPECT_TRUE(listener_.WaitUntil([this] { return !producer_->condition().reachable; }));
  SetBrokerUp();
  EXPECT_TRUE(WaitFor(topic, TopicReadiness::kReady));

  EXPECT_TRUE(producer_->condition().reachable);
  EXPECT_EQ(Produce(topic).Report().outcome, DeliveryReport::Outcome::kWritten);
}

TEST_F(KafkaTopicsTest, WithoutABrokerFromTheStartTopicsWait) {
  SetBrokerDown();
  MakeProducer();
  ProducerTopic& topic = producer_->Topic("orders");

  EXPECT_EQ(topic.readiness(), TopicReadiness::kWaiting);
  EXPECT_FALSE(producer_->condition().reachable);

  SetBrokerUp();
  EXPECT_TRUE(WaitFor(topic, TopicReadiness::kReady));
}

TEST_F(KafkaTopicsTest, ABrokerThatIsFarAwayIsReachedAllTheSame) {
  SetRoundTrip(milliseconds(600));

  ProducerTopic& topic = Start();

  EXPECT_EQ(Produce(topic).Report().outcome, DeliveryReport::Outcome::kWritten);
}

}  // namespace
}  // namespace sidebus
