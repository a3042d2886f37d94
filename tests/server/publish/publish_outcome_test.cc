#include "tests/server/publish/publisher_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;

using PublishOutcomeTest = PublisherFixture;

DeliveryReport NotWrittenReport(Reason reason) {
  return {DeliveryReport::Outcome::kNotWritten, MakeError(reason, "said the broker"), -1, -1};
}

DeliveryReport UnknownReport() {
  return {DeliveryReport::Outcome::kUnknown, MakeError(Reason::kDeliveryTimeout, "lost"), -1, -1};
}

TEST_F(PublishOutcomeTest, ANotWrittenReportGivesItsReason) {
  const auto call = Publish(MakeEvent("plain"));

  producer_.Report(producer_.TakeAccepted().at(0), NotWrittenReport(Reason::kEventTooLarge));

  ExpectRefused(call->result(), Reason::kEventTooLarge, "not_written");
  EXPECT_THAT(Meta(call->result().error, "failed_topics"), Eq("orders"));
  EXPECT_THAT(Meta(call->result().error, "unknown_topics"), Eq(""));
}

TEST_F(PublishOutcomeTest, AnUnknownReportIsSaidToBeUnknownAndIsNotForRetry) {
  const auto call = Publish(MakeEvent("plain"));

  producer_.Report(producer_.TakeAccepted().at(0), UnknownReport());

  ExpectRefused(call->result(), Reason::kDeliveryTimeout, "unknown");
  EXPECT_THAT(Meta(call->result().error, "unknown_topics"), Eq("orders"));
  EXPECT_FALSE(RetryDelayOf(call->result().error).has_value());
}

TEST_F(PublishOutcomeTest, WrittenToOneTopicOnlyIsPartial) {
  const auto call = Publish(MakeEvent("audited"));
  const auto records = producer_.TakeAccepted();

  producer_.Report(records[0], NotWrittenReport(Reason::kBrokerDown));
  EXPECT_THAT(call->answers, Eq(0));
  producer_.Write(records[1]);

  ExpectRefused(call->result(), Reason::kBrokerDown, "partial");
  EXPECT_THAT(Meta(call->result().error, "failed_topics"), Eq("orders"));
  EXPECT_THAT(call->result().positions, ElementsAre(Position{"audit", 0, 0}));
  EXPECT_FALSE(RetryDelayOf(call->result().error).has_value());
}

TEST_F(PublishOutcomeTest, TheCodeIsThatOfTheWorstRoute) {
  const auto call = Publish(MakeEvent("audited"));
  const auto records = producer_.TakeAccepted();

  producer_.Report(records[0], NotWrittenReport(Reason::kBrokerDown));
  producer_.Report(records[1], UnknownReport());

  ExpectRefused(call->result(), Reason::kDeliveryTimeout, "unknown");
  EXPECT_THAT(Meta(call->result().error, "failed_topics"), Eq("orders"));
  EXPECT_THAT(Meta(call->result().error, "unknown_topics"), Eq("audit"));
}

TEST_F(PublishOutcomeTest, ARouteThatTheProducerRefusesIsNotWrittenAndTheOtherGoesOn) {
  producer_.RefuseWith("dev-audit", MakeError(Reason::kMemoryBudget, "full"));

  const auto call = Publish(MakeEvent("audited"));

  EXPECT_THAT(AcceptedTopics(), ElementsAre("dev-orders"));
  producer_.WriteAll();
  ExpectRefused(call->result(), Reason::kMemoryBudget, "partial");
  EXPECT_THAT(Meta(call->result().error, "failed_topics"), Eq("audit"));
}

TEST_F(PublishOutcomeTest, WhenTheProducerRefusesEverythingTheAnswerIsImmediate) {
  producer_.RefuseWith("dev-orders", MakeError(Reason::kMemoryBudget, "full"));

  const auto call = Publish({MakeEvent("plain", "1"), MakeEvent("plain", "2")});

  ASSERT_TRUE(call->at_once);
  for (const PublishResult& result : *call->results) {
    ExpectRefused(result, Reason::kMemoryBudget, "not_written");
    EXPECT_TRUE(RetryDelayOf(result.error).has_value());
  }
  EXPECT_THAT(budget_.used(), Eq(0u));
}

TEST_F(PublishOutcomeTest, AWrittenRecordWithoutAnOffsetSaysSo) {
  const auto call = Publish(MakeEvent("plain"));

  producer_.Report(producer_.TakeAccepted().at(0),
                   {DeliveryReport::Outcome::kWritten, absl::OkStatus(), 3, -1});

  EXPECT_THAT(call->result().positions, ElementsAre(Position{"orders", 3, -1}));
}

TEST_F(PublishOutcomeTest, APurgeAnswersWhatIsPending) {
  const auto call = Publish({MakeEvent("plain", "1"), MakeEvent("logged", "2")});

  producer_.Purge();

  ASSERT_THAT(call->answers, Eq(1));
  for (const PublishResult& result : *call->results) {
    ExpectRefused(result, Reason::kBrokerDown, "not_written");
  }
  EXPECT_THAT(producer_.accepted(), IsEmpty());
}

}  // namespace
}  // namespace sidebus
