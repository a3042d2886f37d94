#include "server/subscribe/memory_refusals.h"
#include "tests/server/subscribe/subscribe_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;
using testing::SizeIs;
using testing::UnorderedElementsAre;

using GroupsTest = SubscribeTest;

TEST_F(GroupsTest, StreamsOfAGroupShareItsEvents) {
  const auto first = OpenOrders();
  const auto second = OpenOrders();

  for (int i = 0; i < 10; ++i) Order(std::to_string(i));
  Settle();

  EXPECT_THAT(first->all, SizeIs(5)) << "most room first";
  EXPECT_THAT(second->all, SizeIs(5));
  EXPECT_EQ(broker_.Members("g"), 1u);
}

TEST_F(GroupsTest, GroupsEachGetEverything) {
  Order("a");

  const auto first = OpenOrders("one");
  const auto second = OpenOrders("two");

  EXPECT_THAT(first->TakeData(), ElementsAre("a"));
  EXPECT_THAT(second->TakeData(), ElementsAre("a"));
}

TEST_F(GroupsTest, AnEventGoesOnlyToStreamsThatNamedItsType) {
  const auto orders = Open(StartOf("g", {"order"}));
  const auto invoices = Open(StartOf("g", {"invoice"}));

  Order("o");
  Publish("t-orders", "invoice", "i1");
  Publish("t-invoices", "invoice", "i2");
  Settle();

  EXPECT_THAT(orders->TakeData(), ElementsAre("o"));
  EXPECT_THAT(invoices->TakeData(), UnorderedElementsAre("i1", "i2"));
}

TEST_F(GroupsTest, TopicsAloneMeanEveryTypeOnThem) {
  SubscribeStart start;
  start.group = "g";
  start.topics = {"orders"};
  const auto stream = Open(start);

  Order("o");
  Publish("t-orders", "invoice", "i");
  Publish("t-orders", "never.heard.of", "n");
  Settle();

  EXPECT_THAT(stream->TakeData(), UnorderedElementsAre("o", "i", "n"));
}

TEST_F(GroupsTest, AnEventThatNoStreamWantsIsSettledSilentlyAndCounted) {
  Publish("t-orders", "invoice", "i");
  Publish("t-orders", "never.heard.of", "n");
  Order("o");

  const auto stream = OpenOrders();
  EXPECT_THAT(stream->TakeData(), ElementsAre("o"));
  stream->Ack(1);

  EXPECT_EQ(Committed(), 3);
  const std::string text = registry_.Serialize();
  EXPECT_THAT(text, testing::HasSubstr(
                        R"(sidebus_unwanted_events_total{event_type="invoice",group="g"} 1)"));
  EXPECT_THAT(text, testing::HasSubstr(
                        R"(sidebus_unwanted_events_total{event_type="_unknown",group="g"} 1)"));
}

TEST_F(GroupsTest, AnEventWhoseTypeAStreamNamedLatelyWaitsForSuchAStream) {
  const auto orders = Open(StartOf("g", {"order"}));
  auto invoices = Open(StartOf("g", {"invoice"}));
  invoices.reset();
  Publish("t-orders", "invoice", "i");
  Advance(options_.linger - milliseconds(1));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 0);

  invoices = Open(StartOf("g", {"invoice"}));

  EXPECT_THAT(invoices->TakeData(), ElementsAre("i"));
}

TEST_F(GroupsTest, ATypeThatFirstComesWhileAStreamOfAllTypesIsAwayWaitsForIt) {
  SubscribeStart everything;
  everything.group = "g";
  everything.topics = {"orders"};
  const auto payments = Open(StartOf("g", {"payment"}));
  auto all = Open(everything);
  all.reset();
  Order("o");
  Publish("t-orders", "nobody's", "n");
  Advance(options_.linger - milliseconds(1));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 0);

  all = Open(everything);

  EXPECT_THAT(all->TakeData(), ElementsAre("o", "n"));
}

TEST_F(GroupsTest, AfterTheLingerTheWaitingEventIsSettledWithItsFollowers) {
  const auto orders = Open(StartOf("g", {"order"}));
  auto invoices = Open(StartOf("g", {"invoice"}));
  invoices.reset();
  Publish("t-orders", "invoice", "i1", "k");
  Publish("t-orders", "invoice", "i2", "k");
  Order("o", "k");
  Settle();
  EXPECT_THAT(orders->TakeData(), IsEmpty());

  Advance(options_.linger);

  EXPECT_THAT(orders->TakeData(), ElementsAre("o"));
  EXPECT_EQ(Committed(), 2);
}

TEST_F(GroupsTest, TheUnionOfTopicsIsReadAndShrinksAfterTheLinger) {
  const auto orders = Open(StartOf("g", {"order"}));
  auto payments = Open(StartOf("g", {"payment"}));
  Publish("t-payments", "payment", "p", std::nullopt, 1);
  Settle();
  EXPECT_THAT(payments->TakeData(), ElementsAre("p"));
  live_->UpdateMetrics();
  payments->Ack(1);
  payments->subscriber->HalfClosed();
  Settle();
  Publish("t-payments", "payment", "later");
  Advance(options_.linger);
  Advance(seconds(1));

  live_->UpdateMetrics();
  EXPECT_THAT(registry_.Serialize(),
              testing::HasSubstr(R"(sidebus_assigned_partitions{group="g",topic="payments"} 0)"));
  EXPECT_EQ(broker_.Committed("g", "t-payments", 0), 0) << "nothing of it was settled";
}

