// What may go wrong on the way to a dead-letter topic.

#include "tests/server/subscribe/dead_letters_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(DeadLettersTest, WithoutTheTopicTheLaneWaitsAndTheOthersGoOn) {
  Use({.topic = "{topic}.{group}.dead", .create = false});
  Order("a", "k");
  Order("b", "k");
  Order("c", "other");
  const auto stream = OpenOrders();
  EXPECT_THAT(stream->TakeData(), ElementsAre("a", "c"));

  stream->Refuse(1, kReject);
  stream->Ack(2);
  Order("d", "other");
  Pass(seconds(30));

  EXPECT_THAT(stream->TakeData(), ElementsAre("d"));
  stream->Ack(3);
  EXPECT_EQ(Committed(), 0);
  live_->UpdateMetrics();
  EXPECT_THAT(registry_.Serialize(),
              testing::HasSubstr("sidebus_dead_lettering_events{group=\"g\"} 1"));
  MakeTopic();
  Pass(minutes(1));
  EXPECT_EQ(stream->TakeData().at(0), "b");
  EXPECT_THAT(LetterData(), ElementsAre("a"));
}

TEST_F(DeadLettersTest, WhereTheBrokerRefusesToMakeTheTopicItIsAskedAgain) {
  broker_.DenyTopics(true);
  const auto stream = HoldA();
  stream->Refuse(1, kReject);
  Pass(minutes(2));
  EXPECT_THAT(stream->TakeData(), IsEmpty());

  broker_.DenyTopics(false);
  Pass(minutes(1));

  ExpectSettled(*stream);
  EXPECT_THAT(LetterData(), ElementsAre("a"));
}

TEST_F(DeadLettersTest, ThousandsThatAreRefusedOneAfterTheOtherAreTriedAgain) {
  constexpr int kLetters = 8'000;
  MakeTopic();
  for (int i = 0; i < kLetters; ++i) Order("o");
  SubscribeStart start = StartOf("g", {"order"});
  start.window = Window{kLetters, 64 << 20};
  options_.max_window = start.window.value();
  Restart();
  const auto stream = Open(start);
  EXPECT_THAT(stream->TakeBatch(), SizeIs(kLetters));
  dead_budget_.Take(dead_budget_.limit());  // so that all wait, and one goes at a time
  for (std::uint64_t id = 1; id <= kLetters; ++id) stream->Refuse(id, kReject);
  broker_.SetReachable(false);

  dead_budget_.Return(dead_budget_.limit() - 1);
  Pass(seconds(1));

  broker_.SetReachable(true);
  dead_budget_.Return(1);
  Pass(minutes(2));
  EXPECT_THAT(Letters(), SizeIs(kLetters));
}

TEST_F(DeadLettersTest, WhileNoBrokerIsUpNothingIsGivenToTheProducer) {
  MakeTopic();
  const auto stream = HoldA();
  broker_.SetReachable(false);

  stream->Refuse(1, kReject);
  Pass(minutes(2));

  EXPECT_EQ(producer_->in_flight(), 0u);
  broker_.SetReachable(true);
  Pass(minutes(1));
  ExpectSettled(*stream);
  EXPECT_THAT(LetterData(), ElementsAre("a"));
}

TEST_F(DeadLettersTest, ALetterThatWasNotWrittenIsWrittenAgain) {
  MakeTopic();
  broker_.FailProduces(3, DeliveryReport::Outcome::kNotWritten);
  const auto stream = HoldA();

  stream->Refuse(1, kReject);
  Pass(seconds(5));

  ExpectSettled(*stream);
  EXPECT_THAT(LetterData(), ElementsAre("a"));
}

TEST_F(DeadLettersTest, ALetterWhoseFateIsUnknownIsWrittenAgain) {
  MakeTopic();
  broker_.FailProduces(1, DeliveryReport::Outcome::kUnknown);
  const auto stream = HoldA();

  stream->Refuse(1, kReject);
  Pass(seconds(5));

  ExpectSettled(*stream);
  EXPECT_THAT(LetterData(), ElementsAre("a", "a"));
}

