// Moving groups.

#include "server/base/log.h"
#include "server/subscribe/subscription.h"
#include "tests/server/operate/operate_fixture.h"

namespace sidebus {
namespace {

using At = StartPosition::At;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SeekTest : public OperateTest {
 protected:
  // Group "g" stands at 2 of 4 on "orders", and has neither members nor a subscription here.
  SeekTest() {
    for (const char* data : {"a", "b", "c", "d"}) Order(data);
    auto stream = OpenOrders();
    stream->Ack({1, 2});
    stream->subscriber->HalfClosed();
    Settle();
    EXPECT_EQ(Position(), 2);
  }

  // How often the log said that streams were ended for it.
  static std::uint64_t EndsLogged() {
    std::uint64_t times = 0;
    for (const Problem& problem : LatestProblems()) {
      if (problem.what != "an operator ends the streams of a group to move it") continue;
      EXPECT_EQ(problem.fields, "group=g streams=1");
      times += problem.times;
    }
    return times;
  }

  std::optional<std::int64_t> Position() { return broker_.Committed("g", "t-orders", 0); }
};

TEST_F(SeekTest, MovesAGroupWithoutMembersAndTellsFromWhereToWhere) {
  const auto moved = Seek(SeekTo(At::kEarliest));

  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_THAT(moved->from, ElementsAre(sidebus::Position{"orders", 0, 2}));
  EXPECT_THAT(moved->to, ElementsAre(sidebus::Position{"orders", 0, 0}));
  EXPECT_EQ(Position(), 0);
  const auto stream = OpenOrders();
  EXPECT_THAT(stream->TakeData(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(SeekTest, MovesToTheEndToATimeAndToPositions) {
  EXPECT_TRUE(Seek(SeekTo(At::kLatest)).ok());
  EXPECT_EQ(Position(), 4);
  EXPECT_TRUE(Seek(SeekTo({{"orders", 0, 3}})).ok());
  EXPECT_EQ(Position(), 3);
  time_.Advance(seconds(10));
  Order("e");
  SeekOrder to_time = SeekTo(At::kTime);
  to_time.to.time = time_.WallNow() - seconds(1);
  EXPECT_TRUE(Seek(to_time).ok());
  EXPECT_EQ(Position(), 4);
}

TEST_F(SeekTest, ADryRunChangesNothingAlsoWhileTheGroupIsActive) {
  const auto stream = OpenOrders();
  SeekOrder order = SeekTo(At::kEarliest);
  order.dry_run = true;

  const auto shown = Seek(order);

  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_THAT(shown->from, ElementsAre(sidebus::Position{"orders", 0, 2}));
  EXPECT_THAT(shown->to, ElementsAre(sidebus::Position{"orders", 0, 0}));
  EXPECT_EQ(Position(), 2);
  EXPECT_FALSE(stream->end.has_value());
}

TEST_F(SeekTest, ATopicOnWhichTheGroupStandsNowhereComesFromNowhere) {
  SeekOrder order = SeekTo(At::kEarliest);
  order.topics = {"invoices"};

  const auto moved = Seek(order);

  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_THAT(moved->from, ElementsAre(sidebus::Position{"invoices", 0, -1}));
  EXPECT_EQ(broker_.Committed("g", "t-invoices", 0), 0);
  EXPECT_EQ(Position(), 2);
}

TEST_F(SeekTest, WhatWasSettledOutOfOrderComesAgainAfterwards) {
  auto stream = OpenOrders();
  stream->Ack(2);  // "d", above "c"
  Advance(milliseconds(500));
  stream->subscriber->HalfClosed();
  Settle();

  ASSERT_TRUE(Seek(SeekTo({{"orders", 0, 2}})).ok());

  EXPECT_THAT(OpenOrders()->TakeData(), ElementsAre("c", "d"));
}

TEST_F(SeekTest, AGroupWithStreamsHereIsActive) {
  const auto stream = OpenOrders();

  EXPECT_EQ(ReasonOfSeek(Seek(SeekTo(At::kEarliest))), Reason::kGroupActive);

  EXPECT_EQ(Position(), 2);
  EXPECT_FALSE(stream->end.has_value());
}

TEST_F(SeekTest, AGroupWithMembersElsewhereIsActiveAlsoByForce) {
  LiveSubscriptions elsewhere(options_, router_, broker_, budget_, time_, time_, metrics_);
  TestStream stream;
  SubscribeStart start = StartOf("g", {"order"});
  start.member = "pod-2";
  stream.subscriber = *elsewhere.Open(start, stream);
  Settle();
  SeekOrder order = SeekTo(At::kEarliest);
  order.force = true;

  const auto refused = Seek(order);

  EXPECT_EQ(ReasonOfSeek(refused), Reason::kGroupActive);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("pod-2"));
  EXPECT_FALSE(stream.end.has_value());
  stream.subscriber.reset();
}

TEST_F(SeekTest, ALingeringSubscriptionIsClosedFirst) {
  OpenOrders().reset();
  EXPECT_EQ(broker_.Members("g"), 1u);

  ASSERT_TRUE(Seek(SeekTo(At::kEarliest)).ok());

  EXPECT_EQ(broker_.Members("g"), 0u);
  EXPECT_EQ(Position(), 0);
}

TEST_F(SeekTest, ByForceStreamsEndAndWhoSubscribesAgainReadsFromThere) {
  const auto stream = OpenOrders();
  EXPECT_THAT(stream->TakeData(), ElementsAre("c", "d"));
  stream->Ack(1);
  SeekOrder order = SeekTo(At::kEarliest);
  order.force = true;

  const std::uint64_t logged = EndsLogged();

  const auto answer = BeginSeek(order);
  EXPECT_FALSE(answer->has_value()) << "holders have their grace";
  EXPECT_EQ(EndsLogged(), logged + 1);
  const auto again = OpenOrders();
  EXPECT_THAT(again->TakeData(), IsEmpty());
  Advance(seconds(2));

  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_THAT((**answer)->from, ElementsAre(sidebus::Position{"orders", 0, 3}));
  ASSERT_TRUE(stream->end.has_value());
  EXPECT_EQ(ReasonOf(*stream->end), Reason::kDraining);
  EXPECT_THAT(stream->draining->reason, HasSubstr("moves the positions"));
  EXPECT_THAT(again->TakeData(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(SeekTest, AForcedSeekThatCannotBeDoneDisturbsNobody) {
  const auto stream = OpenOrders();
  SeekOrder order = SeekTo({{"orders", 0, 99}});
  order.force = true;
  const std::uint64_t logged = EndsLogged();

  const auto refused = Seek(order);

  EXPECT_EQ(EndsLogged(), logged);
  EXPECT_EQ(ReasonOfSeek(refused), Reason::kOffsetOutOfRange);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("from 0 to 4"));
  EXPECT_FALSE(stream->draining.has_value());
  EXPECT_EQ(Position(), 2);
}

TEST_F(SeekTest, AMemberThatTheBrokerStillHasIsWaitedForAndNotForEver) {
  OpenOrders().reset();
  LiveSubscriptions elsewhere(options_, router_, broker_, budget_, time_, time_, metrics_);
  TestStream stream;
  const auto answer = std::make_shared<std::optional<absl::StatusOr<SeekResult>>>();
  operator_->Seek(SeekTo(At::kEarliest), [answer](auto result) { *answer = std::move(result); });
  // The lingering one is closed; this one joins before the group can be moved.
  while (!live_->OfGroup("g").front()->closing()) {
    time_.RunDue();
    ASSERT_TRUE(broker_.Step());
  }
  stream.subscriber = *elsewhere.Open(StartOf("g", {"order"}), stream);
  Settle();
  EXPECT_FALSE(answer->has_value());

  Advance(seconds(11));

  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(ReasonOfSeek(**answer), Reason::kGroupActive);
  EXPECT_EQ(Position(), 2);
  stream.subscriber.reset();
}

TEST_F(SeekTest, ByForceAStaticMemberIsWaitedForUntilItsSessionIsOver) {
  broker_.LetMembersStay(seconds(45));
  const auto stream = OpenOrders();
  SeekOrder order = SeekTo(At::kEarliest);
  order.force = true;
  const auto answer = BeginSeek(order);
  Advance(seconds(2));
  const auto again = OpenOrders();
  Advance(seconds(40));
  EXPECT_FALSE(answer->has_value());

  Advance(seconds(6));

  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_THAT(again->TakeData(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(SeekTest, AStaticMemberThatHasLeftIsNamedWithTheTimeThatItStays) {
  broker_.LetMembersStay(seconds(45));
  auto stream = OpenOrders();
  stream->subscriber->HalfClosed();
  Settle();

  const auto refused = Seek(SeekTo(At::kEarliest));

  EXPECT_EQ(ReasonOfSeek(refused), Reason::kGroupActive);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("for 45 s"));
  Advance(seconds(46));
  EXPECT_TRUE(Seek(SeekTo(At::kEarliest)).ok());
}

TEST_F(SeekTest, AMemberElsewhereIsNotTakenForOneOfUsThatHasNotJoinedYet) {
  const auto stream = OpenOrders();
  broker_.CutOff("g", 0, std::chrono::hours(1));  // ours has begun, and is no member
  LiveSubscriptions elsewhere(options_, router_, broker_, budget_, time_, time_, metrics_);
  TestStream other;
  SubscribeStart start = StartOf("g", {"order"});
  start.member = "pod-2";
  other.subscriber = *elsewhere.Open(start, other);
  Settle();
  SeekOrder order = SeekTo(At::kEarliest);
  order.force = true;

  const auto answer = BeginSeek(order);
  Advance(seconds(11));

  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(ReasonOfSeek(**answer), Reason::kGroupActive);
  EXPECT_THAT(std::string((*answer)->status().message()), HasSubstr("pod-2"));
  EXPECT_FALSE(stream->end.has_value());
  EXPECT_FALSE(stream->draining.has_value());
  other.subscriber.reset();
}

TEST_F(SeekTest, ASecondSeekOfTheGroupMeanwhileIsRefused) {
  const auto stream = OpenOrders();
  SeekOrder order = SeekTo(At::kEarliest);
  order.force = true;
  const auto first = BeginSeek(order);

  EXPECT_EQ(ReasonOfSeek(Seek(SeekTo(At::kLatest))), Reason::kGroupActive);

  Advance(seconds(2));
  EXPECT_TRUE((*first)->ok());
  EXPECT_TRUE(Seek(SeekTo(At::kLatest)).ok());
}

TEST_F(SeekTest, WhatCannotBeIsRefused) {
  EXPECT_EQ(ReasonOfSeek(Seek(SeekTo(At::kLatest, ""))), Reason::kStartInvalid);
  EXPECT_EQ(ReasonOfSeek(Seek(SeekTo(At::kLatest, "nobody"))), Reason::kGroupUnknown);
  EXPECT_EQ(ReasonOfSeek(Seek(SeekTo(std::vector<sidebus::Position>()))), Reason::kStartInvalid);
  EXPECT_EQ(ReasonOfSeek(Seek(SeekTo({{"orders", 0, -1}}))), Reason::kStartInvalid);
  EXPECT_EQ(ReasonOfSeek(Seek(SeekTo({{"orders", 0, 1}, {"orders", 0, 2}}))),
            Reason::kStartInvalid);
  EXPECT_EQ(ReasonOfSeek(Seek(SeekTo({{"orders", 7, 1}}))), Reason::kOffsetOutOfRange);
  SeekOrder order = SeekTo(At::kLatest);
  order.topics = {"nowhere"};
  EXPECT_EQ(ReasonOfSeek(Seek(order)), Reason::kTopicMissing);
  broker_.SetReachable(false);
  EXPECT_EQ(ReasonOfSeek(Seek(SeekTo(At::kLatest))), Reason::kBrokerDown);
}

TEST_F(SeekTest, ATopicThatIsNamedWithItsPrefixIsMissingAndSaidToHaveNone) {
  SeekOrder order = SeekTo(At::kLatest);
  order.topics = {"t-orders"};
  const std::string hint = "t-orders does not exist: names are without the prefix `t-`: \"orders\"";

  for (const auto& refused : {Seek(order), Seek(SeekTo({{"t-orders", 0, 1}}))}) {
    EXPECT_EQ(ReasonOfSeek(refused), Reason::kTopicMissing);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(hint));
  }
}

TEST_F(SeekTest, AnOperatorWhoGoesLeavesNothingBehind) {
  const auto stream = OpenOrders();
  SeekOrder order = SeekTo(At::kEarliest);
  order.force = true;
  const auto answer = BeginSeek(order);

  operator_.reset();
  groups_.reset();
  Advance(seconds(30));

  EXPECT_FALSE(answer->has_value());
  EXPECT_EQ(Position(), 2);
}

}  // namespace
}  // namespace sidebus
