#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "server/base/error.h"
#include "tests/broker_contract/contract.h"

namespace sidebus::contract {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using testing::UnorderedElementsAreArray;

TEST_P(BrokerContract, EveryRecordIsDelivered) {
  const std::string topic = NewTopic(2);
  PublishValues(topic, Numbers(0, 1000));
  Receiver receiver;

  auto consumer = Consume(UnusedName("group"), {topic}, receiver);

  ASSERT_TRUE(receiver.WaitForRecords(1000));
  EXPECT_THAT(receiver.values(), UnorderedElementsAreArray(Numbers(0, 1000)));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), IsEmpty());
}

TEST_P(BrokerContract, TheNextConsumerGetsExactlyWhatWasNotAcked) {
  const std::string topic = NewTopic(1);
  const std::string group = UnusedName("group");
  PublishValues(topic, Numbers(0, 10));
  Receiver first;
  auto consumer = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(10));
  for (const int acked : {0, 1, 2, 5, 7}) {
    EXPECT_TRUE(consumer->Ack(first.received()[static_cast<std::size_t>(acked)].record.tag));
  }
  ASSERT_TRUE(CloseAndWait(std::move(consumer)).ok());

  Receiver second;
  consumer = Consume(group, {topic}, second);

  ASSERT_TRUE(second.WaitForRecords(5));
  EXPECT_THAT(second.values(), ElementsAre("3", "4", "6", "8", "9"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(second.breaches(), IsEmpty());
}

TEST_P(BrokerContract, WhatWasCommittedSurvivesACrash) {
  const std::string topic = NewTopic(1);
  const std::string group = UnusedName("group");
  PublishValues(topic, Numbers(0, 5));
  Receiver first;
  auto consumer = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(5));
  for (const int acked : {0, 1}) {
    ASSERT_TRUE(consumer->Ack(first.received()[static_cast<std::size_t>(acked)].record.tag));
  }

  ASSERT_TRUE(CommitAll(*consumer).ok());
  EXPECT_GE(consumer->stats().commits_ok, 1u);
  EXPECT_GT(consumer->stats().last_commit, SystemTime{});
  ASSERT_TRUE(consumer->Ack(first.received()[2].record.tag));
  consumer.reset();

  Receiver second;
  consumer = Consume(group, {topic}, second);
  ASSERT_TRUE(second.WaitUntil([](const Receiver& r) { return r.count() >= 2; }));
  const std::string next = second.values().front();
  EXPECT_TRUE(next == "2" || next == "3") << next;  // the last ack may have been committed in time
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, CommitsWithoutBeingAsked) {
  const std::string topic = NewTopic(1);
  PublishValues(topic, Numbers(0, 3));
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(3));

  ASSERT_TRUE(consumer->Ack(receiver.received()[0].record.tag));

  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (consumer->stats().commits_ok == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_GE(consumer->stats().commits_ok, 1u);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, ASecondAckIsFalse) {
  const std::string topic = NewTopic(1);
  PublishValues(topic, {"a"});
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(1));
  const DeliveryTag tag = receiver.received()[0].record.tag;

  EXPECT_TRUE(consumer->Ack(tag));
  EXPECT_FALSE(consumer->Ack(tag));

  EXPECT_FALSE(consumer->Ack({tag.assignment, tag.offset + 1}));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, TwoConsumersOfOneGroupShareThePartitionsAndTagsOfTheOldOnesAreStale) {
  const std::string topic = NewTopic(2);
  const std::string group = UnusedName("group");
  PublishValues(topic, Numbers(0, 100));
  Receiver first;
  auto one = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(100));
  const DeliveryTag old = first.received()[50].record.tag;
  Receiver second;

  auto two = Consume(group, {topic}, second);

  ASSERT_TRUE(second.WaitForAssigned(1));
  ASSERT_TRUE(first.WaitForAssigned(1));
  const auto still_held = first.assigned();
  if (std::find(still_held.begin(), still_held.end(), old.assignment) == still_held.end()) {
    EXPECT_FALSE(one->Ack(old));
  }
  EXPECT_EQ(one->stats().topics.at(topic).partitions, 1u);
  EXPECT_GE(one->stats().revoked, 1u);
  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());
  ASSERT_TRUE(second.WaitForAssigned(2));
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
  EXPECT_THAT(first.breaches(), IsEmpty());
  EXPECT_THAT(second.breaches(), IsEmpty());
}

