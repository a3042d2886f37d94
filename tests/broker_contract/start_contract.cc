// Where a consumer begins.

#include <gmock/gmock.h>

#include "server/base/error.h"
#include "tests/broker_contract/contract.h"

namespace sidebus::contract {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;

TEST_P(BrokerContract, BroadcastBeginsAtTheGivenPositions) {
  const std::string topic = NewTopic(1);
  PublishValues(topic, Numbers(0, 10));
  Receiver receiver;
  StartPosition start;
  start.at = StartPosition::At::kPositions;
  start.positions = {{topic, 0, 7}};

  auto consumer = Consume("", {topic}, receiver, start);

  ASSERT_TRUE(receiver.WaitForRecords(3));
  EXPECT_THAT(receiver.values(), ElementsAre("7", "8", "9"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, APositionBeyondTheEndIsReadFromTheBeginning) {
  const std::string topic = NewTopic(2);
  PublishValues(topic, Numbers(0, 20));
  Receiver receiver;
  StartPosition start;
  start.at = StartPosition::At::kPositions;
  start.positions = {{topic, 0, 1000}, {topic, 1, 1000}};

  auto consumer = Consume("", {topic}, receiver, start);

  ASSERT_TRUE(receiver.WaitForRecords(20));
  PublishValues(topic, Numbers(20, 40));
  ASSERT_TRUE(receiver.WaitForRecords(40));
  EXPECT_THAT(receiver.values(), UnorderedElementsAreArray(Numbers(0, 40)));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), IsEmpty());
}

TEST_P(BrokerContract, ATopicThatIsAddedToALatestGroupBeginsAtItsEnd) {
  const std::string a = NewTopic(1);
  const std::string b = NewTopic(1);
  PublishValues(b, {"before"});
  Receiver receiver;
  StartPosition latest;
  latest.at = StartPosition::At::kLatest;
  auto consumer = Consume(UnusedName("group"), {a}, receiver, latest);
  ASSERT_TRUE(receiver.WaitForAssigned(1));

  consumer->SetTopics({a, b});
  ASSERT_TRUE(receiver.WaitForAssigned(2));
  PublishValues(b, {"after"});

  ASSERT_TRUE(receiver.WaitForRecords(1));
  EXPECT_THAT(receiver.values(), ElementsAre("after"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, ItIsToldWhichOfItsTopicsAreMissingUntilTheyAreThere) {
  const std::string there = NewTopic(1);
  const std::string later = UnusedName("later");
  Receiver receiver;

  auto consumer = Consume(UnusedName("group"), {there, later}, receiver);

  const TopicsSeen one_is_missing{{there}, {later}};
  EXPECT_TRUE(receiver.WaitUntil([&](const Receiver& r) { return r.seen() == one_is_missing; }));
  ASSERT_TRUE(receiver.WaitForAssigned(1));
  fixture_->CreateTopic(later, 1);
  const TopicsSeen none_is_missing{{there, later}, {}};
  EXPECT_TRUE(receiver.WaitUntil([&](const Receiver& r) { return r.seen() == none_is_missing; }));
  EXPECT_TRUE(receiver.WaitForAssigned(2));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), IsEmpty());
}

TEST_P(BrokerContract, TopicsThatAreSetWhileItIsStartingAreReadFromTheirStart) {
  const std::string a = NewTopic(1);
  const std::string b = NewTopic(1);
  PublishValues(a, {"before"});
  PublishValues(b, {"before"});
  Receiver receiver;
  StartPosition latest;
  latest.at = StartPosition::At::kLatest;

  auto consumer = Consume(UnusedName("group"), {a}, receiver, latest);
  consumer->SetTopics({a, b});
  ASSERT_TRUE(receiver.WaitForAssigned(2));
  PublishValues(a, {"after"});
  PublishValues(b, {"after"});

  ASSERT_TRUE(receiver.WaitForRecords(2));
  EXPECT_THAT(receiver.values(), ElementsAre("after", "after"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, ANewPartitionBeginsAtItsBeginningAlsoForLatest) {
  const std::string topic = NewTopic(1);
  Receiver receiver;
  StartPosition latest;
  latest.at = StartPosition::At::kLatest;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver, latest);
  ASSERT_TRUE(receiver.WaitForAssigned(1));

  if (!fixture_->AddPartitions(topic, 3)) GTEST_SKIP() << "this backend cannot add partitions";
  for (int key = 0; key < 30; ++key) {
    PublishValues(topic, Numbers(key * 10, key * 10 + 10), std::to_string(key));
  }

  ASSERT_TRUE(receiver.WaitForAssigned(3));
  // What was delivered before the rebalance comes again.
  EXPECT_TRUE(receiver.WaitUntil([](const Receiver& r) { return r.Distinct().size() == 300; }));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, LatestBeginsAtTheEndOnce) {
  const std::string topic = NewTopic(1);
  const std::string group = UnusedName("group");
  PublishValues(topic, {"before"});
  Receiver first;
  StartPosition latest;
  latest.at = StartPosition::At::kLatest;
  auto consumer = Consume(group, {topic}, first, latest);
  ASSERT_TRUE(first.WaitForAssigned(1));
  ASSERT_TRUE(CloseAndWait(std::move(consumer)).ok());
  PublishValues(topic, {"while down"});

  Receiver second;
  consumer = Consume(group, {topic}, second, latest);

  ASSERT_TRUE(second.WaitForRecords(1));
  EXPECT_THAT(first.values(), IsEmpty());
  EXPECT_THAT(second.values(), ElementsAre("while down"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, StartByTimeBeginsAtTheFirstRecordOfThatTimeOrIsRefused) {
  const std::string topic = NewTopic(1);
  PublishValues(topic, {"old"});
  StartPosition start;
  start.at = StartPosition::At::kTime;
  start.time = SystemTime(std::chrono::system_clock::now().time_since_epoch());
  const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  while (std::chrono::steady_clock::now() < later) std::this_thread::yield();
  PublishValues(topic, {"new"});
  Receiver receiver;

  if (!fixture_->finds_offsets_by_time()) {
    ConsumerOptions options;
    options.group = UnusedName("group");
    options.topics = {topic};
    options.start = start;
    const auto refused = broker().MakeConsumer(options, receiver);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(ReasonOf(refused.status()), Reason::kNotSupported);
    return;
  }
  start.time += std::chrono::milliseconds(10);
  auto consumer = Consume(UnusedName("group"), {topic}, receiver, start);
  ASSERT_TRUE(receiver.WaitForRecords(1));
  EXPECT_THAT(receiver.values(), ElementsAre("new"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, StartByATimeBeforeEverythingBeginsAtTheBeginning) {
  if (!fixture_->finds_offsets_by_time()) GTEST_SKIP() << "this backend cannot";
  const std::string topic = NewTopic(1);
  PublishValues(topic, Numbers(0, 3));
  Receiver receiver;
  StartPosition start;
  start.at = StartPosition::At::kTime;
  start.time = SystemTime(std::chrono::milliseconds(-1));  // as a number of ms: the end

  auto consumer = Consume(UnusedName("group"), {topic}, receiver, start);

  ASSERT_TRUE(receiver.WaitForRecords(3));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, ATopicThatAppearsLaterBeginsAtItsBeginningAlsoForLatest) {
  const std::string exists = NewTopic(1);
  const std::string appears = UnusedName("appears");
  Receiver receiver;
  StartPosition latest;
  latest.at = StartPosition::At::kLatest;
  auto consumer = Consume(UnusedName("group"), {exists, appears}, receiver, latest);
  ASSERT_TRUE(receiver.WaitForAssigned(1));

  fixture_->CreateTopic(appears, 1);
  PublishValues(appears, {"first"});

  ASSERT_TRUE(receiver.WaitForRecords(1));
  EXPECT_THAT(receiver.values(), ElementsAre("first"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, FailsWhenNoneOfTheTopicsExists) {
  Receiver receiver;

  auto consumer = Consume(UnusedName("group"), {UnusedName("missing")}, receiver);

  ASSERT_TRUE(receiver.WaitUntil([](const Receiver& r) { return !r.failure().ok(); }));
  EXPECT_EQ(ReasonOf(receiver.failure()), Reason::kTopicMissing);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

}  // namespace
}  // namespace sidebus::contract
