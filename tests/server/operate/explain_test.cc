// What operators are told of groups, and how they settle a head.

#include "server/base/log.h"
#include "tests/server/operate/operate_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr auto kReject = Nack::Action::kReject;

class ExplainTest : public OperateTest {
 protected:
  // Three events of key k, the first one held; one of another key that is settled above it.
  std::unique_ptr<TestStream> HoldHead(SubscribeStart start = StartOf("g", {"order"})) {
    for (const char* data : {"a", "b", "c"}) Order(data, "k");
    Order("d", "other");
    auto stream = Open(std::move(start));
    EXPECT_THAT(stream->TakeData(), ElementsAre("a", "d"));
    stream->Ack(2);
    Advance(milliseconds(500));
    return stream;
  }

  // How often the log said so of an action.
  static std::uint64_t LoggedAs(const std::string& action) {
    std::uint64_t times = 0;
    for (const Problem& problem : LatestProblems()) {
      if (problem.what != "an operator settles the head of a partition") continue;
      if (problem.fields.find("action=" + action) != std::string::npos) times += problem.times;
    }
    return times;
  }

  // The first delivery.
  static void Fail(TestStream& stream, Nack::Action action, const std::string& reason) {
    Nack nack;
    nack.delivery_id = 1;
    nack.action = action;
    nack.reason = reason;
    stream.Settle(nack);
  }
};

TEST_F(ExplainTest, TheHeadIsTheFirstUnsettledRecordWithWhatHoldsItBack) {
  const auto stream = HoldHead();
  Advance(seconds(3));

  const PartitionState state = ExplainOrders();

  EXPECT_EQ(state.partition, 0);
  EXPECT_EQ(state.owner, "this gateway");
  EXPECT_EQ(state.committed, 0);
  EXPECT_EQ(state.end, 4);
  EXPECT_EQ(state.held, 1u);
  EXPECT_EQ(state.settled_above, 1u);
  EXPECT_EQ(state.held_back, 0u);
  EXPECT_EQ(state.oldest_unsettled, milliseconds(3500));
  ASSERT_TRUE(state.head.has_value());
  EXPECT_EQ(state.head->offset, 0);
  EXPECT_EQ(state.head->attempt, 1u);
  EXPECT_EQ(state.head->state, RecordState::kHeld);
  EXPECT_THAT(state.head->last_error, IsEmpty());
}

TEST_F(ExplainTest, AWaitingHeadShowsItsNextAttemptAndWhyTheLastOneFailed) {
  const auto stream = HoldHead();

  Fail(*stream, Nack::Action::kRetry, "no stock");

  const PartitionState state = ExplainOrders();
  EXPECT_EQ(state.head->state, RecordState::kWaiting);
  EXPECT_EQ(state.head->attempt, 2u);
  EXPECT_EQ(state.head->last_error, "no stock");
  EXPECT_EQ(state.held_back, 1u);
}

TEST_F(ExplainTest, TheReasonIsCutAndStaysTextThatAClientTakes) {
  const auto stream = HoldHead();

  Fail(*stream, Nack::Action::kRetry, std::string(1023, 'x') + "\xc3\xa4 and more");

  EXPECT_EQ(ExplainOrders().head->last_error, std::string(1023, 'x') + "?");
}

TEST_F(ExplainTest, AHaltedHeadKeepsTheReasonOfItsRejection) {
  const auto stream = HoldHead();

  Fail(*stream, kReject, "broken");

  const PartitionState state = ExplainOrders();
  EXPECT_EQ(state.head->state, RecordState::kHalted);
  EXPECT_EQ(state.head->last_error, "broken");
  EXPECT_EQ(state.held_back, 1u);
}

TEST_F(ExplainTest, ARecordThatIsNoEventIsAHaltedHeadWithTheDecodersWords) {
  broker_.Append("t-orders", 0, Record{.key = "k", .value = "no event", .headers = {}});
  const auto stream = OpenOrders();

  const PartitionState state = ExplainOrders();

  EXPECT_EQ(state.head->state, RecordState::kHalted);
  EXPECT_THAT(state.head->last_error, HasSubstr("ce_"));
}