TEST_P(BrokerContract, AfterAHandOverNothingThatWasAckedComesAgainAndNothingIsMissing) {
  const std::string topic = NewTopic(2);
  const std::string group = UnusedName("group");
  PublishValues(topic, Numbers(0, 200));
  Receiver first;
  auto one = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(200));
  for (const auto& received : first.received()) ASSERT_TRUE(one->Ack(received.record.tag));
  if (!fixture_->commits_while_rebalancing()) {
    ASSERT_TRUE(CommitAll(*one).ok());
  }
  Receiver second;

  auto two = Consume(group, {topic}, second);
  ASSERT_TRUE(second.WaitForAssigned(1));
  ASSERT_TRUE(first.WaitForAssigned(1));
  PublishValues(topic, Numbers(200, 300));

  const auto all = [&] { return first.values().size() + second.values().size(); };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (all() < 300 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  std::vector<std::string> values = first.values();
  for (const std::string& value : second.values()) values.push_back(value);
  EXPECT_THAT(values, UnorderedElementsAreArray(Numbers(0, 300)));
  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
}

TEST_P(BrokerContract, TwoGroupsEachGetAll) {
  const std::string topic = NewTopic();
  PublishValues(topic, Numbers(0, 50));
  Receiver first;
  Receiver second;

  auto one = Consume(UnusedName("group"), {topic}, first);
  auto two = Consume(UnusedName("group"), {topic}, second);

  EXPECT_TRUE(first.WaitForRecords(50));
  EXPECT_TRUE(second.WaitForRecords(50));
  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
}

TEST_P(BrokerContract, BroadcastGetsAllPartitionsAndCommitsNothing) {
  const std::string topic = NewTopic(3);
  PublishValues(topic, Numbers(0, 30));
  Receiver first;
  auto one = Consume("", {topic}, first);
  Receiver second;
  auto two = Consume("", {topic}, second);
  ASSERT_TRUE(first.WaitForRecords(30));
  ASSERT_TRUE(second.WaitForRecords(30));
  for (const auto& received : first.received()) EXPECT_TRUE(one->Ack(received.record.tag));
  EXPECT_TRUE(CommitAll(*one).ok());
  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());

  Receiver third;
  auto again = Consume("", {topic}, third);

  EXPECT_TRUE(third.WaitForRecords(30));
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
  EXPECT_TRUE(CloseAndWait(std::move(again)).ok());
  EXPECT_THAT(first.assigned(), IsEmpty());
  EXPECT_THAT(third.breaches(), IsEmpty());
}

TEST_P(BrokerContract, AManyTimesLargerBacklogThanTheBufferIsDelivered) {
  const std::string topic = NewTopic(2);
  const std::vector<std::string> values(3000, std::string(1000, 'x'));
  PublishValues(topic, values);
  Receiver receiver;
  receiver.SetRoom({50, 20'000});

  auto consumer = Consume(UnusedName("group"), {topic}, receiver, {}, 256 << 10);

  ASSERT_TRUE(receiver.WaitForRecords(values.size()));
  EXPECT_EQ(receiver.values().size(), values.size());
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), IsEmpty());
}

TEST_P(BrokerContract, APartitionWithoutRoomDoesNotStopTheOthers) {
  const std::string topic = NewTopic(2);
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForAssigned(2));
  const AssignmentId full = receiver.assigned()[0];
  receiver.Fill(full);
  for (int key = 0; key < 20; ++key) {
    PublishValues(topic, Numbers(key * 10, key * 10 + 10), std::to_string(key));
  }

  // What goes to the other one arrives, then the rest.
  ASSERT_TRUE(receiver.WaitUntil([](const Receiver& r) { return r.count() > 0; }));
  for (const auto& received : receiver.received()) {
    EXPECT_NE(received.record.tag.assignment, full);
  }
  receiver.Fill({});
  consumer->RoomReturned(full);
  ASSERT_TRUE(receiver.WaitForRecords(200));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), IsEmpty());
}

TEST_P(BrokerContract, ARecordIsDeliveredSoonAfterItsArrivalThoughNothingElseHappens) {
  const std::string topic = NewTopic(1);
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForAssigned(1));
  PublishValues(topic, {"warm"});
  ASSERT_TRUE(receiver.WaitForRecords(1));
  std::vector<std::chrono::steady_clock::duration> waits;

  for (std::size_t i = 2; i <= 21; ++i) {
    PublishValues(topic, {"x"});
    const auto written = std::chrono::steady_clock::now();
    ASSERT_TRUE(receiver.WaitForRecords(i));
    waits.push_back(std::chrono::steady_clock::now() - written);
  }

  // The median: a busy machine may hold up some.
  std::sort(waits.begin(), waits.end());
  EXPECT_LT(waits[waits.size() / 2], std::chrono::milliseconds(25));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, SetTopicsAddsAndTakesAway) {
  const std::string a = NewTopic(1);
  const std::string b = NewTopic(1);
  PublishValues(a, {"a1"});
  PublishValues(b, {"b1"});
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {a}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(1));
  ASSERT_TRUE(consumer->Ack(receiver.received()[0].record.tag));

  consumer->SetTopics({a, b});
  ASSERT_TRUE(receiver.WaitForAssigned(2));
  ASSERT_TRUE(receiver.WaitUntil([](const Receiver& r) { return r.count() >= 2; }));
  EXPECT_THAT(receiver.values(), UnorderedElementsAre("a1", "b1"));

  consumer->SetTopics({b});
  ASSERT_TRUE(receiver.WaitUntil([&](const Receiver& r) {
    return r.held().size() == 1 && r.held().begin()->second.first == b;
  }));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), IsEmpty());
}

