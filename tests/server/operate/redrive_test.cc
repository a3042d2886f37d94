// Dead letters: shown, and published again.

#include <gmock/gmock.h>

#include "server/codec/cloudevents.h"
#include "server/codec/dead_letter.h"
#include "tests/server/operate/operate_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kLetters = "orders.g.dead";
const std::string kLettersTopic = "t-orders.g.dead";

class RedriveTest : public OperateTest {
 protected:
  RedriveTest() { broker_.CreateTopic(kLettersTopic, 2); }

  // A dead letter of group "g" that came from "orders".
  void Letter(const std::string& data, const std::string& type = "order",
              const std::string& from = "t-orders", std::int32_t partition = 0) {
    Event event;
    event.id = "id-" + data;
    event.type = type;
    event.source = "/test";
    event.time = EventTime(time_.WallNow());
    event.data = data;
    DeadLetterNote note;
    note.reason = "REJECTED";
    note.detail = "why " + data;
    note.group = "g";
    note.attempts = 3;
    note.origin = {from, 0, 7};
    note.time = time_.WallNow();
    broker_.Append(kLettersTopic, partition,
                   MakeDeadLetter(EncodeCloudEvent(std::move(event), "k"), note));
  }

  // While the broker works.
  void Pass(Duration by) {
    Settle();
    for (Duration passed{}; passed < by; passed += milliseconds(50)) Advance(milliseconds(50));
  }

  // Its last word.
  absl::StatusOr<RedriveProgress> Redrive(RedriveOrder order) {
    if (order.dead_letter_topic.empty()) order.dead_letter_topic = kLetters;
    const auto last = std::make_shared<absl::StatusOr<RedriveProgress>>(RedriveProgress());
    operator_->Redrive(std::move(order), [last](auto progress) { *last = std::move(progress); });
    for (int i = 0; i < 50 && last->ok() && !(*last)->done; ++i) Pass(milliseconds(200));
    return *last;
  }

  void ExpectDone(const absl::StatusOr<RedriveProgress>& progress, std::uint64_t scanned,
                  std::uint64_t redriven, std::uint64_t skipped) {
    ASSERT_TRUE(progress.ok()) << progress.status();
    EXPECT_TRUE(progress->done);
    EXPECT_EQ(progress->scanned, scanned);
    EXPECT_EQ(progress->redriven, redriven);
    EXPECT_EQ(progress->skipped, skipped);
  }

  std::vector<std::string> Orders() {
    std::vector<std::string> data;
    for (const Record& record : broker_.Read("t-orders", 0)) data.push_back(*record.value);
    return data;
  }

  absl::StatusOr<std::vector<ListedLetter>> List(ListLettersOrder order) {
    if (order.dead_letter_topic.empty()) order.dead_letter_topic = kLetters;
    std::optional<absl::StatusOr<std::vector<ListedLetter>>> found;
    operator_->ListDeadLetters(std::move(order), [&](auto letters) { found = std::move(letters); });
    for (int i = 0; i < 50 && !found.has_value(); ++i) Pass(milliseconds(200));
    if (!found.has_value()) return absl::InternalError("no answer");
    return *std::move(found);
  }
};

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

TEST_F(RedriveTest, LettersAreListedWithWhatIsSaidOfThem) {
  Letter("a");
  Pass(seconds(1));
  Letter("x", "invoice", "t-orders", 1);
  broker_.Append(kLettersTopic, 0, Record{"k", "no letter", {{"ce_type", "order"}}});

  const auto all = List({});
  const auto invoices = List({.dead_letter_topic = "", .event_types = {"invoice"}});
  const auto one = List({.dead_letter_topic = "", .event_types = {}, .limit = 1});

  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_THAT(*all, SizeIs(2));
  const ListedLetter& a = (*all)[0];
  EXPECT_EQ(a.event.data, "a");
  EXPECT_THAT(a.event.headers, IsEmpty());
  EXPECT_EQ(a.position, (Position{kLetters, 0, 0}));
  EXPECT_EQ(a.note.origin, (Position{"orders", 0, 7}));
  EXPECT_EQ(a.note.group, "g");
  EXPECT_EQ(a.note.detail, "why a");
  EXPECT_EQ((*all)[1].event.data, "x");
  ASSERT_THAT(*invoices, SizeIs(1));
  EXPECT_EQ((*invoices)[0].event.data, "x");
  EXPECT_THAT(*one, SizeIs(1));
  ExpectDone(Redrive({}), 3, 2, 1);
}

TEST_F(RedriveTest, WhatIsNoEventIsListedWithItsBytes) {
  broker_.Append(kLettersTopic, 0,
                 MakeDeadLetter({"k", "\xff", {}}, {.reason = "UNDECODABLE",
                                                    .detail = "no type",
                                                    .group = "g",
                                                    .origin = {"t-orders", 0, 1}}));

  const auto letters = List({});

  ASSERT_TRUE(letters.ok()) << letters.status();
  ASSERT_THAT(*letters, SizeIs(1));
  EXPECT_EQ((*letters)[0].event.data, "\xff");
  EXPECT_EQ((*letters)[0].event.key, "k");
}

}  // namespace
}  // namespace sidebus
