// Every cell of DeliveryBook's table for held, waiting and ready records, seen from a stream. Halted
// ones: halting_test.cc.

#include "tests/server/subscribe/settling_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Held.

TEST_F(SettlingTest, HeldAckSettles) {
  const auto stream = HoldA();

  stream->Ack(1);

  ExpectSettled(*stream);
}

TEST_F(SettlingTest, HeldNackRetryIsDeliveredAgainAfterTheBackoffBeforeItsFollowers) {
  const auto stream = HoldA();

  stream->Refuse(1);

  Advance(milliseconds(399));
  EXPECT_THAT(stream->batch, IsEmpty());
  Advance(milliseconds(202));
  ASSERT_THAT(stream->batch, SizeIs(1));
  EXPECT_EQ(stream->batch[0].event->data, "a");
  EXPECT_EQ(stream->batch[0].attempt, 2u);
  EXPECT_EQ(stream->batch[0].id, 2u);
  EXPECT_THAT(stream->failures, IsEmpty());
  EXPECT_EQ(Committed(), 0);
}

TEST_F(SettlingTest, ANackCanNameItsDelayUpToTheMaximum) {
  const auto stream = HoldA();
  Nack nack;
  nack.delivery_id = 1;
  nack.delay = std::chrono::hours(5);

  stream->Settle(nack);

  Advance(options_.max_delay - milliseconds(1));
  EXPECT_THAT(stream->batch, IsEmpty());
  Advance(milliseconds(1));
  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
}

TEST_F(SettlingTest, ANackThatIsNotCountedUsesNoAttempt) {
  const auto stream = HoldA(OneAttempt());
  Nack nack;
  nack.delivery_id = 1;
  nack.not_counted = true;

  stream->Settle(nack);

  Advance(seconds(1));
  ASSERT_THAT(stream->batch, SizeIs(1));
  EXPECT_EQ(stream->batch[0].attempt, 1u);
}

TEST_F(SettlingTest, HeldLeaseOverIsDeliveredAgain) {
  const auto stream = HoldA();

  Advance(options_.lease + seconds(1));

  ASSERT_THAT(stream->batch, SizeIs(1));
  EXPECT_EQ(stream->batch[0].event->data, "a");
  EXPECT_EQ(stream->batch[0].attempt, 2u);
}

TEST_F(SettlingTest, ALeaseStartsOnlyWhenTheWriteCompleted) {
  Order("a");
  TestStream stream;
  stream.writes = false;
  ASSERT_TRUE(TryOpen(stream, OneAttempt()).ok());

  Advance(std::chrono::hours(2));
  EXPECT_THAT(stream.all, SizeIs(1));
  EXPECT_EQ(live_->held(), 1u);

  stream.subscriber->Written();
  Advance(options_.lease);
  EXPECT_EQ(live_->held(), 0u);
}

TEST_F(SettlingTest, HeldOutOfAttemptsIsHaltedAndALateAckSettlesIt) {
  const auto stream = HoldA(OneAttempt());

  stream->Refuse(1);
  ExpectHalted(*stream);

  stream->Ack(1);
  ExpectSettled(*stream);
  EXPECT_THAT(stream->failures, IsEmpty());
}

TEST_F(SettlingTest, HeldOutOfAttemptsIsSkippedWhenTheStreamSaysSo) {
  SubscribeStart start = OneAttempt();
  start.retry.on_exhausted = Exhausted::kSkip;
  const auto stream = HoldA(start);

  stream->Refuse(1);

  ExpectSettled(*stream);
}

TEST_F(SettlingTest, HeldNackRejectIsHalted) {
  const auto stream = HoldA();

  stream->Refuse(1, kReject);

  ExpectHalted(*stream);
}

TEST_F(SettlingTest, HeldNackSkipSettles) {
  const auto stream = HoldA();

  stream->Refuse(1, kSkip);

  ExpectSettled(*stream);
}

