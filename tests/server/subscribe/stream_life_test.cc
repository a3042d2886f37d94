#include "tests/server/subscribe/subscribe_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::SizeIs;

class StreamLifeTest : public SubscribeTest {
 protected:
  // How many held deliveries the drain left; nullopt while it goes on.
  std::shared_ptr<std::optional<std::size_t>> DrainAll(Duration grace = seconds(5)) {
    auto left = std::make_shared<std::optional<std::size_t>>();
    live_->Drain(grace, "test", DrainFor::kUntilResumed, [left](std::size_t n) {
      EXPECT_FALSE(left->has_value()) << "said once";
      *left = n;
    });
    Settle();
    return left;
  }
};

TEST_F(StreamLifeTest, HalfCloseEndsWithOkOnceEveryAckIsCommitted) {
  for (const char* data : {"a", "b"}) Order(data);
  const auto stream = OpenOrders();
  stream->Ack(1);

  stream->subscriber->HalfClosed();
  EXPECT_FALSE(stream->end.has_value());
  Settle();

  EXPECT_THAT(stream->end, Optional(absl::OkStatus()));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
  EXPECT_TRUE(stream->subscriber->Take(1, 1).empty());
}

TEST_F(StreamLifeTest, AFailedCommitEndsTheStreamWithItsError) {
  Order("a");
  const auto stream = OpenOrders();
  stream->Ack(1);
  broker_.FailCommits(1);

  stream->subscriber->HalfClosed();
  Settle();

  ASSERT_TRUE(stream->end.has_value());
  EXPECT_EQ(ReasonOf(*stream->end), Reason::kBrokerDown);
}

TEST_F(StreamLifeTest, AStreamWhoseAcksWereLostWithTheirPartitionDoesNotEndWithOk) {
  Order("a");
  const auto stream = OpenOrders();
  stream->Ack(1);
  broker_.Revoke("g", true);  // before the next commit
  Settle();
  EXPECT_THAT(stream->TakeData(), testing::ElementsAre("a", "a")) << "it came again";
  stream->Ack(2);
  Advance(seconds(1));

  stream->subscriber->HalfClosed();
  Settle();

  ASSERT_TRUE(stream->end.has_value());
  EXPECT_EQ(ReasonOf(*stream->end), Reason::kDeliveryRevoked);
}

TEST_F(StreamLifeTest, AcksThatWereLostBeforeItCameAreNoneOfAStreamsConcern) {
  Order("a");
  const auto first = OpenOrders();
  first->Ack(1);
  broker_.Revoke("g", true);
  Settle();
  const auto second = OpenOrders();

  second->subscriber->HalfClosed();
  Settle();

  EXPECT_EQ(second->end, absl::OkStatus());
}

TEST_F(StreamLifeTest, ADrainedStreamGetsNothingNewAndEndsWhenAllIsSettled) {
  for (const char* data : {"a", "b"}) Order(data);
  const auto stream = OpenOrders();
  stream->TakeBatch();

  stream->Drain();
  Order("c");
  Settle();
  stream->Ack(1);
  Settle();
  EXPECT_FALSE(stream->end.has_value());
  EXPECT_THAT(stream->batch, IsEmpty());

  stream->Ack(2);
  Settle();

  EXPECT_THAT(stream->end, Optional(absl::OkStatus()));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 2);
}

TEST_F(StreamLifeTest, ADrainedStreamAlsoEndsWhenTheLeasesRunOut) {
  Order("a");
  const auto stream = OpenOrders();
  stream->Drain();

  Advance(options_.lease);

  EXPECT_THAT(stream->end, Optional(absl::OkStatus()));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 0);
}

// Its end says that every ack is committed: one that comes too late for the commit is none.
TEST_F(StreamLifeTest, AnAckThatCameTooLateForTheFinalCommitIsRefused) {
  Order("a");
  const auto stream = OpenOrders();
  stream->Drain();
  broker_.HoldCommits(true);
  Advance(options_.lease);
  ASSERT_FALSE(stream->end.has_value());

  stream->Ack(1);
  Settle();
  EXPECT_THAT(stream->FailureReasons(), ElementsAre(Reason::kLeaseExpired));
  broker_.HoldCommits(false);
  Settle();

  EXPECT_THAT(stream->end, Optional(absl::OkStatus()));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 0);
}