TEST_F(ExplainTest, WhatRetentionTookIsShownWithWhereReadingWentOn) {
  auto stream = HoldHead();
  stream->subscriber->HalfClosed();
  Settle();
  Order("e");
  broker_.Expire("t-orders", 0, 4);  // d, at 3, is settled

  stream = OpenOrders();

  EXPECT_THAT(stream->TakeData(), ElementsAre("e"));
  EXPECT_EQ(ExplainOrders().lost, (RetentionLoss{.events = 3, .went_on_at = 4}));
  EXPECT_EQ(MetricValue(R"(sidebus_events_lost_to_retention_total{group="g",topic="orders"})"), 1);
  broker_.Revoke("g", true);
  Settle();
  EXPECT_EQ(ExplainOrders().lost.events, 3u) << "still known when the partition was away";
}

TEST_F(ExplainTest, TopicsThatDoNotExistAreNamed) {
  SubscribeStart start;
  start.group = "g";
  start.topics = {"orders", "ordres"};
  const auto stream = Open(start);

  const auto found = ExplainAll();

  ASSERT_TRUE(found.ok());
  EXPECT_THAT(found->missing_topics, ElementsAre("ordres"));
  EXPECT_THAT(found->partitions, SizeIs(1));
}

TEST_F(ExplainTest, WithNothingUnsettledThereIsNoHead) {
  Order("a");
  const auto stream = OpenOrders();
  stream->Ack(1);
  Advance(milliseconds(500));

  const PartitionState state = ExplainOrders();

  EXPECT_EQ(state.committed, 1);
  EXPECT_EQ(state.end, 1);
  EXPECT_FALSE(state.head.has_value());
}

TEST_F(ExplainTest, PartitionsOfOtherMembersHaveTheOwnerAndPositionsThatTheBrokerTells) {
  struct Elsewhere final : ConsumerHandler {
    void OnAssigned(AssignmentId, const std::string&, std::int32_t) override {}
    Room RoomFor(AssignmentId) override { return {}; }
    void OnRecords(AssignmentId, std::vector<ConsumedRecord>) override {}
    void OnRevoked(AssignmentId, bool) override {}
    void OnFailed(const absl::Status&) override {}
  } handler;
  const auto other = *broker_.MakeConsumer(
      {.group = "g", .topics = {"t-payments"}, .start = {}, .member = "pod-2"}, handler);
  Settle();
  Publish("t-payments", "payment", "p", std::nullopt, 1);
  SubscribeStart start = StartOf("g", {"payment"});
  start.member = "pod-1";

  const auto stream = Open(std::move(start));

  const auto states = Explain();
  ASSERT_TRUE(states.ok()) << states.status();
  ASSERT_THAT(*states, SizeIs(2));
  EXPECT_EQ((*states)[0].owner, "pod-2");
  EXPECT_EQ((*states)[0].topic, "payments");
  EXPECT_EQ((*states)[0].end, 0);
  EXPECT_EQ((*states)[1].owner, "pod-1");
  EXPECT_EQ((*states)[1].end, 1);
  EXPECT_TRUE((*states)[1].head.has_value());
}

TEST_F(ExplainTest, AGroupWithoutMembersIsShownAsTheBrokerHasIt) {
  Order("a");
  auto stream = OpenOrders();
  stream->subscriber->HalfClosed();
  Settle();
  stream.reset();

  const PartitionState state = ExplainOrders();

  EXPECT_THAT(state.owner, IsEmpty());
  EXPECT_EQ(state.committed, 0);
  EXPECT_EQ(state.end, 1);
}

TEST_F(ExplainTest, AGroupThatNobodyKnowsIsUnknown) {
  EXPECT_EQ(ReasonOf(Explain("nobody").status()), Reason::kGroupUnknown);
}

TEST_F(ExplainTest, WithoutABrokerThereIsStillWhatThisProcessKnows) {
  const auto stream = HoldHead();
  broker_.SetReachable(false);

  EXPECT_EQ(ExplainOrders().head->offset, 0);
  EXPECT_EQ(ReasonOf(Explain("elsewhere").status()), Reason::kBrokerDown);
}

TEST_F(ExplainTest, GroupsAreListedWithTopicsStreamsAndLag) {
  const auto stream = HoldHead();
  stream->Refuse(1);
  const auto second = Open(StartOf("g", {"payment"}));
  const auto other = OpenOrders("a");
  const auto broadcast = OpenOrders("");

  const std::vector<GroupState> groups = operator_->ListGroups();

  ASSERT_THAT(groups, SizeIs(2));
  EXPECT_EQ(groups[0].group, "a");
  EXPECT_EQ(groups[1].group, "g");
  EXPECT_THAT(groups[1].topics, ElementsAre("orders", "payments"));
  EXPECT_EQ(groups[1].streams, 2u);
  EXPECT_EQ(groups[1].lag_events, 4u);
  EXPECT_EQ(groups[1].held_back, 1u);
}