TEST_F(SettlingTest, HeldByAStreamThatHalfClosedReturnsToTheFrontWithoutInterruption) {
  auto first = HoldA();
  const auto second = OpenOrders();

  first->subscriber->HalfClosed();
  Settle();

  ASSERT_THAT(second->batch, SizeIs(1));
  EXPECT_EQ(second->batch[0].event->data, "a");
  EXPECT_EQ(second->batch[0].attempt, 1u);
  EXPECT_EQ(second->batch[0].interruptions, 0u);
}

TEST_F(SettlingTest, HeldByAStreamThatVanishedReturnsToTheFrontWithAnInterruption) {
  auto first = HoldA();
  const auto second = OpenOrders();

  first.reset();
  Settle();

  ASSERT_THAT(second->batch, SizeIs(1));
  EXPECT_EQ(second->batch[0].event->data, "a");
  EXPECT_EQ(second->batch[0].attempt, 1u);
  EXPECT_EQ(second->batch[0].interruptions, 1u);
  EXPECT_EQ(MetricValue(R"(sidebus_interruptions_total{group="g"})"), 1);
}

// Interruptions.

class InterruptedTest : public SettlingTest {
 protected:
  // Streams that take all there is and vanish, one after the other.
  void Crash(int times, const RetryPolicy& retry = {}) {
    SubscribeStart start = StartOf("g", {"order"});
    start.retry = retry;
    for (int i = 0; i < times; ++i) {
      Open(start).reset();
      Settle();
    }
  }
};

TEST_F(InterruptedTest, FromThreeInterruptionsOnAnEventIsHeldAlone) {
  Order("a");
  Order("b");
  Order("c");
  Crash(2);
  {
    const auto both = OpenOrders();
    EXPECT_THAT(both->TakeData(), ElementsAre("a", "b", "c"));
  }
  Settle();

  const auto stream = OpenOrders();

  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
  EXPECT_EQ(stream->all.back().interruptions, 3u);
  stream->Ack(1);
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
  stream->Ack(2);
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("c"));
}

TEST_F(InterruptedTest, OnlyTheCulpritIsInterruptedFurther) {
  Order("culprit");
  Order("bystander");
  Crash(3);

  Crash(2);
  const auto stream = OpenOrders();
  ASSERT_THAT(stream->batch, SizeIs(1));
  EXPECT_EQ(stream->batch[0].interruptions, 5u);
  stream->Ack(1);
  Settle();
  ASSERT_THAT(stream->batch, SizeIs(2));
  EXPECT_EQ(stream->batch[1].event->data, "bystander");
  EXPECT_EQ(stream->batch[1].interruptions, 3u);
}

TEST_F(InterruptedTest, AnEventThatIsHeldAloneWaitsForItsStreamToBeFreeAndIsNotPassedForEver) {
  Order("culprit");
  Crash(3);
  TestStream busy;
  busy.reads = false;
  SubscribeStart other = StartOf("g", {"invoice"});
  other.window = Window{100, 1 << 20};
  other.event_types = {"invoice", "order"};
  Publish("t-orders", "invoice", "i1");
  ASSERT_TRUE(TryOpen(busy, other).ok());
  busy.Pump();
  for (int i = 2; i < 6; ++i) Publish("t-orders", "invoice", "i" + std::to_string(i));
  Settle();
  for (std::size_t i = 0; i < 10; ++i) {
    busy.Pump();
    if (i < busy.all.size()) busy.Ack(busy.all[i].id);
    Settle();
  }

  std::vector<std::string> got;
  for (const Delivery& one : busy.all) got.push_back(*one.event->data);
  EXPECT_THAT(got, testing::UnorderedElementsAre("culprit", "i1", "i2", "i3", "i4", "i5"));
}

