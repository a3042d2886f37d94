// Halted records, ids that are not held any more, and the way there.

#include "tests/server/subscribe/settling_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Halted.

TEST_F(SettlingTest, HaltedNackRetryChangesNothing) {
  const auto stream = HoldA();
  stream->Refuse(1, kReject);

  stream->Refuse(1);
  Settle();

  EXPECT_THAT(stream->FailureReasons(), ElementsAre(Reason::kDeliveryUnknown));
  ExpectHalted(*stream);
}

TEST_F(SettlingTest, HaltedNackRejectChangesNothing) {
  const auto stream = HoldA();
  stream->Refuse(1, kReject);

  stream->Refuse(1, kReject);

  ExpectHalted(*stream);
}

TEST_F(SettlingTest, HaltedNackSkipSettles) {
  const auto stream = HoldA();
  stream->Refuse(1, kReject);

  stream->Refuse(1, kSkip);

  ExpectSettled(*stream);
}

TEST_F(SettlingTest, HaltedStaysSoWhenItsStreamEnds) {
  auto first = HoldA();
  const auto second = OpenOrders();
  first->Refuse(1, kReject);

  first.reset();

  ExpectHalted(*second);
}

TEST_F(SettlingTest, HaltedWhenThePartitionIsRevokedIsGone) {
  const auto stream = HoldA();
  stream->Refuse(1, kReject);

  Revoke();

  EXPECT_THAT(stream->revoked, IsEmpty());
  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
}

TEST_F(SettlingTest, ARecordThatCannotBeDecodedIsHaltedInItsPlace) {
  Order("a", "k");
  broker_.Append("t-orders", 0, Record{.key = "k", .value = "no event", .headers = {}});
  Order("b", "k");
  Order("c", "other");
  const auto stream = OpenOrders();
  EXPECT_THAT(stream->TakeData(), ElementsAre("a", "c"));

  stream->Ack({1, 2});

  ExpectHalted(*stream, 1);
}

// Ids.

TEST_F(SettlingTest, AnIdThatWasNeverGivenIsUnknown) {
  const auto stream = HoldA();

  stream->Ack(77);
  stream->Extend(78);
  stream->Refuse(79);
  Settle();

  EXPECT_THAT(stream->failures, SizeIs(3));
  EXPECT_THAT(stream->FailureReasons(), testing::Each(Reason::kDeliveryUnknown));
  EXPECT_EQ(stream->failures[0].delivery_id, 77u);
}

TEST_F(SettlingTest, ASecondAckIsUnknownAndHarmless) {
  const auto stream = HoldA();

  stream->Ack({1, 1});
  Settle();

  EXPECT_THAT(stream->FailureReasons(), ElementsAre(Reason::kDeliveryUnknown));
  EXPECT_EQ(Committed(), 1);
}

TEST_F(SettlingTest, ASecondAckAfterALateOneIsUnknownToo) {
  const auto stream = HoldA();
  Advance(options_.lease);
  stream->Ack(1);

  stream->Ack(1);
  Settle();

  EXPECT_THAT(stream->FailureReasons(), ElementsAre(Reason::kDeliveryUnknown));
  EXPECT_EQ(Committed(), 1);
}

TEST_F(SettlingTest, AnIdThatTheStreamWasNotGivenYetIsUnknown) {
  Order("a");
  TestStream stream;
  stream.reads = false;
  ASSERT_TRUE(TryOpen(stream, StartOf("g", {"order"})).ok());
  ASSERT_EQ(live_->held(), 1u);

  stream.Ack(1);
  stream.Refuse(1, kSkip);
  stream.Extend(1);
  Settle();

  EXPECT_EQ(Committed(), 0);
  stream.Pump();
  EXPECT_THAT(
      stream.FailureReasons(),
      ElementsAre(Reason::kDeliveryUnknown, Reason::kDeliveryUnknown, Reason::kDeliveryUnknown));
  EXPECT_THAT(stream.TakeData(), ElementsAre("a"));
}

TEST_F(SettlingTest, AnIdOfAnotherStreamIsUnknown) {
  const auto first = HoldA();
  const auto second = OpenOrders();

  second->Ack(1);
  Settle();

  EXPECT_THAT(second->FailureReasons(), ElementsAre(Reason::kDeliveryUnknown));
  EXPECT_EQ(live_->held(), 1u);
}

TEST_F(SettlingTest, ARevokedIdIsSaidToBeSoForAMinute) {
  const auto stream = HoldA();
  Revoke();

  stream->Ack(1);
  Advance(seconds(60));
  stream->Ack(1);
  Settle();

  EXPECT_THAT(stream->FailureReasons(),
              ElementsAre(Reason::kDeliveryRevoked, Reason::kDeliveryUnknown));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 0) << "it changed nothing";
}

TEST_F(SettlingTest, AnExtensionIsOneMoreLeaseFromNow) {
  const auto stream = HoldA();
  Advance(options_.lease - seconds(1));

  stream->Extend(1);

  Advance(options_.lease - seconds(1));
  EXPECT_EQ(live_->held(), 1u);
  Advance(seconds(1));
  EXPECT_EQ(live_->held(), 0u);
}

TEST_F(SettlingTest, ARetryHoldsBackItsOwnKeyOnly) {
  Order("a", "ka");
  Order("b1", "kb");
  Order("b2", "kb");
  const auto stream = OpenOrders();
  stream->TakeBatch();

  stream->Refuse(1);
  stream->Ack(2);
  Settle();

  EXPECT_THAT(stream->TakeData(), ElementsAre("b2"));
}

TEST_F(SettlingTest, AttemptsBackOffExponentiallyUntilTheyAreUsedUp) {
  const auto stream = HoldA();
  std::vector<Duration> waits;
  for (std::uint64_t id = 1; id < 5; ++id) {
    stream->Refuse(id);
    Duration waited{};
    while (stream->all.size() == id) {
      ASSERT_LT(waited, minutes(1));
      Advance(milliseconds(10));
      waited += milliseconds(10);
    }
    waits.push_back(waited);
  }

  for (std::size_t i = 0; i < waits.size(); ++i) {
    EXPECT_GE(waits[i], milliseconds(400 << i));
    EXPECT_LE(waits[i], milliseconds((600 << i) + 10));
  }
  EXPECT_EQ(stream->all.back().attempt, 5u);
  stream->TakeBatch();
  stream->Refuse(5);
  ExpectHalted(*stream);
}

}  // namespace
}  // namespace sidebus
