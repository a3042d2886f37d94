#include "tests/server/publish/publisher_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;

class PublishWaitingTest : public PublisherFixture {
 protected:
  void Hold(const std::string& topic) { producer_.SetReadiness(topic, TopicReadiness::kWaiting); }
  void Free(const std::string& topic) {
    producer_.SetReadiness(topic, TopicReadiness::kReady, publisher_.get());
  }
};

TEST_F(PublishWaitingTest, AnEventWaitsForItsTopicAndIsThenHandedOn) {
  Hold("dev-orders");
  const auto call = Publish(MakeEvent("plain"));
  EXPECT_THAT(producer_.accepted(), IsEmpty());
  EXPECT_THAT(publisher_->in_flight_events(), Eq(1u));

  Free("dev-orders");
  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("1"));
  producer_.WriteAll();

  EXPECT_TRUE(call->result().error.ok());
}

TEST_F(PublishWaitingTest, EventsThatWaitKeepTheirOrderOverCalls) {
  Hold("dev-orders");
  Publish({MakeEvent("plain", "1"), MakeEvent("plain", "2")});
  Publish(MakeEvent("plain", "3"));

  Free("dev-orders");
  Publish(MakeEvent("plain", "4"));

  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("1", "2", "3", "4"));
}

TEST_F(PublishWaitingTest, AnEventNeverOvertakesOneThatWaitsEvenWhenItsTopicIsReadyAgain) {
  Hold("dev-orders");
  Publish(MakeEvent("plain", "1"));
  producer_.SetReadiness("dev-orders", TopicReadiness::kReady);  // nobody was told yet

  Publish(MakeEvent("plain", "2"));
  EXPECT_THAT(producer_.accepted(), IsEmpty());
  publisher_->OnReadinessChanged();

  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("1", "2"));
}

TEST_F(PublishWaitingTest, OtherTopicsAreNotHeldBack) {
  Hold("dev-orders");

  Publish({MakeEvent("plain", "1"), MakeEvent("logged", "2")});

  EXPECT_THAT(AcceptedTopics(), ElementsAre("dev-audit"));
}

TEST_F(PublishWaitingTest, AnEventWaitsAsAWholeAndHoldsBackAllItsTopics) {
  Hold("dev-orders");

  Publish({MakeEvent("audited", "1"), MakeEvent("logged", "2")});
  EXPECT_THAT(producer_.accepted(), IsEmpty());
  Free("dev-orders");

  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("1"));
  EXPECT_THAT(AcceptedIds("dev-audit"), ElementsAre("1", "2"));
}

TEST_F(PublishWaitingTest, WhatIsFreeGoesWhileTheRestStaysInOrder) {
  Hold("dev-orders");
  Hold("dev-audit");
  Publish({MakeEvent("plain", "1"), MakeEvent("logged", "2"), MakeEvent("audited", "3"),
           MakeEvent("logged", "4"), MakeEvent("plain", "5")});

  Free("dev-audit");
  EXPECT_THAT(AcceptedIds("dev-audit"), ElementsAre("2"));
  EXPECT_THAT(AcceptedIds("dev-orders"), IsEmpty());
  Free("dev-orders");

  EXPECT_THAT(AcceptedIds("dev-audit"), ElementsAre("2", "3", "4"));
  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("1", "3", "5"));
}

TEST_F(PublishWaitingTest, ATopicThatTurnsOutToBeMissingRefusesTheWholeEvent) {
  Hold("dev-audit");
  const auto call = Publish({MakeEvent("audited", "1"), MakeEvent("plain", "2")});

  producer_.SetReadiness("dev-audit", TopicReadiness::kMissing, publisher_.get());

  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("2"));
  EXPECT_THAT(call->answers, Eq(0));
  producer_.WriteAll();
  ExpectRefused(call->result(0), Reason::kTopicMissing, "not_written");
  EXPECT_TRUE(call->result(1).error.ok());
}