TEST_F(InterruptedTest, TooManyInterruptionsExhaustAnEvent) {
  options_.max_interruptions = 4;
  Restart();
  Order("a", "k");
  Order("b", "k");

  Crash(4);

  const auto stream = OpenOrders();
  ExpectHalted(*stream);
}

TEST_F(InterruptedTest, TooManyInterruptionsSkipAnEventWhenThePolicySaysSo) {
  options_.max_interruptions = 4;
  Restart();
  Order("a", "k");
  Order("b", "k");
  RetryPolicy retry;
  retry.on_exhausted = Exhausted::kSkip;

  Crash(4, retry);

  const auto stream = OpenOrders();
  ExpectSettled(*stream);
}

TEST_F(InterruptedTest, AHalfCloseNeverExhausts) {
  options_.max_interruptions = 1;
  Restart();
  Order("a", "k");
  for (int i = 0; i < 3; ++i) {
    const auto stream = OpenOrders();
    stream->subscriber->HalfClosed();
    Settle();
  }

  const auto stream = OpenOrders();
  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
  EXPECT_EQ(stream->all[0].interruptions, 0u);
}

TEST_F(SettlingTest, WhatAVanishedStreamWasNeverGivenIsNotInterrupted) {
  Order("a");
  TestStream first;
  first.reads = false;
  auto opened = live_->Open(StartOf("g", {"order"}), first);
  ASSERT_TRUE(opened.ok());
  Settle();
  const auto second = OpenOrders();

  opened->reset();
  Settle();

  ASSERT_THAT(second->batch, SizeIs(1));
  EXPECT_EQ(second->batch[0].interruptions, 0u);
}

TEST_F(SettlingTest, HeldWhenThePartitionIsRevokedIsGoneAndTheStreamIsTold) {
  const auto stream = HoldA();

  Revoke();

  EXPECT_THAT(stream->revoked, ElementsAre(1));
  EXPECT_THAT(stream->TakeData(), ElementsAre("a")) << "assigned and read again";
  EXPECT_EQ(stream->all.back().attempt, 1u);
}

TEST_F(SettlingTest, QueuedWhenThePartitionIsRevokedIsGoneWithoutAWord) {
  Order("a");
  TestStream stream;
  stream.reads = false;
  ASSERT_TRUE(TryOpen(stream, StartOf("g", {"order"})).ok());

  Revoke(true);
  stream.Pump();

  EXPECT_THAT(stream.revoked, IsEmpty());
  ASSERT_THAT(stream.all, SizeIs(1));
  EXPECT_EQ(stream.all[0].id, 2u);
}

// Waiting.

TEST_F(SettlingTest, WaitingAckOfTheLastHolderSettles) {
  const auto stream = HoldA();
  stream->Refuse(1);

  stream->Ack(1);

  ExpectSettled(*stream);
  EXPECT_THAT(stream->failures, IsEmpty());
}

TEST_F(SettlingTest, WaitingNackRetryChangesNothingAndIsAnswered) {
  const auto stream = HoldA();
  Advance(options_.lease);
  ASSERT_EQ(live_->held(), 0u);

  stream->Refuse(1);
  stream->Extend(1);
  Settle();

  EXPECT_THAT(stream->FailureReasons(), ElementsAre(Reason::kLeaseExpired, Reason::kLeaseExpired));
  Advance(seconds(1));
  ASSERT_THAT(stream->batch, SizeIs(1));
  EXPECT_EQ(stream->batch[0].attempt, 2u);
}

TEST_F(SettlingTest, WaitingNackRejectIsHalted) {
  const auto stream = HoldA();
  stream->Refuse(1);

  stream->Refuse(1, kReject);

  ExpectHalted(*stream);
}

TEST_F(SettlingTest, WaitingNackSkipSettles) {
  const auto stream = HoldA();
  stream->Refuse(1);

  stream->Refuse(1, kSkip);

  ExpectSettled(*stream);
}

