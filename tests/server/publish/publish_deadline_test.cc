#include "tests/server/publish/publisher_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Eq;
using ::testing::Gt;
using ::testing::IsEmpty;

class PublishDeadlineTest : public PublisherFixture {
 protected:
  std::shared_ptr<Call> PublishWithin(Duration patience, std::string type = "plain") {
    PublishBatch batch;
    batch.events.push_back(MakeEvent(std::move(type)));
    batch.deadline = time_.Now() + patience;
    return Publish(std::move(batch));
  }
};

struct MarginCase {
  std::string name;
  Duration patience, answered_after;
};

class PublishMarginTest : public PublishDeadlineTest,
                          public ::testing::WithParamInterface<MarginCase> {};

TEST_P(PublishMarginTest, TheAnswerComesBeforeTheClientGivesUp) {
  const auto call = PublishWithin(GetParam().patience);

  time_.Advance(GetParam().answered_after - milliseconds(1));
  EXPECT_THAT(call->answers, Eq(0));
  time_.Advance(milliseconds(1));

  EXPECT_THAT(call->answers, Eq(1));
}

INSTANTIATE_TEST_SUITE_P(
    Deadlines, PublishMarginTest,
    ::testing::Values(MarginCase{"FiftyMilliseconds", milliseconds(500), milliseconds(450)},
                      MarginCase{"FivePercent", seconds(10), milliseconds(9500)},
                      MarginCase{"NeverAfterTheTimeOut", seconds(600), seconds(30)}),
    [](const auto& test) { return test.param.name; });

TEST_F(PublishDeadlineTest, WithoutADeadlineTheTimeOutCounts) {
  const auto call = Publish(MakeEvent("plain"));

  time_.Advance(seconds(30));

  ExpectRefused(call->result(), Reason::kDeliveryTimeout, "unknown");
}

TEST_F(PublishDeadlineTest, WhatWasHandedOnIsUnknown) {
  const auto call = PublishWithin(seconds(1));

  time_.Advance(seconds(1));

  ExpectRefused(call->result(), Reason::kDeliveryTimeout, "unknown");
  EXPECT_THAT(Meta(call->result().error, "unknown_topics"), Eq("orders"));
}

TEST_F(PublishDeadlineTest, WhatWaitsIsSurelyNotWrittenAndForRetry) {
  producer_.SetReadiness("dev-orders", TopicReadiness::kWaiting);
  const auto call = PublishWithin(seconds(1));
  EXPECT_THAT(call->answers, Eq(0));

  time_.Advance(seconds(1));

  ExpectRefused(call->result(), Reason::kBrokerDown, "not_written");
  EXPECT_TRUE(RetryDelayOf(call->result().error).has_value());
  EXPECT_THAT(budget_.used(), Eq(0u));
}

TEST_F(PublishDeadlineTest, WhatWasAnsweredNotWrittenIsNotHandedOnLater) {
  producer_.SetReadiness("dev-orders", TopicReadiness::kWaiting);
  const auto call = PublishWithin(seconds(1));
  time_.Advance(seconds(1));

  producer_.SetReadiness("dev-orders", TopicReadiness::kReady, publisher_.get());

  EXPECT_THAT(producer_.accepted(), IsEmpty());
  EXPECT_THAT(call->answers, Eq(1));
}

TEST_F(PublishDeadlineTest, EachEventOfABatchGetsItsOwnTruth) {
  producer_.SetReadiness("dev-audit", TopicReadiness::kWaiting);
  const auto call =
      Publish({MakeEvent("plain", "written"), MakeEvent("plain", "open"), MakeEvent("logged")});
  const auto records = producer_.TakeAccepted();
  producer_.Write(records.at(0));

  time_.Advance(seconds(30));
  producer_.Write(records.at(1));

  EXPECT_TRUE(call->result(0).error.ok());
  ExpectRefused(call->result(1), Reason::kDeliveryTimeout, "unknown");
  ExpectRefused(call->result(2), Reason::kBrokerDown, "not_written");
}

TEST_F(PublishDeadlineTest, ALateReportChangesNothingAndFreesTheMemory) {
  const auto call = PublishWithin(seconds(1));
  const auto records = producer_.TakeAccepted();
  time_.Advance(seconds(1));
  EXPECT_THAT(budget_.used(), Gt(0u));
  EXPECT_THAT(publisher_->in_flight_events(), Eq(0u));

  producer_.Write(records.at(0));

  EXPECT_THAT(call->answers, Eq(1));
  ExpectRefused(call->result(), Reason::kDeliveryTimeout, "unknown");
  EXPECT_THAT(budget_.used(), Eq(0u));
}

TEST_F(PublishDeadlineTest, AnAnswerInTimeLeavesNoTimer) {
  PublishWithin(seconds(1));
  EXPECT_THAT(time_.waiting(), Eq(1u));

  producer_.WriteAll();

  EXPECT_THAT(time_.waiting(), Eq(0u));
}

TEST_F(PublishDeadlineTest, ADeadlineThatLeavesNoTimeHandsNothingOn) {
  for (const Duration patience : {Duration(milliseconds(50)), Duration(-seconds(1))}) {
    const auto call = PublishWithin(patience);

    ASSERT_TRUE(call->at_once);
    ExpectRefused(call->result(), Reason::kDeliveryTimeout, "not_written");
    EXPECT_THAT(producer_.accepted(), IsEmpty());
  }
}

}  // namespace
}  // namespace sidebus