// Settling the head.

TEST_F(ExplainTest, ASkippedHeadIsSettledAndItsKeyGoesOn) {
  const auto stream = HoldHead();
  stream->Refuse(1, kReject);

  EXPECT_TRUE(SettleHead(0).ok());

  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
  EXPECT_EQ(Committed(), 1);
  EXPECT_THAT(
      registry_.Serialize(),
      HasSubstr(R"(sidebus_settled_events_total{event_type="order",group="g",result="skip"} 1)"));
}

TEST_F(ExplainTest, AHeadThatAStreamHoldsCanBeSkippedAndTheHoldersAckIsUnknown) {
  const auto stream = HoldHead();

  EXPECT_TRUE(SettleHead(0).ok());
  stream->Ack(1);
  Settle();

  EXPECT_THAT(stream->FailureReasons(), ElementsAre(Reason::kDeliveryUnknown));
  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
}

TEST_F(ExplainTest, AHeadThatIsNoEventCanBeSkipped) {
  broker_.Append("t-orders", 0, Record{.key = "k", .value = "no event", .headers = {}});
  Order("a", "k");
  const auto stream = OpenOrders();
  EXPECT_THAT(stream->TakeData(), IsEmpty());

  EXPECT_TRUE(SettleHead(0).ok());

  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
}

TEST_F(ExplainTest, ARejectedHeadTakesTheWayOfARejectedDelivery) {
  const auto stream = HoldHead();

  EXPECT_TRUE(SettleHead(0, kReject).ok());

  const PartitionState state = ExplainOrders();
  EXPECT_EQ(state.head->state, RecordState::kHalted);
  EXPECT_EQ(state.head->last_error, "by hand");
}

TEST_F(ExplainTest, RejectingAHaltedHeadIsRefusedBecauseThereIsNowhereToPutIt) {
  const auto stream = HoldHead();
  stream->Refuse(1, kReject);

  const std::uint64_t rejected = LoggedAs("reject");
  const std::uint64_t skipped = LoggedAs("skip");

  EXPECT_EQ(ReasonOf(SettleHead(0, kReject)), Reason::kNotSupported);

  EXPECT_EQ(LoggedAs("reject"), rejected) << "the log says what happened";
  EXPECT_TRUE(SettleHead(0).ok());
  EXPECT_EQ(LoggedAs("skip"), skipped + 1);
}

TEST_F(ExplainTest, OnlyTheHeadOfAPartitionThatIsHereCanBeSettled) {
  const auto stream = HoldHead();

  const absl::Status not_first = SettleHead(1);

  EXPECT_EQ(ReasonOf(not_first), Reason::kOffsetOutOfRange);
  EXPECT_THAT(std::string(not_first.message()), HasSubstr("first unsettled record is 0"));
  EXPECT_EQ(
      ReasonOf(operator_->SettleHead({.group = "g", .head = {"payments", 1, 0}, .reason = ""})),
      Reason::kOffsetOutOfRange);
  EXPECT_EQ(ReasonOf(SettleHead(0, Nack::Action::kSkip, "other")), Reason::kGroupUnknown);
  EXPECT_EQ(ExplainOrders().head->offset, 0);
}

TEST_F(ExplainTest, ATopicThatIsNamedWithItsPrefixIsNotHereAndIsSaidToHaveNone) {
  const auto stream = HoldHead();
  const auto settle = [this](const std::string& topic, std::int64_t offset) {
    const absl::Status settled =
        operator_->SettleHead({.group = "g", .head = {topic, 0, offset}, .reason = ""});
    EXPECT_EQ(ReasonOf(settled), Reason::kOffsetOutOfRange);
    return std::string(settled.message());
  };

  EXPECT_THAT(settle("t-orders", 0), HasSubstr("t-orders/0: this gateway does not have the "
                                               "partition: names are without the prefix `t-`: "
                                               "\"orders\""));
  EXPECT_THAT(settle("payments", 0), Not(HasSubstr("prefix")));
  EXPECT_THAT(settle("orders", 1), Not(HasSubstr("prefix")));
}

}  // namespace
}  // namespace sidebus
