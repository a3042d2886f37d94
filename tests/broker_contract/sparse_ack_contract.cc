#include <gmock/gmock.h>

#include <set>

#include "server/broker/sparse_acks.h"
#include "tests/broker_contract/contract.h"

namespace sidebus::contract {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_P(BrokerContract, WhatWasAckedAboveTheFloorDoesNotComeAgain) {
  const std::string topic = NewTopic(1);
  const std::string group = UnusedName("group");
  PublishValues(topic, Numbers(0, 8));
  Receiver first;
  auto one = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(8));
  for (const std::size_t acked : {0u, 2u, 3u, 6u}) {
    EXPECT_TRUE(one->Ack(first.received()[acked].record.tag));
  }
  EXPECT_TRUE(CommitAll(*one).ok());
  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());

  Receiver second;
  auto two = Consume(group, {topic}, second);
  PublishValues(topic, {"8"});
  ASSERT_TRUE(second.WaitForRecords(5));
  EXPECT_THAT(second.values(), ElementsAre("1", "4", "5", "7", "8"));
  for (const std::size_t acked : {0u, 2u}) {
    EXPECT_TRUE(two->Ack(second.received()[acked].record.tag));
  }
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());

  Receiver third;
  auto three = Consume(group, {topic}, third);
  ASSERT_TRUE(third.WaitForRecords(3));
  EXPECT_THAT(third.values(), ElementsAre("4", "7", "8"));
  for (const auto& received : third.received()) EXPECT_TRUE(three->Ack(received.record.tag));
  PublishValues(topic, {"9"});
  ASSERT_TRUE(third.WaitForRecords(4));
  EXPECT_THAT(third.breaches(), IsEmpty());
  EXPECT_TRUE(CloseAndWait(std::move(three)).ok());
}

TEST_P(BrokerContract, OfATopicThatIsMadeAnewWhileNobodyReadsNothingIsPassedOver) {
  const std::string topic = NewTopic(1);
  const std::string group = StandAtTwo(topic);
  if (!fixture_->MakeAnew(topic, 1)) GTEST_SKIP() << "it cannot be made anew";
  EndProducer();
  PublishValues(topic, Numbers(10, 15));
  Receiver receiver;

  auto consumer = Consume(group, {topic}, receiver);

  ASSERT_TRUE(receiver.WaitForRecords(5));
  EXPECT_THAT(receiver.values(), ElementsAre("10", "11", "12", "13", "14"));
  for (const auto& received : receiver.received()) {
    EXPECT_TRUE(consumer->Ack(received.record.tag));
  }
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  Receiver second;
  consumer = Consume(group, {topic}, second);
  PublishValues(topic, {"15"});
  ASSERT_TRUE(second.WaitForRecords(1));
  EXPECT_THAT(second.values(), ElementsAre("15")) << "the new position is one of the new topic";
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), IsEmpty());
}

TEST_P(BrokerContract, MoreSparseAcksThanCanBeCommittedComeAgainButNothingIsSkipped) {
  constexpr int kCount = 5'000;
  const std::string topic = NewTopic(1);
  const std::string group = UnusedName("group");
  PublishValues(topic, Numbers(0, kCount));
  Receiver first;
  auto one = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(kCount));
  std::vector<std::string> unsettled;
  for (const auto& received : first.received()) {
    if (received.record.offset % 2 == 1) {
      EXPECT_TRUE(one->Ack(received.record.tag));
    } else {
      unsettled.push_back(*received.record.record.value);
    }
  }
  EXPECT_TRUE(CommitAll(*one).ok());
  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());

  Receiver second;
  auto two = Consume(group, {topic}, second);
  PublishValues(topic, {"end"});
  ASSERT_TRUE(second.WaitUntil([](const Receiver& r) { return r.Count("end") > 0; }));

  const std::vector<std::string> values = second.values();
  const std::set<std::string> again(values.begin(), values.end());
  for (const std::string& each : unsettled) EXPECT_TRUE(again.contains(each)) << each;
  EXPECT_LT(values.size(), kCount - 1'000u);
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
}

TEST_P(BrokerContract, APartitionWhoseSparseAcksHardlyFitIsReadAgainWhenItsFloorMoves) {
  const std::string topic = NewTopic(1);
  PublishValues(topic, Numbers(0, 4'000));
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(4'000));
  for (const auto& received : receiver.received()) {
    if (received.record.offset % 2 == 1) {
      EXPECT_TRUE(consumer->Ack(received.record.tag));
    }
  }
  EXPECT_TRUE(CommitAll(*consumer).ok());
  EXPECT_EQ(consumer->stats().crowded, 1u);
  EXPECT_GT(consumer->stats().ack_metadata_use, 0.75);
  EXPECT_GE(consumer->stats().acks_left_out, 1u);
  PublishValues(topic, {"next"});
  EXPECT_TRUE(CommitAll(*consumer).ok());
  EXPECT_EQ(receiver.values().size(), 4'000u) << "nothing more is read";

  for (const auto& received : receiver.received()) {
    if (received.record.offset % 2 == 0) {
      EXPECT_TRUE(consumer->Ack(received.record.tag));
    }
  }

  EXPECT_TRUE(receiver.WaitUntil([](const Receiver& r) { return r.Count("next") == 1; }));
  EXPECT_EQ(consumer->stats().crowded, 0u);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

}  // namespace
}  // namespace sidebus::contract
