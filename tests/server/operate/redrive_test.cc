// Dead letters: shown, and published again.

#include <gmock/gmock.h>

#include "tests/server/operate/redrive_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(RedriveTest, PublishesTheRecordAsItWasForItsGroupAlone) {
  Letter("a");

  ExpectDone(Redrive({}), 1, 1, 0);

  ASSERT_THAT(broker_.Read("t-orders", 0), SizeIs(1));
  const RawRecord redriven = RawRecordOf(broker_.Read("t-orders", 0)[0]);
  EXPECT_EQ(redriven.key, "k");
  EXPECT_EQ(redriven.value, "a");
  EXPECT_EQ(ReadDeadLetterNote(redriven.headers), std::nullopt);
  EXPECT_EQ(RedriveGroupOf(redriven.headers), "g");
  EXPECT_THAT(OpenOrders("g")->TakeData(), ElementsAre("a"));
  EXPECT_THAT(OpenOrders("other")->TakeData(), IsEmpty());
}

TEST_F(RedriveTest, ASecondOneRepeatsNothingAndTakesWhatCameSince) {
  for (const char* data : {"a", "b"}) Letter(data);
  ExpectDone(Redrive({}), 2, 2, 0);
  ExpectDone(Redrive({}), 0, 0, 0);
  Letter("c", "order", "t-orders", 1);

  ExpectDone(Redrive({}), 1, 1, 0);

  EXPECT_THAT(Orders(), ElementsAre("a", "b", "c"));
}

TEST_F(RedriveTest, ADryRunOnlyCounts) {
  for (const char* data : {"a", "b"}) Letter(data);

  ExpectDone(Redrive({.dead_letter_topic = "", .event_types = {}, .dry_run = true}), 2, 2, 0);

  EXPECT_THAT(Orders(), IsEmpty());
  ExpectDone(Redrive({}), 2, 2, 0);
}

TEST_F(RedriveTest, WhatTheFilterPassesOverStaysForTheNext) {
  Letter("a");
  Letter("x", "invoice");
  Letter("b");

  ExpectDone(Redrive({.dead_letter_topic = "", .event_types = {"order"}}), 3, 2, 1);
  EXPECT_THAT(Orders(), ElementsAre("a", "b"));

  ExpectDone(Redrive({}), 1, 1, 0);
  EXPECT_THAT(Orders(), ElementsAre("a", "b", "x"));
}

TEST_F(RedriveTest, TheLimitIsOneOfRedrivenEvents) {
  Letter("x", "invoice");
  for (const char* data : {"a", "b", "c"}) Letter(data);

  ExpectDone(Redrive({.dead_letter_topic = "", .event_types = {"order"}, .limit = 2}), 3, 2, 1);

  EXPECT_THAT(Orders(), ElementsAre("a", "b"));
}

TEST_F(RedriveTest, TheRateIsKept) {
  for (int i = 0; i < 30; ++i) Letter(std::to_string(i));
  const auto last = std::make_shared<RedriveProgress>();
  const auto stop =
      operator_->Redrive({.dead_letter_topic = kLetters, .event_types = {}, .max_per_second = 10},
                         [last](const auto& progress) { *last = progress.value(); });

  Pass(milliseconds(900));
  EXPECT_LE(last->redriven, 10u);
  Pass(seconds(1));
  EXPECT_LE(last->redriven, 20u);
  Pass(seconds(3));
  EXPECT_EQ(last->redriven, 30u);
}

TEST_F(RedriveTest, AHeaderDoesNotChooseWhereItWrites) {
  broker_.CreateTopic("t-secrets", 1);
  Letter("a", "order", "t-secrets");
  broker_.Append(kLettersTopic, 0, Record{"k", "no letter", {{"ce_type", "order"}}});

  ExpectDone(Redrive({}), 2, 0, 2);

  EXPECT_THAT(broker_.Read("t-secrets", 0), IsEmpty());
  EXPECT_THAT(Orders(), IsEmpty());
}

TEST_F(RedriveTest, MoreThanABatchIsReadToTheEnd) {
  for (int i = 0; i < 250; ++i) Letter(std::to_string(i), "order", "t-orders", i % 2);

  ExpectDone(Redrive({}), 250, 250, 0);

  EXPECT_THAT(Orders(), SizeIs(250));
  EXPECT_EQ(dead_budget_.used(), 0u);
}

TEST_F(RedriveTest, WhatCouldNotBeWrittenIsSaidAndLeftForTheNext) {
  for (const char* data : {"a", "b"}) Letter(data);
  broker_.FailProduces(1, DeliveryReport::Outcome::kNotWritten);

  EXPECT_FALSE(Redrive({}).ok());

  EXPECT_THAT(Orders(), ElementsAre("b"));
  ExpectDone(Redrive({}), 1, 1, 0);
  EXPECT_THAT(Orders(), ElementsAre("b", "a"));
}