TEST_F(StreamLifeTest, DrainGivesBackWhatWasNotSentYet) {
  Order("a");
  TestStream first;
  first.reads = false;
  ASSERT_TRUE(TryOpen(first, StartOf("g", {"order"})).ok());
  first.Pump();
  Order("b");
  Settle();
  const auto second = OpenOrders();

  first.Drain();
  Settle();

  EXPECT_THAT(second->TakeData(), ElementsAre("b"));
}

TEST_F(StreamLifeTest, TheLastStreamThatLeavesCleanlyLeavesTheGroupAtOnce) {
  auto stream = OpenOrders();
  EXPECT_EQ(broker_.Members("g"), 1u);

  stream->subscriber->HalfClosed();
  Settle();

  EXPECT_EQ(broker_.Members("g"), 0u);
}

TEST_F(StreamLifeTest, AVanishedStreamLeavesTheGroupAfterTheLinger) {
  auto stream = OpenOrders();

  stream.reset();
  Advance(options_.linger - milliseconds(1));
  EXPECT_EQ(broker_.Members("g"), 1u);

  Advance(milliseconds(1));
  EXPECT_EQ(broker_.Members("g"), 0u);
}

TEST_F(StreamLifeTest, AReconnectWithinTheLingerGoesOnWhereTheOldStreamWas) {
  for (const char* data : {"a", "b"}) Order(data);
  auto first = OpenOrders();
  first->Ack(1);
  first.reset();
  Advance(seconds(5));

  const auto second = OpenOrders();

  ASSERT_THAT(second->all, SizeIs(1));
  EXPECT_EQ(second->all[0].event->data, "b");
  EXPECT_EQ(second->all[0].interruptions, 1u);
  Advance(options_.linger * 2);
  EXPECT_EQ(broker_.Members("g"), 1u);
}

TEST_F(StreamLifeTest, LingeringSettlesNothing) {
  Order("a");
  auto stream = OpenOrders();
  stream.reset();
  Order("b");

  Advance(options_.linger * 2);

  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 0);
}

TEST_F(StreamLifeTest, ANewStreamWaitsForTheOldConsumerOfItsGroup) {
  Order("a");
  auto first = OpenOrders();
  first->subscriber->HalfClosed();
  broker_.Step();  // the commit is done, the group is not left
  time_.RunDue();

  TestStream second;
  auto opened = live_->Open(StartOf("g", {"order"}), second);
  ASSERT_TRUE(opened.ok());
  EXPECT_LE(broker_.Members("g"), 1u);
  second.subscriber = *std::move(opened);
  second.Pump();
  EXPECT_TRUE(second.started.has_value());
  while (broker_.Step()) {
    EXPECT_LE(broker_.Members("g"), 1u);
    time_.RunDue();
  }
  Settle();

  EXPECT_THAT(second.TakeData(), ElementsAre("a"));
}

TEST_F(StreamLifeTest, AStreamThatLeavesWhileItWaitsForTheOldConsumerIsFine) {
  auto first = OpenOrders();
  first->subscriber->HalfClosed();
  broker_.Step();
  TestStream second;
  auto opened = live_->Open(StartOf("g", {"order"}), second);
  ASSERT_TRUE(opened.ok());

  opened->reset();
  const auto third = OpenOrders();
  Order("a");
  Settle();

  EXPECT_THAT(third->TakeData(), ElementsAre("a"));
  EXPECT_EQ(broker_.Members("g"), 1u);
}

