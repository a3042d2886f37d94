// What an operator does to the head of a partition when there are dead letters.

#include "server/subscribe/subscription.h"
#include "tests/server/subscribe/dead_letters_fixture.h"

namespace sidebus {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class SettleHeadTest : public DeadLettersTest {
 protected:
  absl::Status SettleHead(Nack::Action action) {
    return live_->OfGroup("g").front()->SettleHead({"orders", 0, 0}, action, "by hand");
  }

  PartitionState::Head Head() {
    const auto states = live_->OfGroup("g").front()->Explain();
    EXPECT_THAT(states, SizeIs(1));
    return states.at(0).head.value();
  }

  // A stream whose policy is HALT, with its first event halted.
  std::unique_ptr<TestStream> HaltA() {
    SubscribeStart start = OneAttempt();
    start.retry.on_exhausted = Exhausted::kHalt;
    auto stream = HoldA(start);
    stream->Refuse(1);
    Settle();
    EXPECT_EQ(Head().state, RecordState::kHalted);
    return stream;
  }
};

TEST_F(SettleHeadTest, AHaltedHeadThatIsRejectedBecomesADeadLetter) {
  MakeTopic();
  const auto stream = HaltA();

  ASSERT_TRUE(SettleHead(Nack::Action::kReject).ok());
  Settle();

  ASSERT_THAT(Letters(), SizeIs(1));
  EXPECT_EQ(NoteOf(Letters()[0]).reason, "REJECTED");
  EXPECT_EQ(NoteOf(Letters()[0]).detail, "by hand");
  ExpectSettled(*stream);
}

TEST_F(SettleHeadTest, ALetterThatCannotBeWrittenIsExplainedAndMayBeSkipped) {
  MakeTopic();
  const auto stream = HoldA();
  broker_.FailProduces(1'000'000, DeliveryReport::Outcome::kNotWritten);
  stream->Refuse(1, Nack::Action::kReject);
  Pass(seconds(1));
  EXPECT_EQ(Head().state, RecordState::kDeadLettering);
  EXPECT_THAT(Head().last_error, HasSubstr("its dead letter cannot be written"));
  EXPECT_TRUE(SettleHead(Nack::Action::kReject).ok()) << "which it is already";
  EXPECT_EQ(Head().state, RecordState::kDeadLettering);

  ASSERT_TRUE(SettleHead(Nack::Action::kSkip).ok());

  ExpectSettled(*stream);
  EXPECT_THAT(Letters(), IsEmpty());
}

TEST_F(SettleHeadTest, ALetterThatIsUnderWayWhenItsRecordIsSkippedIsOfNoInterestAnyMore) {
  MakeTopic();
  broker_.HoldReports(true);
  const auto stream = HoldA();
  stream->Refuse(1, Nack::Action::kReject);
  Settle();

  ASSERT_TRUE(SettleHead(Nack::Action::kSkip).ok());
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
  broker_.HoldReports(false);
  Pass(seconds(1));

  EXPECT_EQ(Committed(), 1);
  EXPECT_EQ(dead_budget_.used(), 0u);
}

}  // namespace
}  // namespace sidebus