TEST_F(RedriveTest, ATopicThatDoesNotExistIsSaidToBeMissing) {
  const auto progress = Redrive({.dead_letter_topic = "orders.nobody.dead", .event_types = {}});

  EXPECT_EQ(ReasonOf(progress.status()), Reason::kTopicMissing);
  EXPECT_THAT(std::string(progress.status().message()), HasSubstr("is made when the first event"));
}

TEST_F(RedriveTest, ATopicThatIsNamedWithItsPrefixIsMissingAndSaidToHaveNone) {
  const auto progress = Redrive({.dead_letter_topic = "t-orders.nobody.dead", .event_types = {}});

  EXPECT_EQ(ReasonOf(progress.status()), Reason::kTopicMissing);
  EXPECT_THAT(std::string(progress.status().message()),
              HasSubstr("there is no topic \"t-orders.nobody.dead\": names are without the prefix "
                        "`t-`: \"orders.nobody.dead\""));
}

TEST_F(RedriveTest, ASecondOneAtTheSameTimeIsRefused) {
  for (int i = 0; i < 30; ++i) Letter(std::to_string(i));
  const auto stop = operator_->Redrive(
      {.dead_letter_topic = kLetters, .event_types = {}, .max_per_second = 1}, [](const auto&) {});
  Pass(milliseconds(500));

  EXPECT_EQ(ReasonOf(Redrive({}).status()), Reason::kGroupActive);
}

TEST_F(RedriveTest, OneThatIsStoppedKeepsWhatItDid) {
  for (int i = 0; i < 30; ++i) Letter(std::to_string(i));
  auto stop = operator_->Redrive(
      {.dead_letter_topic = kLetters, .event_types = {}, .max_per_second = 10}, [](const auto&) {});
  Pass(milliseconds(1500));

  stop();
  Pass(seconds(1));

  const std::size_t redriven = Orders().size();
  EXPECT_GE(redriven, 10u);
  EXPECT_LT(redriven, 30u);
  ExpectDone(Redrive({}), 30 - redriven, 30 - redriven, 0);
  EXPECT_THAT(Orders(), SizeIs(30));
}

TEST_F(RedriveTest, OneThatIsUnderWayWhenTheGatewayEndsIsDropped) {
  for (int i = 0; i < 30; ++i) Letter(std::to_string(i));
  const auto stop = operator_->Redrive(
      {.dead_letter_topic = kLetters, .event_types = {}, .max_per_second = 1}, [](const auto&) {});
  Pass(milliseconds(500));

  operator_.reset();

  Pass(seconds(5));
  EXPECT_THAT(Orders(), SizeIs(1));
}

TEST_F(RedriveTest, OneThatIsStoppedWithABatchUnderWayCommitsWhatWasWritten) {
  for (int i = 0; i < 30; ++i) Letter(std::to_string(i));
  broker_.HoldReports(true);
  const auto said = std::make_shared<Said>();
  auto stop = Begin(said, {});
  Pass(seconds(1));
  EXPECT_THAT(Orders(), SizeIs(30)) << "written, and not confirmed yet";

  stop();
  Pass(seconds(1));
  broker_.HoldReports(false);
  Pass(seconds(1));

  EXPECT_THAT(*said, IsEmpty());
  ExpectDone(Redrive({}), 0, 0, 0);
  EXPECT_THAT(Orders(), SizeIs(30));
}

TEST_F(RedriveTest, WhenTheGatewayStopsTheBatchUnderWayIsTheLast) {
  for (int i = 0; i < 250; ++i) Letter(std::to_string(i));
  broker_.HoldReports(true);
  const auto said = std::make_shared<Said>();
  const auto stop = Begin(said, {});
  Pass(seconds(1));
  const std::size_t written = Orders().size();

  operator_->Stop();
  broker_.HoldReports(false);
  Pass(seconds(1));

  EXPECT_THAT(Orders(), SizeIs(written));
  ASSERT_THAT(*said, SizeIs(2)) << "the totals, and why it ended";
  EXPECT_EQ(said->front()->redriven, written);
  EXPECT_EQ(ReasonOf(said->back().status()), Reason::kDraining);
  EXPECT_EQ(ReasonOf(Redrive({}).status()), Reason::kDraining);
  EXPECT_EQ(ReasonOf(List({}).status()), Reason::kDraining);
  Appoint();
  ExpectDone(Redrive({}), 250 - written, 250 - written, 0);
}