TEST_F(StreamLifeTest, AFailedConsumerEndsItsStreamsWithTheReason) {
  const auto first = OpenOrders();
  const auto second = OpenOrders();

  broker_.FailConsumers("g", MakeError(Reason::kMemberFenced, "replaced"));
  Settle();

  for (const auto* stream : {first.get(), second.get()}) {
    ASSERT_TRUE(stream->end.has_value());
    EXPECT_EQ(ReasonOf(*stream->end), Reason::kMemberFenced);
  }
  const auto third = OpenOrders();
  EXPECT_FALSE(third->end.has_value());
}

TEST_F(StreamLifeTest, AMissingTopicEndsTheStream) {
  SubscribeStart start;
  start.group = "g";
  start.topics = {"nowhere"};

  const auto stream = Open(start);

  ASSERT_TRUE(stream->end.has_value());
  EXPECT_EQ(ReasonOf(*stream->end), Reason::kTopicMissing);
}

TEST_F(StreamLifeTest, ItEndsAlsoInALiveGroupWhenNoneOfItsTopicsExists) {
  const auto other = OpenOrders();
  SubscribeStart start;
  start.group = "g";
  start.topics = {"nowhere", "nothing"};

  const auto first = Open(start);
  const auto second = Open(start);  // of which the group knows by now

  for (const auto* stream : {first.get(), second.get()}) {
    ASSERT_TRUE(stream->end.has_value());
    EXPECT_EQ(ReasonOf(*stream->end), Reason::kTopicMissing);
    EXPECT_THAT(std::string(stream->end->message()), HasSubstr("nowhere, nothing;"));
  }
  Order("a");
  Settle();
  EXPECT_THAT(other->TakeData(), ElementsAre("a"));
}

TEST_F(StreamLifeTest, AStreamWithoutATopicDoesNotEndTheWaitForOthersToComeBack) {
  auto vanished = OpenOrders();
  vanished.reset();
  SubscribeStart start;
  start.group = "g";
  start.topics = {"nowhere"};

  const auto stream = Open(start);

  ASSERT_TRUE(stream->end.has_value());
  EXPECT_EQ(ReasonOf(*stream->end), Reason::kTopicMissing);
  Advance(options_.linger - milliseconds(1));
  EXPECT_EQ(broker_.Members("g"), 1u);
  Advance(milliseconds(1));
  EXPECT_EQ(broker_.Members("g"), 0u);
}

TEST_F(StreamLifeTest, AMissingTopicBesideOthersIsToldAndWaitedFor) {
  SubscribeStart start;
  start.group = "g";
  start.topics = {"orders", "later"};

  const auto stream = Open(start);

  EXPECT_FALSE(stream->end.has_value());
  ASSERT_THAT(stream->heartbeats, SizeIs(1)) << "at once";
  EXPECT_THAT(stream->heartbeats[0].missing_topics, ElementsAre("later"));
  Order("a");
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
  broker_.CreateTopic("t-later", 1);
  Publish("t-later", "order", "b");
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
  Advance(options_.heartbeat);
  EXPECT_THAT(stream->heartbeats.back().missing_topics, IsEmpty());
}

TEST_F(StreamLifeTest, AcksThatNoBrokerTookAreLeftOverByADrain) {
  for (const char* data : {"a", "b", "c"}) Order(data);
  const auto stream = OpenOrders();
  stream->Ack(1);
  Advance(milliseconds(500));
  broker_.SetReachable(false);
  stream->Ack({2, 3});
  ASSERT_THAT(live_->Leftovers(), SizeIs(1));
  EXPECT_EQ(live_->Leftovers()[0].uncommitted, 2u) << "before the drain";

  const auto left = DrainAll();

  EXPECT_THAT(*left, Optional(0u));
  ASSERT_THAT(live_->Leftovers(), SizeIs(1)) << "after it";
  EXPECT_EQ(live_->Leftovers()[0].group, "g");
  EXPECT_EQ(live_->Leftovers()[0].unsettled, 0u);
  EXPECT_EQ(live_->Leftovers()[0].uncommitted, 2u);
  EXPECT_NE(live_->Leftovers()[0].why, "");

  live_->Drain(seconds(5), "the end after it", DrainFor::kGood, [](std::size_t) {});
  Settle();

  ASSERT_THAT(live_->Leftovers(), SizeIs(1)) << "nobody was told of these yet";
  EXPECT_EQ(live_->Leftovers()[0].uncommitted, 2u);
}

