// What can be asked and done about groups from outside.

#include <gmock/gmock.h>

#include "server/base/error.h"
#include "tests/broker_contract/asking.h"
#include "tests/broker_contract/contract.h"

namespace sidebus::contract {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

TEST_P(BrokerContract, AGroupWithoutMembersIsDescribedByItsPositions) {
  Asking asking(broker());
  const std::string topic = NewTopic(1);
  const std::string group = StandAtTwo(topic);

  const auto found = asking.Describe(group, {topic});

  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->positions, ElementsAre(Position{topic, 0, 2}));
  if (fixture_->describes_members()) {
    EXPECT_THAT(*found->members, IsEmpty());
  }
}

TEST_P(BrokerContract, MembersAreDescribedWithTheirNamesAndPartitions) {
  Asking asking(broker());
  const std::string topic = NewTopic(2);
  const std::string group = UnusedName("group");
  Receiver receiver;
  auto made = broker().MakeConsumer(
      {.group = group, .topics = {topic}, .start = {}, .member = "pod-1"}, receiver);
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE(receiver.WaitForAssigned(2));

  const auto found = asking.Describe(group, {topic});

  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->positions, SizeIs(2)) << "the start is pinned";
  if (fixture_->describes_members()) {
    ASSERT_THAT(*found->members, SizeIs(1));
    EXPECT_THAT(found->members->front().name, testing::HasSubstr("pod-1"));
    EXPECT_EQ(found->members->front().id, (*made)->member_id());
    EXPECT_THAT(found->members->front().partitions,
                UnorderedElementsAre(std::pair(topic, 0), std::pair(topic, 1)));
  } else {
    EXPECT_FALSE(found->members.has_value());
  }
  EXPECT_TRUE(CloseAndWait(*std::move(made)).ok());
}

TEST_P(BrokerContract, AGroupThatNobodyKnowsIsUnknown) {
  Asking asking(broker());
  const std::string topic = NewTopic(1);

  const auto found = asking.Describe(UnusedName("nobody"), {topic});

  ASSERT_FALSE(found.ok());
  EXPECT_EQ(ReasonOf(found.status()), Reason::kGroupUnknown);
}

TEST_P(BrokerContract, OffsetsOfAllPartitionsAreFoundAndTopicsThatAreMissingAreLeftOut) {
  Asking asking(broker());
  const std::string topic = NewTopic(2);
  PublishValues(topic, Numbers(0, 3), "k");  // one key: one partition
  const std::vector<std::string> topics = {topic, UnusedName("missing")};

  const auto begins = asking.Find(topics, StartPosition::At::kEarliest);
  const auto ends = asking.Find(topics, StartPosition::At::kLatest);

  ASSERT_TRUE(begins.ok()) << begins.status();
  EXPECT_THAT(*begins, UnorderedElementsAre(Position{topic, 0, 0}, Position{topic, 1, 0}));
  ASSERT_TRUE(ends.ok()) << ends.status();
  ASSERT_THAT(*ends, SizeIs(2));
  EXPECT_EQ((*ends)[0].offset + (*ends)[1].offset, 3);
  EXPECT_EQ((*ends)[0].offset * (*ends)[1].offset, 0);
  EXPECT_THAT(*asking.Find({}, StartPosition::At::kLatest), IsEmpty());
}

TEST_P(BrokerContract, ATimeIsFoundOrRefusedAndAfterTheLastRecordItIsTheEnd) {
  Asking asking(broker());
  const std::string topic = NewTopic(1);
  PublishValues(topic, Numbers(0, 3));
  const SystemTime now(std::chrono::system_clock::now().time_since_epoch());

  const auto later = asking.Find({topic}, StartPosition::At::kTime, now + std::chrono::hours(1));

  if (!fixture_->finds_offsets_by_time()) {
    EXPECT_EQ(ReasonOf(later.status()), Reason::kNotSupported);
    return;
  }
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_THAT(*later, ElementsAre(Position{topic, 0, 3}));
  const auto earlier = asking.Find({topic}, StartPosition::At::kTime, now - std::chrono::hours(1));
  ASSERT_TRUE(earlier.ok()) << earlier.status();
  EXPECT_THAT(*earlier, ElementsAre(Position{topic, 0, 0}));
}

TEST_P(BrokerContract, AGroupWithoutMembersIsMovedAndReadsFromThere) {
  if (!fixture_->moves_groups_that_had_members()) GTEST_SKIP() << "this backend cannot";
  Asking asking(broker());
  const std::string topic = NewTopic(1);
  const std::string group = StandAtTwo(topic);

  const absl::Status set = asking.SetWhenEmpty(group, {{topic, 0, 1}});

  ASSERT_TRUE(set.ok()) << set;
  EXPECT_THAT(asking.Describe(group, {topic})->positions, ElementsAre(Position{topic, 0, 1}));
  Receiver receiver;
  auto consumer = Consume(group, {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(2));
  EXPECT_THAT(receiver.values(), ElementsAre("1", "2"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, MovingAGroupForgetsWhatItSettledOutOfOrder) {
  if (!fixture_->moves_groups_that_had_members()) GTEST_SKIP() << "this backend cannot";
  Asking asking(broker());
  const std::string topic = NewTopic(1);
  const std::string group = UnusedName("group");
  PublishValues(topic, Numbers(0, 3));
  Receiver first;
  auto consumer = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(3));
  EXPECT_TRUE(consumer->Ack(first.received()[1].record.tag));
  ASSERT_TRUE(CloseAndWait(std::move(consumer)).ok());

  ASSERT_TRUE(asking.SetWhenEmpty(group, {{topic, 0, 0}}).ok());

  Receiver second;
  consumer = Consume(group, {topic}, second);
  ASSERT_TRUE(second.WaitForRecords(3));
  EXPECT_THAT(second.values(), ElementsAre("0", "1", "2"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, AGroupWithMembersIsNotMoved) {
  Asking asking(broker());
  const std::string topic = NewTopic(1);
  const std::string group = UnusedName("group");
  Receiver receiver;
  auto consumer = Consume(group, {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForAssigned(1));

  const absl::Status set = asking.Set(group, {{topic, 0, 0}});

  ASSERT_FALSE(set.ok());
  EXPECT_EQ(ReasonOf(set), Reason::kGroupActive);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, WhatIsNotAnsweredWhenItEndsIsDropped) {
  Asking asking(broker());
  const std::string topic = NewTopic(1);
  std::atomic<int> answers{0};

  for (int i = 0; i < 5; ++i) {
    (*asking).Describe(UnusedName("group"), {topic}, [&](const auto&) { ++answers; });
  }
  asking.End();

  EXPECT_LE(answers, 5);
}

}  // namespace
}  // namespace sidebus::contract