TEST_P(BrokerContract, MorePartitionsDoNotMeanThatMoreIsFetchedAhead) {
  constexpr std::uint64_t kBuffer = 1 << 20;
  const std::string a = NewTopic(1);
  const std::string b = NewTopic(7);
  PublishValues(a, {"a1"});
  for (int key = 0; key < 50; ++key) PublishValues(b, {std::to_string(key)}, std::to_string(key));
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {a}, receiver, {}, kBuffer);
  ASSERT_TRUE(receiver.WaitForRecords(1));
  ASSERT_TRUE(consumer->Ack(receiver.received()[0].record.tag));
  ASSERT_TRUE(CommitAll(*consumer).ok());

  consumer->SetTopics({a, b});

  ASSERT_TRUE(receiver.WaitForAssigned(8));
  EXPECT_LE(consumer->stats().fetch_bytes, kBuffer);
  PublishValues(a, {"a2"});
  ASSERT_TRUE(receiver.WaitUntil([](const Receiver& r) { return r.count() >= 52; }));
  std::vector<std::string> wanted = Numbers(0, 50);
  wanted.insert(wanted.end(), {"a1", "a2"});
  EXPECT_THAT(receiver.values(), UnorderedElementsAreArray(wanted));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), IsEmpty());
}

TEST_P(BrokerContract, NoRoomStopsAndReturnedRoomResumes) {
  const std::string topic = NewTopic(1);
  PublishValues(topic, Numbers(0, 20));
  Receiver receiver;
  receiver.SetRoom({0, 0});
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForAssigned(1));
  EXPECT_THAT(receiver.values(), IsEmpty());

  receiver.SetRoom({1'000, 1'000'000});
  consumer->RoomReturned(receiver.assigned()[0]);

  ASSERT_TRUE(receiver.WaitForRecords(20));
  EXPECT_THAT(receiver.values(), ElementsAreArray(Numbers(0, 20)));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, ABatchIsNeverLargerThanTheRoom) {
  const std::string topic = NewTopic(1);
  PublishValues(topic, Numbers(0, 100));
  Receiver receiver;
  receiver.SetRoom({7, 1'000'000});

  auto consumer = Consume(UnusedName("group"), {topic}, receiver);

  ASSERT_TRUE(receiver.WaitForRecords(100));
  EXPECT_LE(receiver.largest_batch(), 7u);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), IsEmpty());
}

TEST_P(BrokerContract, TheRecordThatCrossesTheRoomInBytesIsTheLastOfItsBatch) {
  const std::string topic = NewTopic(1);
  PublishValues(topic, std::vector<std::string>(20, std::string(1000, 'x')));
  Receiver receiver;
  receiver.SetRoom({1'000, 2'500});

  auto consumer = Consume(UnusedName("group"), {topic}, receiver);

  ASSERT_TRUE(receiver.WaitForRecords(20));
  EXPECT_LE(receiver.largest_batch(), 3u);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, CloseRevokesEverythingAndAcksAreStaleAfterIt) {
  const std::string topic = NewTopic(2);
  PublishValues(topic, Numbers(0, 10));
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(10));
  const DeliveryTag tag = receiver.received()[0].record.tag;
  std::atomic<bool> closed{false};
  absl::Status status = absl::UnknownError("not called");
  Mutex mu;
  CondVar changed;

  consumer->Close([&](absl::Status s) {
    MutexLock lock(mu);
    status = std::move(s);
    closed = true;
    changed.NotifyAll();
  });

  {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    MutexLock lock(mu);
    while (!closed && changed.WaitUntil(mu, deadline)) {
    }
    ASSERT_TRUE(closed);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  EXPECT_THAT(receiver.assigned(), IsEmpty());
  EXPECT_FALSE(consumer->Ack(tag));
}

TEST_P(BrokerContract, ClosingAtOnceIsFine) {
  const std::string topic = NewTopic();
  Receiver receiver;

  auto consumer = Consume(UnusedName("group"), {topic}, receiver);

  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.assigned(), IsEmpty());
}

TEST_P(BrokerContract, LagIsWhatIsNotAcked) {
  const std::string topic = NewTopic(1);
  PublishValues(topic, Numbers(0, 10));
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(10));
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(consumer->Ack(receiver.received()[static_cast<std::size_t>(i)].record.tag));
  }

  EXPECT_EQ(consumer->stats().topics.at(topic).lag_events, 6u);

  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

}  // namespace
}  // namespace sidebus::contract