TEST_F(GroupsTest, OpeningAStreamWithTheSameTopicsCausesNoRebalance) {
  Order("a");
  const auto first = OpenOrders();

  const auto second = OpenOrders();

  EXPECT_THAT(first->revoked, IsEmpty());
  EXPECT_EQ(live_->held(), 1u);
}

TEST_F(GroupsTest, StreamsOfAGroupMustAgreeOnTheOrdering) {
  const auto first = OpenOrders();
  SubscribeStart start = StartOf("g", {"order"});
  start.ordering = Ordering::kUnordered;
  TestStream second;

  EXPECT_EQ(ReasonOf(TryOpen(second, start)), Reason::kGroupConflict);
}

TEST_F(GroupsTest, ALingeringSubscriptionOfAnotherOrderingIsReplaced) {
  Order("a", "k");
  Order("b", "k");
  auto first = OpenOrders();
  first.reset();
  SubscribeStart start = StartOf("g", {"order"});
  start.ordering = Ordering::kUnordered;

  const auto second = Open(start);

  EXPECT_THAT(second->TakeData(), ElementsAre("a", "b"));
  EXPECT_EQ(broker_.Members("g"), 1u);
}

TEST_F(GroupsTest, TopicsThatClientsMakeUpLeaveNothingBehind) {
  const auto stays = OpenOrders();
  for (int i = 0; i < 100; ++i) {
    SubscribeStart start = StartOf("g", {});
    start.topics = {"made-up-" + std::to_string(i)};
    Open(start).reset();
    Settle();
  }
  Advance(options_.linger);

  EXPECT_THAT(registry_.Serialize(), testing::Not(testing::HasSubstr("made-up")));
  Order("a");
  Settle();
  EXPECT_THAT(stays->TakeData(), ElementsAre("a"));
}

