// A consumer whose client cannot go on: the mock cluster refuses what it asks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
// After it:
#include <librdkafka/rdkafka_mock.h>

#include "server/base/error.h"
#include "server/broker/embedded/embedded_broker.h"
#include "tests/broker_contract/contract.h"

namespace sidebus {
namespace {

using contract::CloseAndWait;
using contract::kPatience;
using contract::Receiver;
using testing::HasSubstr;

// Keys of Kafka's protocol.
constexpr std::int16_t kOffsetCommit = 8;
constexpr std::int16_t kOffsetFetch = 9;
constexpr std::int16_t kJoinGroup = 11;
constexpr std::int16_t kHeartbeat = 12;

// The contract's tests are linked for its parts only.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BrokerContract);

class ConsumerRecoveryTest : public testing::Test {
 protected:
  ConsumerRecoveryTest() {
    EmbeddedBrokerOptions options;
    options.topics = {"orders"};
    auto made = EmbeddedBroker::Make(std::move(options));
    EXPECT_TRUE(made.ok()) << made.status();
    broker_ = *std::move(made);
  }

  void Refuse(std::int16_t request, std::vector<rd_kafka_resp_err_t> errors) {
    rd_kafka_mock_push_request_errors_array(broker_->cluster(), request, errors.size(),
                                            errors.data());
  }

  std::unique_ptr<Consumer> Consume() {
    ConsumerOptions options;
    options.group = "group";
    options.topics = {"orders"};
    auto made = broker_->MakeConsumer(options, receiver_);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }

  // Waits until the reason why the group gives nothing is a text with `wanted`.
  static testing::AssertionResult WaitForError(const Consumer& consumer,
                                               const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::string last;
    do {
      last = consumer.stats().last_error;
      if (last.find(wanted) != std::string::npos) return testing::AssertionSuccess();
      std::this_thread::yield();
    } while (std::chrono::steady_clock::now() < deadline);
    return testing::AssertionFailure() << "it is \"" << last << "\"";
  }

  std::unique_ptr<EmbeddedBroker> broker_;
  Receiver receiver_;
};

TEST_F(ConsumerRecoveryTest, AMemberThatMayNotJoinTriesAgainWithoutFailing) {
  Refuse(kJoinGroup, {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED});

  const auto consumer = Consume();

  EXPECT_TRUE(WaitForError(*consumer, "GROUP_AUTHORIZATION_FAILED"));
  ASSERT_TRUE(receiver_.WaitForAssigned(2));
  EXPECT_EQ(consumer->stats().last_error, "");
  EXPECT_TRUE(receiver_.WaitUntil([](const Receiver& r) { return r.failure().ok(); }));
}

TEST_F(ConsumerRecoveryTest, AGroupWhosePositionsMayNotBeReadIsAskedForAgain) {
  Refuse(kOffsetFetch, {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED});

  const auto consumer = Consume();

  EXPECT_TRUE(WaitForError(*consumer, "GROUP_AUTHORIZATION_FAILED"));
  EXPECT_TRUE(receiver_.WaitForAssigned(2));
}

TEST_F(ConsumerRecoveryTest, AMemberWhoseRightsEndLosesItsPartitionsAndGetsThemBack) {
  const auto consumer = Consume();
  ASSERT_TRUE(receiver_.WaitForAssigned(2));
  const auto before = receiver_.assigned();

  Refuse(kHeartbeat, {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS});
  Refuse(kJoinGroup, {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED});

  ASSERT_TRUE(WaitForError(*consumer, "GROUP_AUTHORIZATION_FAILED"));
  ASSERT_TRUE(receiver_.WaitForAssigned(2));
  EXPECT_NE(receiver_.assigned(), before);
  EXPECT_TRUE(receiver_.WaitUntil([](const Receiver& r) { return r.failure().ok(); }));
  EXPECT_THAT(receiver_.breaches(), testing::IsEmpty());
}

TEST_F(ConsumerRecoveryTest, CanBeClosedWhileItWaitsToBeginAnew) {
  Refuse(kJoinGroup, std::vector(100, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED));
  auto consumer = Consume();
  ASSERT_TRUE(WaitForError(*consumer, "GROUP_AUTHORIZATION_FAILED"));

  EXPECT_TRUE(contract::CommitAll(*consumer).ok());
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_F(ConsumerRecoveryTest, AMemberWhoseNameAnotherTookFails) {
  Refuse(kJoinGroup, {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID});

  auto consumer = Consume();

  ASSERT_TRUE(receiver_.WaitUntil([](const Receiver& r) { return !r.failure().ok(); }));
  EXPECT_EQ(ReasonOf(receiver_.failure()), Reason::kMemberFenced);
  EXPECT_THAT(consumer->stats().last_error, HasSubstr("FENCED_INSTANCE_ID"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_F(ConsumerRecoveryTest, AMemberWithAnotherAssignorFails) {
  Refuse(kJoinGroup, {RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL});

  auto consumer = Consume();

  ASSERT_TRUE(receiver_.WaitUntil([](const Receiver& r) { return !r.failure().ok(); }));
  EXPECT_EQ(ReasonOf(receiver_.failure()), Reason::kGroupProtocol);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

// A cluster that takes commits during a rebalance, as Kafka does.
class CommitAtTheEndTest : public ConsumerRecoveryTest {
 protected:
  static KafkaBrokerOptions OptionsFor(const std::string& servers) {
    KafkaBrokerOptions options;
    options.bootstrap_servers = {servers};
    options.session_timeout = std::chrono::seconds(2);
    return options;
  }

  // The offset that a member of the group begins with.
  std::int64_t NextOffset() {
    ConsumerOptions options;
    options.group = "group";
    options.topics = {"orders"};
    Receiver receiver;
    auto made = kafka_.MakeConsumer(options, receiver);
    EXPECT_TRUE(made.ok()) << made.status();
    EXPECT_TRUE(receiver.WaitForRecords(1));
    const auto received = receiver.received();
    EXPECT_TRUE(CloseAndWait(*std::move(made)).ok());
    return received.empty() ? -1 : received[0].record.offset;
  }

  void PublishTwice() {
    contract::Listener listener;
    auto producer = *broker_->MakeProducer(listener);
    ProducerTopic& topic = producer->Topic("orders");
    EXPECT_TRUE(listener.WaitFor(topic, TopicReadiness::kReady));
    for (int i = 0; i < 2; ++i) {
      contract::Sent sent(Record{"key", "value", {}});
      EXPECT_TRUE(producer->Produce(topic, sent).ok());
      EXPECT_TRUE(sent.Report().error.ok());
    }
  }

  KafkaBroker kafka_{OptionsFor(broker_->bootstrap_servers())};
};

TEST_F(CommitAtTheEndTest, WhatIsRefusedBetweenTwoGenerationsIsCommittedAgain) {
  PublishTwice();
  ConsumerOptions options;
  options.group = "group";
  options.topics = {"orders"};
  auto made = kafka_.MakeConsumer(options, receiver_);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_TRUE(receiver_.WaitForRecords(2));
  Refuse(kOffsetCommit,
         {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH,
          RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS});

  EXPECT_TRUE((*made)->Ack(receiver_.received()[0].record.tag));
  EXPECT_TRUE(CloseAndWait(*std::move(made)).ok());

  EXPECT_EQ(NextOffset(), 1);
}

}  // namespace
}  // namespace sidebus