TEST_F(DeadLettersTest, ALetterThatIsTooLargeGoesWithoutItsDetail) {
  MakeTopic();
  broker_.SetMaxRecordBytes(1000);
  const auto stream = HoldA();
  Nack nack;
  nack.delivery_id = 1;
  nack.action = kReject;
  nack.reason = std::string(1000, 'x');

  stream->Settle(nack);
  Settle();

  ExpectSettled(*stream);
  const DeadLetterNote note = NoteOf(Letters().at(0));
  EXPECT_TRUE(note.truncated);
  EXPECT_EQ(note.detail, "");
}

TEST_F(DeadLettersTest, ALetterThatIsTooLargeAllTheSameIsHalted) {
  MakeTopic();
  broker_.SetMaxRecordBytes(100);
  const auto stream = HoldA();

  stream->Refuse(1, kReject);
  Settle();

  ExpectHalted(*stream);
  EXPECT_THAT(Letters(), IsEmpty());
  stream->Refuse(1, kSkip);
  ExpectSettled(*stream);
}

TEST_F(DeadLettersTest, WhatItsHolderSaysOfItMeanwhileChangesNothing) {
  MakeTopic();
  broker_.HoldReports(true);
  const auto stream = HoldA();
  stream->Refuse(1, kReject);

  stream->Ack(1);
  stream->Refuse(1, kSkip);
  stream->Refuse(1, kReject);
  stream->Refuse(1);
  stream->Extend(1);
  Settle();

  EXPECT_THAT(stream->FailureReasons(), SizeIs(5));
  EXPECT_THAT(stream->FailureReasons(), testing::Each(Reason::kDeliveryUnknown));
  EXPECT_EQ(Committed(), 0);
  broker_.HoldReports(false);
  ExpectSettled(*stream);
  EXPECT_THAT(LetterData(), ElementsAre("a"));
}

TEST_F(DeadLettersTest, ItStaysSoWhenItsStreamEnds) {
  MakeTopic();
  broker_.HoldReports(true);
  auto first = HoldA();
  const auto second = OpenOrders();
  first->Refuse(1, kReject);

  first.reset();
  broker_.HoldReports(false);

  ExpectSettled(*second);
  EXPECT_THAT(LetterData(), ElementsAre("a"));
}

TEST_F(DeadLettersTest, AStreamThatDrainsEndsWhenItsLettersAreConfirmed) {
  MakeTopic();
  broker_.HoldReports(true);
  const auto stream = HoldA();
  stream->Drain();
  stream->Refuse(1, kReject);
  Pass(seconds(1));
  EXPECT_FALSE(stream->end.has_value());

  broker_.HoldReports(false);
  Pass(seconds(1));

  ASSERT_TRUE(stream->end.has_value());
  EXPECT_TRUE(stream->end->ok());
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
}

TEST_F(DeadLettersTest, AStreamThatDrainsWaitsForATopicThatIsBeingMade) {
  const auto stream = HoldA();
  stream->Drain();

  stream->Refuse(1, kReject);
  Pass(seconds(1));

  ASSERT_TRUE(stream->end.has_value());
  EXPECT_THAT(LetterData(), ElementsAre("a"));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
}

TEST_F(DeadLettersTest, AStreamThatDrainsDoesNotWaitForALetterThatCannotBeWritten) {
  Use({.topic = "{topic}.{group}.dead", .create = false});
  const auto stream = HoldA();
  stream->Drain();

  stream->Refuse(1, kReject);
  Pass(seconds(10));

  ASSERT_TRUE(stream->end.has_value());
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 0);
}

TEST_F(DeadLettersTest, WhenThePartitionIsLostTheNextOwnerGetsTheEventAgain) {
  MakeTopic();
  broker_.HoldReports(true);
  const auto stream = HoldA();
  stream->Refuse(1, kReject);
  Settle();

  Revoke(true);

  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
  broker_.HoldReports(false);
  Settle();
  EXPECT_EQ(Committed(), 0) << "the old letter settles nothing";
}

TEST_F(DeadLettersTest, ALetterUnderWayMayBeConfirmedInTheGraceOfARevocation) {
  options_.revoke_grace = seconds(2);
  Restart();
  MakeTopic();
  broker_.HoldReports(true);
  const auto stream = HoldA();
  stream->Refuse(1, kReject);
  Settle();

  Revoke();
  EXPECT_THAT(stream->TakeData(), IsEmpty());
  broker_.HoldReports(false);
  Settle();

  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
}