TEST_F(GroupsTest, TheManyHeadersOfARecordCountAgainstTheMemory) {
  Event event;
  event.id = "1";
  event.type = "order";
  event.source = "/test";
  event.headers.assign(10'000, Header{"h", std::nullopt});
  broker_.Append("t-orders", 0, EncodeCloudEvent(std::move(event), std::nullopt));
  const std::uint64_t before = budget_.used();

  const auto stream = OpenOrders();

  ASSERT_THAT(stream->batch, testing::SizeIs(1));
  EXPECT_GT(budget_.used() - before, 10'000 * sizeof(Header));
}

TEST_F(GroupsTest, RetryIsThatOfTheStreamThatHeldTheDelivery) {
  Order("a");
  SubscribeStart start = StartOf("g", {"order"});
  start.retry.max_attempts = 1;
  start.retry.on_exhausted = Exhausted::kSkip;
  const auto strict = Open(start);
  const auto patient = OpenOrders();

  strict->Refuse(1);

  EXPECT_EQ(Committed(), 1);
}

TEST_F(GroupsTest, StartFromLatestSkipsWhatIsThereOnce) {
  Order("before");
  SubscribeStart start = StartOf("g", {"order"});
  start.start = StartPosition{.at = StartPosition::At::kLatest, .positions = {}};
  auto stream = Open(start);
  EXPECT_THAT(stream->all, IsEmpty());
  stream->subscriber->HalfClosed();
  Settle();
  stream.reset();
  Order("while away");

  const auto again = Open(start);

  EXPECT_THAT(again->TakeData(), ElementsAre("while away"));
}

TEST_F(GroupsTest, TooManyStreamsAreRefused) {
  options_.max_streams = 2;
  Restart();
  const auto first = OpenOrders();
  auto second = OpenOrders();
  TestStream third;

  const absl::Status refused = TryOpen(third, StartOf("g", {"order"}));
  EXPECT_EQ(ReasonOf(refused), Reason::kTooManyStreams);
  EXPECT_EQ(DetailsOf(refused)->metadata.at("limit"), "limits.max_streams");

  second.reset();
  EXPECT_TRUE(TryOpen(third, StartOf("g", {"order"})).ok());
}

TEST_F(GroupsTest, TooManyGroupsAreRefused) {
  options_.max_subscriptions = 1;
  Restart();
  const auto first = OpenOrders("one");
  TestStream second;

  EXPECT_EQ(ReasonOf(TryOpen(second, StartOf("two", {"order"}))), Reason::kTooManyStreams);
  EXPECT_EQ(live_->streams(), 1u);
}

TEST_F(GroupsTest, AGroupForWhichNoMemoryIsLeftIsRefused) {
  budget_.Take(kMemory);
  TestStream stream;

  EXPECT_EQ(ReasonOf(TryOpen(stream, StartOf("g", {"order"}))), Reason::kMemoryBudget);
  EXPECT_EQ(live_->streams(), 0u);
}

class RefusedGroupTest : public GroupsTest {
 protected:
  // The consumer of the group found that its partitions do not fit.
  void RefuseForMemory(const std::string& group, std::vector<std::string> types) {
    const auto stream = Open(StartOf(group, std::move(types)));
    broker_.FailConsumers(group, MakeError(Reason::kMemoryBudget, "so many partitions"));
    Settle();
    ASSERT_TRUE(stream->end.has_value());
    ASSERT_EQ(ReasonOf(*stream->end), Reason::kMemoryBudget);
  }

  absl::Status OpenAgain(const std::string& group, std::vector<std::string> types) {
    TestStream stream;
    return TryOpen(stream, StartOf(group, std::move(types)));
  }
};

TEST_F(RefusedGroupTest, IsToldSoAtOnceWhenItComesBack) {
  RefuseForMemory("g", {"order"});

  const absl::Status told = OpenAgain("g", {"order"});

  EXPECT_EQ(ReasonOf(told), Reason::kMemoryBudget);
  EXPECT_EQ(told.message(), "so many partitions");
  EXPECT_EQ(ReasonOf(OpenAgain("g", {"order", "payment"})), Reason::kMemoryBudget) << "needs more";
  EXPECT_EQ(live_->streams(), 0u);
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(RefusedGroupTest, IsTriedAgainAfterAWhile) {
  RefuseForMemory("g", {"order"});

  Advance(MemoryRefusals::kKept - std::chrono::milliseconds(1));
  EXPECT_FALSE(OpenAgain("g", {"order"}).ok());
  Advance(std::chrono::milliseconds(1));

  EXPECT_TRUE(OpenAgain("g", {"order"}).ok());
}

TEST_F(RefusedGroupTest, IsTriedAgainAtOnceWhenAnotherGroupHasMadeRoom) {
  auto other = OpenOrders("other");
  RefuseForMemory("g", {"order"});
  EXPECT_FALSE(OpenAgain("g", {"order"}).ok());

  other->subscriber->HalfClosed();
  Settle();
  other.reset();

  EXPECT_TRUE(OpenAgain("g", {"order"}).ok());
}

TEST_F(RefusedGroupTest, IsTriedAgainAtOnceWithOtherTopics) {
  RefuseForMemory("g", {"order", "payment"});

  EXPECT_TRUE(OpenAgain("g", {"order"}).ok());
}

TEST_F(RefusedGroupTest, IsNoReasonToRefuseAnother) {
  RefuseForMemory("g", {"order"});

  EXPECT_TRUE(OpenAgain("another", {"order"}).ok());
}

TEST_F(GroupsTest, EveryGroupThatIsAllowedFitsIntoTheMemory) {
  std::vector<std::unique_ptr<TestStream>> streams;
  for (std::uint32_t i = 0; i < options_.max_subscriptions; ++i) {
    streams.push_back(OpenOrders("group" + std::to_string(i)));
  }
  EXPECT_LT(budget_.used(), kMemory);
}

TEST_F(GroupsTest, BroadcastStreamsEachGetTheirOwnCopyFromNowOn) {
  Order("before");
  const auto first = OpenOrders("");
  const auto second = OpenOrders("");

  Order("a");
  Settle();

  EXPECT_THAT(first->TakeData(), ElementsAre("a"));
  EXPECT_THAT(second->TakeData(), ElementsAre("a"));
}

TEST_F(GroupsTest, BroadcastBeginsAtGivenPositions) {
  for (const char* data : {"a", "b", "c"}) Order(data);
  SubscribeStart start = StartOf("", {"order"});
  start.topics = {"orders"};
  start.start = StartPosition{.at = StartPosition::At::kPositions, .positions = {{"orders", 0, 2}}};

  const auto stream = Open(start);

  EXPECT_THAT(stream->TakeData(), ElementsAre("c"));
}

TEST_F(GroupsTest, BroadcastSkipsWhatIsExhaustedRejectedOrUndecodable) {
  const auto stream = OpenOrders("");
  broker_.Append("t-orders", 0, Record{.key = "k", .value = "no event", .headers = {}});
  Order("a", "k");
  Order("b", "k");
  Order("c", "k");
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));

  stream->Refuse(1, Nack::Action::kReject);
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
  for (std::uint64_t id = 2; id < 7; ++id) {
    stream->Refuse(id);
    Advance(seconds(40));
  }

  EXPECT_EQ(stream->TakeData().back(), "c");
}

TEST_F(GroupsTest, ABroadcastStreamThatLeavesLeavesNothingBehind) {
  auto stream = OpenOrders("");
  stream.reset();
  Settle();

  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_EQ(live_->streams(), 0u);
}

TEST_F(GroupsTest, TooManyBroadcastStreamsAreRefused) {
  options_.max_broadcast_streams = 1;
  Restart();
  const auto first = OpenOrders("");
  TestStream second;

  EXPECT_EQ(ReasonOf(TryOpen(second, StartOf("", {"order"}))), Reason::kTooManyStreams);
}

}  // namespace
}  // namespace sidebus