TEST_F(SettlingTest, WaitingSurvivesTheEndOfItsStream) {
  auto first = HoldA();
  const auto second = OpenOrders();
  first->Refuse(1);

  first.reset();
  Settle();
  EXPECT_THAT(second->batch, IsEmpty());

  Advance(seconds(1));
  ASSERT_THAT(second->batch, SizeIs(1));
  EXPECT_EQ(second->batch[0].attempt, 2u);
  EXPECT_EQ(second->batch[0].interruptions, 0u);
}

TEST_F(SettlingTest, WaitingWhenThePartitionIsRevokedIsGone) {
  const auto stream = HoldA();
  stream->Refuse(1);

  Revoke();

  EXPECT_THAT(stream->revoked, IsEmpty());
  ASSERT_THAT(stream->batch, SizeIs(1)) << "the retry timer died with the assignment";
  EXPECT_EQ(stream->batch[0].attempt, 1u);
  Advance(seconds(1));
  EXPECT_THAT(stream->batch, SizeIs(1));
}

// Ready again.

class ReadyAgainTest : public SettlingTest {
 protected:
  // "a" and "b" of two keys, whose leases ran out; the probe holds "a" again, "b" is ready.
  std::unique_ptr<TestStream> Expire() {
    Order("a", "ka");
    Order("b", "kb");
    auto stream = OpenOrders();
    EXPECT_THAT(stream->TakeData(), ElementsAre("a", "b"));
    Advance(options_.lease + seconds(1));
    EXPECT_THAT(stream->batch, SizeIs(1));
    probed_ = stream->TakeBatch()[0].event->data == "a" ? 1 : 2;
    return stream;
  }
  std::uint64_t ready() const { return 3 - probed_; }

  std::uint64_t probed_ = 0;  // the id under which the probed one was held first
};

TEST_F(ReadyAgainTest, AckOfTheLastHolderSettles) {
  const auto stream = Expire();

  stream->Ack(ready());
  stream->Ack(3);
  Settle();

  EXPECT_THAT(stream->failures, IsEmpty());
  EXPECT_EQ(Committed(), 2);
}

TEST_F(ReadyAgainTest, NacksAndExtendsAreAnswered) {
  const auto stream = Expire();

  stream->Refuse(ready());
  stream->Refuse(ready(), kReject);
  stream->Refuse(ready(), kSkip);
  stream->Extend(ready());
  Settle();

  EXPECT_THAT(stream->failures, SizeIs(4));
  EXPECT_THAT(stream->FailureReasons(), testing::Each(Reason::kLeaseExpired));
}

TEST_F(ReadyAgainTest, AckOfOneThatWasHandedOutAgainIsAnswered) {
  const auto stream = Expire();

  stream->Ack(probed_);
  Settle();

  EXPECT_THAT(stream->FailureReasons(), ElementsAre(Reason::kLeaseExpired));
  EXPECT_EQ(live_->held(), 1u);
}

TEST_F(ReadyAgainTest, AStreamThatReactsIsTrustedAgain) {
  const auto stream = Expire();
  Advance(seconds(10));
  EXPECT_THAT(stream->batch, IsEmpty()) << "one probe at a time";

  stream->Extend(3);
  Settle();

  EXPECT_THAT(stream->batch, SizeIs(1));
}

TEST_F(ReadyAgainTest, AStreamThatStandsStillGetsOneEventPerLease) {
  for (int i = 0; i < 100; ++i) Order(std::to_string(i));
  const auto stream = OpenOrders();
  EXPECT_THAT(stream->TakeBatch(), SizeIs(100));

  for (int i = 0; i < 4; ++i) Advance(options_.lease);

  EXPECT_THAT(stream->TakeBatch(), SizeIs(3));
}

TEST_F(ReadyAgainTest, RevokedIsGone) {
  const auto stream = Expire();

  Revoke();

  EXPECT_THAT(stream->revoked, ElementsAre(3));
}

}  // namespace
}  // namespace sidebus