// A partition that is being given up, with a letter that...
class RevokedLettersTest : public DeadLettersTest {
 protected:
  RevokedLettersTest() {
    options_.revoke_grace = seconds(2);
    Restart();
    MakeTopic();
  }
  void ExpectTheNextOwnerHasIt(TestStream& stream) {
    EXPECT_THAT(stream.TakeData(), ElementsAre("a"));
    EXPECT_EQ(Committed(), 0);
    stream.Ack(stream.all.back().id);
    ExpectSettled(stream);
  }
};

TEST_F(RevokedLettersTest, FailsMeanwhile) {
  broker_.HoldReports(true);
  broker_.FailProduces(1, DeliveryReport::Outcome::kNotWritten);
  const auto stream = HoldA();
  stream->Refuse(1, kReject);
  Settle();

  Revoke();
  broker_.HoldReports(false);
  Settle();

  ExpectTheNextOwnerHasIt(*stream);
  EXPECT_THAT(Letters(), IsEmpty());
}

TEST_F(RevokedLettersTest, IsConfirmedTooLate) {
  broker_.HoldReports(true);
  const auto stream = HoldA();
  stream->Refuse(1, kReject);
  Settle();

  Revoke();
  Pass(seconds(3));
  broker_.HoldReports(false);
  Settle();

  ExpectTheNextOwnerHasIt(*stream);
  EXPECT_THAT(LetterData(), ElementsAre("a")) << "once as a letter, once as an event";
}

TEST_F(RevokedLettersTest, WaitsToBeWrittenAgain) {
  broker_.FailProduces(1, DeliveryReport::Outcome::kNotWritten);
  const auto stream = HoldA();
  stream->Refuse(1, kReject);
  Settle();

  Revoke();

  ExpectTheNextOwnerHasIt(*stream);
  Pass(minutes(1));
  EXPECT_THAT(Letters(), IsEmpty());
}

TEST_F(RevokedLettersTest, WaitsForMemory) {
  dead_budget_.Take(dead_budget_.limit());
  const auto stream = HoldA();
  stream->Refuse(1, kReject);
  Settle();

  Revoke();

  ExpectTheNextOwnerHasIt(*stream);
  dead_budget_.Return(dead_budget_.limit());
  Pass(minutes(1));
  EXPECT_THAT(Letters(), IsEmpty());
}

TEST_F(DeadLettersTest, ADrainOfTheGatewayWaitsForLettersUnderWay) {
  MakeTopic();
  broker_.HoldReports(true);
  const auto stream = HoldA();
  stream->Refuse(1, kReject);
  std::optional<std::size_t> unsettled;
  live_->Drain(minutes(1), "test", DrainFor::kUntilResumed,
               [&](std::size_t left) { unsettled = left; });
  Pass(seconds(5));
  EXPECT_FALSE(unsettled.has_value());
  ASSERT_THAT(live_->Leftovers(), SizeIs(1)) << "if it ended now";
  EXPECT_EQ(live_->Leftovers()[0].unsettled, 1u);

  broker_.HoldReports(false);
  Pass(seconds(1));

  EXPECT_EQ(unsettled, 0u);
  EXPECT_THAT(live_->Leftovers(), IsEmpty());
  EXPECT_THAT(LetterData(), ElementsAre("a"));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
}

TEST_F(DeadLettersTest, MoreLettersThanTheirMemoryTakesAreWrittenOneAfterTheOther) {
  MakeTopic();
  for (int i = 0; i < 50; ++i) Order(std::string(100'000, 'x'), "k" + std::to_string(i));
  const auto stream = OpenOrders();
  std::vector<std::uint64_t> ids;
  while (ids.size() < 50) {
    const std::vector<Delivery> batch = stream->TakeBatch();
    ASSERT_FALSE(batch.empty());
    for (const Delivery& delivery : batch) {
      ids.push_back(delivery.id);
      stream->Refuse(delivery.id, kReject);
      EXPECT_LE(dead_budget_.used(), dead_budget_.limit());
    }
    Pass(seconds(1));
  }

  EXPECT_THAT(Letters(), SizeIs(50));
  EXPECT_EQ(dead_budget_.used(), 0u);
  EXPECT_EQ(Committed(), 50);
}

}  // namespace
}  // namespace sidebus