TEST_F(RedriveTest, ManyOfThemLeaveHalfOfTheMemoryToTheDeadLettersThatAreWritten) {
  std::vector<std::shared_ptr<Said>> said;
  for (int i = 0; i < 8; ++i) {
    const std::string topic = "dead-" + std::to_string(i);
    broker_.CreateTopic("t-" + topic, 2);
    broker_.Append("t-" + topic, 0, Record{"k", "v", {}});
    broker_.Append("t-" + topic, 1, Record{"k", "v", {}});
    said.push_back(std::make_shared<Said>());
    Begin(said.back(), {.dead_letter_topic = topic, .event_types = {}, .max_per_second = 1});
  }

  Settle();

  EXPECT_LE(dead_budget_.used(), dead_budget_.limit() / 2);
  EXPECT_GT(dead_budget_.used(), 0u);
  ASSERT_THAT(*said.back(), SizeIs(1));
  const absl::Status refused = said.back()->front().status();
  EXPECT_EQ(ReasonOf(refused), Reason::kMemoryBudget);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("limits.memory"));
  Pass(seconds(5));
  EXPECT_EQ(dead_budget_.used(), 0u);
}

TEST_F(RedriveTest, TheMemoryForATopicWithManyPartitionsIsThatOfItsBuffers) {
  broker_.CreateTopic("t-wide", 9);  // 64 KiB each
  broker_.Append("t-wide", 0, Record{"k", "v", {}});

  const auto refused = Redrive({.dead_letter_topic = "wide", .event_types = {}});

  EXPECT_EQ(ReasonOf(refused.status()), Reason::kMemoryBudget);
}

TEST_F(RedriveTest, OneWhoseConsumerCannotBeMadeGivesEverythingBack) {
  Letter("a");
  broker_.RefuseConsumers(MakeError(Reason::kBrokerDenied, "no certificate"));

  EXPECT_EQ(ReasonOf(Redrive({}).status()), Reason::kBrokerDenied);
  EXPECT_EQ(ReasonOf(List({}).status()), Reason::kBrokerDenied);

  EXPECT_EQ(dead_budget_.used(), 0u);
  broker_.RefuseConsumers(absl::OkStatus());
  ExpectDone(Redrive({}), 1, 1, 0);
}

TEST_F(RedriveTest, OfTwoThatBeginAtTheSameTimeOneIsRefused) {
  Letter("a");
  const auto first = std::make_shared<Said>();
  const auto second = std::make_shared<Said>();

  Begin(first, {});
  Begin(second, {});
  Pass(seconds(1));

  ExpectDone(first->back(), 1, 1, 0);
  ASSERT_THAT(*second, SizeIs(1));
  EXPECT_EQ(ReasonOf(second->front().status()), Reason::kGroupActive);
}

TEST_F(RedriveTest, WhatCameFromATopicThatIsGoneIsPassedOver) {
  router_ = *Router::Make({{"order", {{"orders", "", true}, {"gone", "", true}}}}, "t");
  Appoint();
  Letter("a");
  Letter("b", "order", "t-gone");
  Letter("c");

  ExpectDone(Redrive({}), 3, 2, 1);

  EXPECT_THAT(Orders(), ElementsAre("a", "c"));
  broker_.CreateTopic("t-gone", 1);
  ExpectDone(Redrive({}), 1, 1, 0);
  EXPECT_THAT(broker_.Read("t-gone", 0), SizeIs(1));
}

TEST_F(RedriveTest, TheTotalsAreToldBeforeTheError) {
  for (const char* data : {"a", "b"}) Letter(data);
  broker_.FailProduces(1, DeliveryReport::Outcome::kNotWritten);
  const auto said = std::make_shared<Said>();

  Begin(said, {});
  Pass(seconds(1));

  ASSERT_THAT(*said, SizeIs(2));
  EXPECT_EQ(said->front()->redriven, 1u);
  EXPECT_FALSE(said->front()->done);
  EXPECT_THAT(std::string(said->back().status().message()), HasSubstr("topic orders:"));
}

// A position can name 1,123 gaps; the last batch brings one more.
TEST_F(RedriveTest, APartitionThatIsFullOfGapsDoesNotEndTheReadingOfOthers) {
  for (int i = 0; i < 2248; ++i) Letter("x", i % 2 == 0 ? "invoice" : "order", "t-orders", 0);
  for (int i = 0; i < 4000; ++i) Letter("a", "order", "t-orders", 1);

  ExpectDone(Redrive({.dead_letter_topic = "", .event_types = {"order"}}), 6248, 5124, 1124);
}

TEST_F(RedriveTest, WhenNothingCanBeReadForGapsItSaysSo) {
  for (int i = 0; i < 3000; ++i) Letter("x", i % 2 == 0 ? "invoice" : "order");
  const RedriveOrder orders{.dead_letter_topic = "", .event_types = {"order"}};

  EXPECT_EQ(ReasonOf(Redrive(orders).status()), Reason::kGroupConflict);

  const std::size_t redriven = Orders().size();
  EXPECT_GT(redriven, 1000u);
  ASSERT_TRUE(Redrive({}).ok());
  EXPECT_THAT(Orders(), SizeIs(3000));
}

}  // namespace
}  // namespace sidebus
