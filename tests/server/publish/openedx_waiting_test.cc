// Events that wait for the ids of their schemas.
#include "tests/server/publish/openedx_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class OpenedxWaitingTest : public OpenedxFixture {
 protected:
  // All that kBlockDeleted needs is known from now on.
  void KnowDeleted() {
    Publish(MakeOpenedx(kBlockDeleted, 99));
    time_.RunDue();
    producer_.WriteAll();
  }

  static std::string ValueSubjectOf(const std::string& topic, const std::string& type) {
    return topic + "-" + type + ".CloudEvent";
  }
};

TEST_F(OpenedxWaitingTest, ManyEventsOfATypeThatIsNewRegisterItOnce) {
  registry_->SetDelay(std::chrono::seconds(1));
  for (int i = 1; i <= 50; ++i) Publish(MakeOpenedx(kBlockPublished, i));
  EXPECT_THAT(producer_.accepted(), IsEmpty());
  EXPECT_THAT(publisher_->in_flight_events(), Eq(50u));

  time_.Advance(std::chrono::seconds(1));

  EXPECT_THAT(producer_.accepted(), SizeIs(50));
  EXPECT_THAT(registry_->questions(), SizeIs(2));
  for (const auto& accepted : producer_.accepted()) {
    EXPECT_THAT(accepted.record->record.value,
                Eq(ConfluentPrefix(SchemaId(2)) + AvroOf(kBlockPublished)));
  }
}

TEST_F(OpenedxWaitingTest, LaterEventsOfATopicStayBehindOneThatWaits) {
  KnowDeleted();
  registry_->SetDelay(std::chrono::seconds(1));
  Publish(MakeOpenedx(kBlockPublished, 1));
  Publish({MakeOpenedx(kBlockDeleted, 2), MakeOpenedx(kBlockPublished, 3)});

  time_.Advance(std::chrono::milliseconds(999));
  EXPECT_THAT(producer_.accepted(), IsEmpty());
  time_.Advance(std::chrono::milliseconds(1));
  Publish(MakeOpenedx(kBlockDeleted, 4));

  EXPECT_THAT(AcceptedNumbers("dev-blocks"), ElementsAre(1, 2, 3, 4));
}

TEST_F(OpenedxWaitingTest, OtherTopicsGoOn) {
  KnowDeleted();
  registry_->SetDelay(std::chrono::seconds(1));
  Publish(MakeOpenedx(kCatalogChanged, 1));

  Publish(MakeOpenedx(kBlockDeleted, 2));

  EXPECT_THAT(AcceptedNumbers("dev-blocks"), ElementsAre(2));
  EXPECT_THAT(AcceptedNumbers("dev-courses"), IsEmpty());
}

TEST_F(OpenedxWaitingTest, AnEventOfTwoTopicsWaitsForTheIdsOfBothAndIsNotWrittenByHalves) {
  registry_->FailOn(ValueSubjectOf("dev-copies", kBlockCopied));

  const auto call = Publish(MakeOpenedx(kBlockCopied));
  time_.RunDue();

  EXPECT_THAT(producer_.accepted(), IsEmpty());
  ExpectRefused(call->result(), Reason::kRegistryDown, "not_written");
  EXPECT_THAT(Meta(call->result().error, "failed_topics"), Eq("blocks,copies"));
}

TEST_F(OpenedxWaitingTest, ARegistryThatIsDownAnswersTheEventAndTheTopicGoesOn) {
  KnowDeleted();
  registry_->SetDown(true);
  const auto refused = Publish(MakeOpenedx(kBlockPublished, 1));
  const auto behind = Publish(MakeOpenedx(kBlockDeleted, 2));

  time_.RunDue();

  ASSERT_THAT(refused->answers, Eq(1));
  ExpectRefused(refused->result(), Reason::kRegistryDown, "not_written");
  EXPECT_THAT(AcceptedNumbers("dev-blocks"), ElementsAre(2));
}

TEST_F(OpenedxWaitingTest, WhileItIsDownEventsOfNewTypesAreRefusedAtOnce) {
  registry_->SetDown(true);
  Publish(MakeOpenedx(kBlockPublished, 1));
  time_.RunDue();

  const auto call = Publish(MakeOpenedx(kBlockPublished, 2));

  EXPECT_TRUE(call->at_once);
  ExpectRefused(call->result(), Reason::kRegistryDown, "not_written");
  EXPECT_TRUE(RetryDelayOf(call->result().error).has_value());
}

TEST_F(OpenedxWaitingTest, WhenItIsBackNewTypesAreWritten) {
  registry_->SetDown(true);
  Publish(MakeOpenedx(kBlockPublished, 1));
  time_.RunDue();
  registry_->SetDown(false);
  time_.Advance(std::chrono::seconds(6));
  Publish(MakeOpenedx(kBlockPublished, 2));  // one question finds out, for all
  time_.RunDue();

  const auto call = Publish(MakeOpenedx(kBlockPublished, 3));
  time_.RunDue();

  EXPECT_THAT(AcceptedNumbers("dev-blocks"), ElementsAre(3));
  producer_.WriteAll();
  EXPECT_TRUE(call->result().error.ok());
}