TEST_F(StreamLifeTest, NothingIsLeftOverWhenEveryAckIsCommitted) {
  for (const char* data : {"a", "b"}) Order(data);
  const auto stream = OpenOrders();
  broker_.Revoke("g", true);
  Settle();
  stream->Ack({3, 4});

  DrainAll();

  EXPECT_THAT(live_->Leftovers(), IsEmpty());
}

TEST_F(StreamLifeTest, WhoReadsLateIsToldWhatIsLeftOfTheDrain) {
  Order("a");
  const auto stream = OpenOrders();
  stream->reads = false;
  DrainAll();
  Advance(seconds(2));

  stream->Pump();

  ASSERT_TRUE(stream->draining.has_value());
  EXPECT_EQ(stream->draining->grace, seconds(3));
}

TEST_F(StreamLifeTest, DrainTellsTheStreamsAndWaitsForWhatTheyHold) {
  for (const char* data : {"a", "b"}) Order(data);
  const auto stream = OpenOrders();

  const auto left = DrainAll();
  ASSERT_TRUE(stream->draining.has_value());
  EXPECT_EQ(stream->draining->grace, seconds(5));
  EXPECT_EQ(stream->draining->reason, "test");
  EXPECT_FALSE(left->has_value());

  stream->Ack({1, 2});
  Settle();

  ASSERT_TRUE(stream->end.has_value());
  EXPECT_EQ(ReasonOf(*stream->end), Reason::kDraining);
  EXPECT_THAT(*left, Optional(0u));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 2);
  EXPECT_EQ(broker_.Members("g"), 0u);
}

TEST_F(StreamLifeTest, DrainGivesUpAfterItsGraceAndSettlesNothing) {
  for (const char* data : {"a", "b"}) Order(data);
  const auto stream = OpenOrders();
  const auto left = DrainAll();
  stream->Ack(1);

  Advance(seconds(5));

  EXPECT_THAT(*left, Optional(1u));
  EXPECT_EQ(ReasonOf(*stream->end), Reason::kDraining);
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
}

TEST_F(StreamLifeTest, DrainWithoutStreamsIsDoneAtOnce) {
  auto stream = OpenOrders();
  stream.reset();

  const auto left = DrainAll();

  EXPECT_THAT(*left, Optional(0u));
  EXPECT_EQ(broker_.Members("g"), 0u);
}

TEST_F(StreamLifeTest, NoStreamOpensDuringADrain) {
  DrainAll();
  TestStream stream;

  const absl::Status refused = TryOpen(stream, StartOf("g", {"order"}));

  EXPECT_EQ(ReasonOf(refused), Reason::kDraining);
}

TEST_F(StreamLifeTest, AHalfCloseDuringADrainStillEndsWithOk) {
  Order("a");
  Order("b");
  const auto stream = OpenOrders();
  const auto left = DrainAll();
  stream->Ack(1);

  stream->subscriber->HalfClosed();
  Settle();

  EXPECT_THAT(stream->end, Optional(absl::OkStatus()));
  EXPECT_THAT(*left, Optional(0u));
}

TEST_F(StreamLifeTest, AStreamMayOutliveTheSubscriptions) {
  Order("a");
  auto stream = OpenOrders();

  live_.reset();

  stream->Ack(1);
  stream->Extend(1);
  stream->subscriber->HalfClosed();
  Settle();
  stream.reset();
}

TEST_F(StreamLifeTest, NothingIsLeftRunningInTheEnd) {
  for (int i = 0; i < 20; ++i) {
    auto stream = OpenOrders();
    stream->subscriber->HalfClosed();
    Settle();
  }
  Advance(options_.linger + options_.lease);

  EXPECT_EQ(time_.waiting(), 0u);
  EXPECT_EQ(live_->streams(), 0u);
}

}  // namespace
}  // namespace sidebus