TEST_F(PublishWaitingTest, AMissingTopicThatIsTheLastToBeKnownAnswersTheCall) {
  Hold("dev-orders");
  const auto call = Publish(MakeEvent("plain"));

  producer_.SetReadiness("dev-orders", TopicReadiness::kMissing, publisher_.get());

  ASSERT_THAT(call->answers, Eq(1));
  ExpectRefused(call->result(), Reason::kTopicMissing, "not_written");
}

TEST_F(PublishWaitingTest, AReadinessThatChangesWhileTheEventEntersIsNotMissed) {
  producer_.SetReadinessOnce("dev-orders", TopicReadiness::kWaiting);  // and ready right after

  Publish(MakeEvent("plain"));

  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("1"));
}

TEST_F(PublishWaitingTest, WhatTheProducerRefusesAfterTheWaitIsAnswered) {
  Hold("dev-orders");
  const auto call = Publish(MakeEvent("plain"));
  producer_.RefuseWith("dev-orders", MakeError(Reason::kMemoryBudget, "full"));

  Free("dev-orders");

  ASSERT_THAT(call->answers, Eq(1));
  ExpectRefused(call->result(), Reason::kMemoryBudget, "not_written");
}

TEST_F(PublishWaitingTest, AnEventThatGaveUpLetsTheNextGoWithoutWaitingForAnotherChange) {
  Hold("dev-orders");
  PublishBatch hasty;
  hasty.events.push_back(MakeEvent("audited", "1"));
  hasty.deadline = time_.Now() + std::chrono::seconds(1);
  Publish(std::move(hasty));
  Publish(MakeEvent("logged", "2"));

  time_.Advance(std::chrono::seconds(1));

  EXPECT_THAT(AcceptedIds("dev-audit"), ElementsAre("2"));
}

TEST_F(PublishWaitingTest, DropWaitingAnswersEverythingThatWaitsAndCountsIt) {
  Hold("dev-orders");
  const auto first = Publish({MakeEvent("plain", "1"), MakeEvent("plain", "2")});
  const auto second = Publish({MakeEvent("plain", "3"), MakeEvent("logged", "4")});

  EXPECT_THAT(publisher_->DropWaiting(), Eq(3u));

  ASSERT_THAT(first->answers, Eq(1));
  ExpectRefused(first->result(0), Reason::kDraining, "not_written");
  EXPECT_THAT(second->answers, Eq(0));
  producer_.WriteAll();
  ExpectRefused(second->result(0), Reason::kDraining, "not_written");
  EXPECT_TRUE(second->result(1).error.ok());
  EXPECT_THAT(publisher_->DropWaiting(), Eq(0u));
}

TEST_F(PublishWaitingTest, TheDestructorAnswersWhatWaits) {
  Hold("dev-orders");
  std::optional<Publisher::Results> answer;
  {
    Publisher short_lived({}, *Router::Make({{"plain", {{"orders", "", true}}}}, "dev"), budget_,
                          time_, time_, publish_metrics_);
    short_lived.Start(producer_);
    PublishBatch batch;
    batch.events.push_back(MakeEvent("plain"));
    ASSERT_FALSE(
        short_lived
            .Publish(std::move(batch),
                     [&answer](Publisher::Results results) { answer = std::move(results); })
            .has_value());
  }

  ASSERT_TRUE(answer.has_value());
  ExpectRefused(answer->at(0), Reason::kDraining, "not_written");
}

TEST_F(PublishWaitingTest, AnAnswerMayPublishAgain) {
  Hold("dev-orders");
  PublishBatch batch;
  batch.events.push_back(MakeEvent("plain", "1"));
  batch.deadline = time_.Now() + std::chrono::seconds(1);
  bool answered = false;
  ASSERT_FALSE(publisher_
                   ->Publish(std::move(batch),
                             [&](Publisher::Results) {
                               answered = true;
                               Publish(MakeEvent("plain", "2"));
                             })
                   .has_value());

  time_.Advance(std::chrono::seconds(1));
  Free("dev-orders");

  EXPECT_TRUE(answered);
  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("2"));
}

}  // namespace
}  // namespace sidebus