TEST_F(OpenedxWaitingTest, AnIncompatibleSchemaRefusesItsEventsWithTheRegistrysWords) {
  KnowDeleted();
  registry_->Freeze(ValueSubjectOf("dev-blocks", kBlockPublished));

  const auto refused = Publish(MakeOpenedx(kBlockPublished, 1));
  const auto other = Publish(MakeOpenedx(kBlockDeleted, 2));
  time_.RunDue();

  ExpectRefused(refused->result(), Reason::kSchemaIncompatible, "not_written");
  EXPECT_THAT(std::string(refused->result().error.message()), HasSubstr("not compatible"));
  EXPECT_THAT(AcceptedNumbers("dev-blocks"), ElementsAre(2));
}

TEST_F(OpenedxWaitingTest, ARegistryThatIsSilentMeansRegistryDownAtTheDeadline) {
  registry_->SetDelay(std::chrono::minutes(1));
  PublishBatch batch;
  batch.events.push_back(MakeOpenedx(kBlockPublished));
  batch.deadline = time_.Now() + std::chrono::seconds(1);
  const auto call = Publish(std::move(batch));

  time_.Advance(std::chrono::seconds(1));

  ASSERT_THAT(call->answers, Eq(1));
  ExpectRefused(call->result(), Reason::kRegistryDown, "not_written");
  EXPECT_THAT(budget_.used(), Eq(0u));
}

TEST_F(OpenedxWaitingTest, AnEventThatGaveUpLetsTheOnesBehindItGo) {
  KnowDeleted();
  registry_->SetDelay(std::chrono::minutes(1));
  PublishBatch batch;
  batch.events.push_back(MakeOpenedx(kBlockPublished, 1));
  batch.deadline = time_.Now() + std::chrono::seconds(1);
  Publish(std::move(batch));
  Publish(MakeOpenedx(kBlockDeleted, 2));
  EXPECT_THAT(producer_.accepted(), IsEmpty());

  time_.Advance(std::chrono::seconds(1));

  EXPECT_THAT(AcceptedNumbers("dev-blocks"), ElementsAre(2));
}

TEST_F(OpenedxWaitingTest, AnAnswerThatComesWhileTheTopicIsNotReadyIsKept) {
  producer_.SetReadiness("dev-blocks", TopicReadiness::kWaiting);
  Publish(MakeOpenedx(kBlockPublished, 1));
  time_.RunDue();
  EXPECT_THAT(producer_.accepted(), IsEmpty());

  producer_.SetReadiness("dev-blocks", TopicReadiness::kReady, publisher_.get());

  EXPECT_THAT(AcceptedNumbers("dev-blocks"), ElementsAre(1));
}

TEST_F(OpenedxWaitingTest, AFailureAnswersAlsoAnEventThatIsNotTheFirstOfATopicThatIsNotReady) {
  KnowDeleted();
  producer_.SetReadiness("dev-blocks", TopicReadiness::kWaiting);
  registry_->SetDown(true);
  const auto first = Publish(MakeOpenedx(kBlockDeleted, 1));
  const auto second = Publish(MakeOpenedx(kBlockPublished, 2));

  time_.RunDue();

  EXPECT_THAT(first->answers, Eq(0));
  ASSERT_THAT(second->answers, Eq(1));
  ExpectRefused(second->result(), Reason::kRegistryDown, "not_written");
}

TEST_F(OpenedxWaitingTest, TheEndOfTheRegistryAnswersWhatWaits) {
  registry_->SetDelay(std::chrono::minutes(1));
  const auto call = Publish(MakeOpenedx(kBlockPublished));

  schemas_.reset();

  ASSERT_THAT(call->answers, Eq(1));
  ExpectRefused(call->result(), Reason::kRegistryDown, "not_written");
}

TEST_F(OpenedxWaitingTest, AnAnswerMayPublishAgain) {
  registry_->SetDown(true);
  PublishBatch batch;
  batch.events.push_back(MakeOpenedx(kBlockPublished, 1));
  std::shared_ptr<Call> again;
  publisher_->Publish(std::move(batch), [this, &again](Publisher::Results) {
    again = Publish(MakeOpenedx(kBlockPublished, 2));
  });

  time_.RunDue();

  ASSERT_NE(again, nullptr);
  EXPECT_TRUE(again->at_once);
}

TEST_F(OpenedxWaitingTest, StoppingAnswersWhatWaitsForTheRegistryAsDraining) {
  registry_->SetDelay(std::chrono::minutes(1));
  const auto call = Publish(MakeOpenedx(kBlockPublished));
  publisher_->Refuse();

  EXPECT_THAT(publisher_->DropWaiting(), Eq(1u));

  ExpectRefused(call->result(), Reason::kDraining, "not_written");
}

}  // namespace
}  // namespace sidebus
