// A partition goes to another member while applications hold events of it.
#include "tests/server/subscribe/settling_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RevokingTest : public SettlingTest {
 protected:
  RevokingTest() {
    options_.revoke_grace = seconds(2);
    Restart();
  }
};

TEST_F(RevokingTest, HoldersAreToldAndTheirAcksStillCount) {
  const auto stream = HoldA();

  Revoke();

  ASSERT_THAT(stream->revoking, SizeIs(1));
  EXPECT_THAT(stream->revoking[0].delivery_ids, ElementsAre(1));
  EXPECT_EQ(stream->revoking[0].grace, seconds(2));
  EXPECT_THAT(stream->revoked, IsEmpty());
  Advance(milliseconds(1900));
  stream->Ack(1);
  Settle();
  EXPECT_THAT(stream->failures, IsEmpty());
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
  EXPECT_THAT(stream->TakeData(), ElementsAre("b")) << "assigned again and read from there";
}

TEST_F(RevokingTest, WhoReadsLateIsToldWhatIsLeftOfTheGrace) {
  const auto stream = HoldA();
  stream->reads = false;
  Revoke();
  Advance(milliseconds(1500));

  stream->Pump();

  ASSERT_THAT(stream->revoking, SizeIs(1));
  EXPECT_EQ(stream->revoking[0].grace, milliseconds(500));
}

TEST_F(RevokingTest, WhoReadsWhenTheGraceIsOverIsToldOfTheLossAlone) {
  const auto stream = HoldA();
  stream->reads = false;
  Revoke();
  Advance(seconds(3));

  stream->Pump();

  EXPECT_THAT(stream->revoking, IsEmpty());
  EXPECT_THAT(stream->revoked, ElementsAre(1));
}

TEST_F(RevokingTest, WhenGraceIsOverTheRestIsGone) {
  const auto stream = HoldA();
  Revoke();

  Advance(seconds(2));

  EXPECT_THAT(stream->revoked, ElementsAre(1));
  EXPECT_THAT(stream->TakeData(), ElementsAre("a")) << "assigned and read again";
  stream->Ack(1);
  Settle();
  EXPECT_THAT(stream->FailureReasons(), ElementsAre(Reason::kDeliveryRevoked));
  EXPECT_EQ(Committed(), 0);
}

TEST_F(RevokingTest, NothingOfThePartitionIsHandedOutMeanwhile) {
  const auto stream = HoldA();
  Order("c", "other key");
  Revoke();
  Order("d");

  Settle();
  const auto another = OpenOrders();

  EXPECT_THAT(stream->TakeData(), IsEmpty());
  EXPECT_THAT(another->TakeData(), IsEmpty());
  stream->Ack(1);
  Settle();
  EXPECT_EQ(stream->TakeData().size() + another->TakeData().size(), 3u);
}

TEST_F(RevokingTest, WhatNobodyHoldsIsGivenUpAtOnce) {
  const auto stream = OpenOrders();
  Order("a");
  Settle();
  ASSERT_THAT(stream->TakeData(), ElementsAre("a"));
  stream->Ack(1);
  Settle();

  Revoke();

  EXPECT_THAT(stream->revoking, IsEmpty());
  EXPECT_THAT(stream->revoked, IsEmpty());
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
}

TEST_F(RevokingTest, WhatWaitsForARetryIsGivenUpAtOnce) {
  const auto stream = HoldA();
  stream->Refuse(1);

  Revoke();

  EXPECT_THAT(stream->revoking, IsEmpty());
  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
  EXPECT_EQ(stream->all.back().attempt, 1u);
}

TEST_F(RevokingTest, ANackMeansThatTheNextMemberGetsIt) {
  const auto stream = HoldA();
  Revoke();

  stream->Refuse(1);
  Settle();

  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
  EXPECT_EQ(stream->all.back().attempt, 1u);
  EXPECT_THAT(stream->failures, IsEmpty());
}

TEST_F(RevokingTest, ARejectionIsLeftToTheNextMember) {
  const auto stream = HoldA();
  Revoke();

  stream->Refuse(1, Nack::Action::kReject);
  Settle();

  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
}

TEST_F(RevokingTest, ASkipCountsLikeAnAck) {
  const auto stream = HoldA();
  Revoke();

  stream->Refuse(1, Nack::Action::kSkip);
  Settle();

  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
}

TEST_F(RevokingTest, HoldersThatVanishAreNotWaitedFor) {
  auto first = HoldA();
  const auto second = OpenOrders();
  Revoke();

  first.reset();
  Settle();

  EXPECT_THAT(second->TakeData(), ElementsAre("a"));
}

TEST_F(RevokingTest, ALeaseThatRunsOutIsNotWaitedFor) {
  options_.revoke_grace = seconds(100);
  Restart();
  const auto stream = HoldA();
  Revoke();

  Advance(options_.lease);

  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
}

TEST_F(RevokingTest, WhatIsLostIsGoneAtOnce) {
  const auto stream = HoldA();

  Revoke(true);

  EXPECT_THAT(stream->revoking, IsEmpty());
  EXPECT_THAT(stream->revoked, ElementsAre(1));
}

TEST_F(RevokingTest, ExtendingDoesNotProlongTheGrace) {
  const auto stream = HoldA();
  Revoke();

  Advance(seconds(1));
  stream->Extend(1);
  Advance(seconds(1));

  EXPECT_THAT(stream->revoked, ElementsAre(1));
}

}  // namespace
}  // namespace sidebus
