// Records that leave their group for a dead-letter topic: when and how, and the way back.

#include "tests/server/subscribe/dead_letters_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// When.

TEST_F(DeadLettersTest, ARejectedEventIsSettledOnlyAfterItsLetterIsConfirmed) {
  MakeTopic();
  broker_.HoldReports(true);
  const auto stream = HoldA();

  stream->Refuse(1, kReject);
  Settle();

  EXPECT_THAT(LetterData(), ElementsAre("a"));
  EXPECT_THAT(stream->TakeData(), IsEmpty());
  EXPECT_EQ(Committed(), 0);
  const std::string counted =
      R"(sidebus_dead_lettered_events_total{event_type="order",group="g",reason="REJECTED"})";
  EXPECT_EQ(MetricValue(counted), -1) << "it may still fail";
  broker_.HoldReports(false);
  ExpectSettled(*stream);
  EXPECT_EQ(MetricValue(counted), 1);
}

TEST_F(DeadLettersTest, AnEventThatUsedUpItsAttemptsGoesThere) {
  const auto stream = HoldA(OneAttempt());
  Nack nack;
  nack.delivery_id = 1;
  nack.reason = "no such customer";

  stream->Settle(nack);
  Pass(seconds(1));

  ExpectSettled(*stream);
  ASSERT_THAT(Letters(), SizeIs(1));
  const DeadLetterNote note = NoteOf(Letters()[0]);
  EXPECT_EQ(note.reason, "EXHAUSTED");
  EXPECT_EQ(note.detail, "no such customer");
  EXPECT_EQ(note.group, "g");
  EXPECT_EQ(note.attempts, 1u);
  EXPECT_EQ(note.origin, (Position{"t-orders", 0, 0}));
}

TEST_F(DeadLettersTest, TheTimesOfTheRecordAndOfItsFirstFailureAreKept) {
  MakeTopic();
  const SystemTime written = time_.WallNow();
  const auto stream = HoldA();
  Pass(seconds(5));
  const SystemTime failed = time_.WallNow();
  stream->Refuse(1);
  Pass(minutes(1));
  const SystemTime rejected = time_.WallNow();

  stream->Refuse(2, kReject);
  Settle();

  const DeadLetterNote note = NoteOf(Letters().at(0));
  EXPECT_EQ(note.timestamp, written);
  EXPECT_EQ(note.first_failure, failed);
  EXPECT_EQ(note.time, rejected);
  EXPECT_EQ(note.attempts, 2u);
}

TEST_F(DeadLettersTest, OnlyAttemptsThatWereDeliveredCount) {
  const auto stream = HoldA();
  stream->Refuse(1);

  stream->Refuse(1, kReject);  // while it waits for its second attempt
  Pass(seconds(1));

  EXPECT_EQ(NoteOf(Letters().at(0)).attempts, 1u);
}

TEST_F(DeadLettersTest, AnEventWhoseHoldersVanishTooOftenGoesThere) {
  options_.max_interruptions = 1;
  Restart();
  auto stream = HoldA();
  const auto other = OpenOrders();

  stream.reset();
  Pass(seconds(1));

  ExpectSettled(*other);
  EXPECT_EQ(NoteOf(Letters().at(0)).reason, "INTERRUPTED");
}

TEST_F(DeadLettersTest, ARecordThatIsNoEventGoesThereInItsTurn) {
  const Record no_event{.key = "k", .value = "no event", .headers = {{"x", std::nullopt}}};
  Order("a", "k");
  broker_.Append("t-orders", 0, no_event);
  Order("b", "k");
  const auto stream = OpenOrders();
  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
  Pass(seconds(1));
  EXPECT_THAT(Letters(), IsEmpty()) << "its key is still at work before it";

  stream->Ack(1);
  Pass(seconds(1));

  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
  ASSERT_THAT(Letters(), SizeIs(1));
  const DeadLetterNote note = NoteOf(Letters()[0]);
  EXPECT_EQ(note.reason, "UNDECODABLE");
  EXPECT_EQ(note.attempts, 0u);
  EXPECT_EQ(Letters()[0], MakeDeadLetter(no_event, note));
  EXPECT_EQ(Committed(), 2);
  EXPECT_EQ(
      MetricValue(R"(sidebus_undecodable_records_total{reason="not_an_event",topic="orders"})"), 1);
}

TEST_F(DeadLettersTest, ARecordThatIsNoEventIsSkippedWhereThatIsWanted) {
  options_.on_undecodable = Undecodable::kSkip;
  Restart();
  broker_.Append("t-orders", 0, Record{.key = "k", .value = "no event", .headers = {}});
  Order("b", "k");

  const auto stream = OpenOrders();

  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
  EXPECT_EQ(Committed(), 1);
}

TEST_F(DeadLettersTest, ARecordThatIsNoEventIsHaltedWhereThatIsWanted) {
  options_.on_undecodable = Undecodable::kHalt;
  Restart();
  broker_.Append("t-orders", 0, Record{.key = "k", .value = "no event", .headers = {}});
  const auto stream = OpenOrders();

  ExpectHalted(*stream, 0);
}

TEST_F(DeadLettersTest, AnEventTooLargeForAnyStreamGoesThere) {
  options_.max_delivery_bytes = 500;
  Restart();
  Order(std::string(1000, 'x'), "k");
  Order("b", "k");

  const auto stream = OpenOrders();
  Pass(seconds(1));

  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
  EXPECT_EQ(NoteOf(Letters().at(0)).reason, "UNDELIVERABLE_SIZE");
}

TEST_F(DeadLettersTest, AHaltedEventGoesThereWhenItIsRejected) {
  SubscribeStart start = OneAttempt();
  start.retry.on_exhausted = Exhausted::kHalt;
  const auto stream = HoldA(std::move(start));
  stream->Refuse(1);
  ExpectHalted(*stream);

  stream->Refuse(1, kReject);
  Pass(seconds(1));

  ExpectSettled(*stream);
  EXPECT_EQ(NoteOf(Letters().at(0)).reason, "REJECTED");
}

TEST_F(DeadLettersTest, AWaitingEventGoesThereWhenItIsRejected) {
  const auto stream = HoldA();
  Advance(options_.lease);

  stream->Refuse(1, kReject);
  Pass(seconds(1));

  ExpectSettled(*stream);
  EXPECT_THAT(LetterData(), ElementsAre("a"));
}

TEST_F(DeadLettersTest, BroadcastHasNone) {
  SubscribeStart start = StartOf("", {"order"});
  start.start = StartPosition{.at = StartPosition::At::kEarliest, .positions = {}};
  const auto stream = HoldA(std::move(start));

  stream->Refuse(1, kReject);
  Settle();

  EXPECT_THAT(stream->TakeData(), ElementsAre("b"));
  EXPECT_THAT(Letters("t-orders..dead"), IsEmpty());
}

// How.

TEST_F(DeadLettersTest, KeyValueAndHeadersAreThoseOfTheRecordByteForByte) {
  MakeTopic();
  const Record odd{std::string("\0k", 2),
                   std::string("\xff\0", 2),
                   {{"x", "1"},
                    {"ce_time", "1970-01-01T01:00:00.0000+01:00"},
                    {"ce_type", "order"},
                    {"x", std::nullopt},
                    {"\xfe", "2"}}};
  broker_.Append("t-orders", 0, odd);
  const auto stream = OpenOrders();
  ASSERT_THAT(stream->TakeBatch(), SizeIs(1));

  stream->Refuse(1, kReject);
  Settle();

  EXPECT_EQ(Letters().at(0), MakeDeadLetter(odd, NoteOf(Letters()[0])));
}

TEST_F(DeadLettersTest, AStructuredRecordIsKeptAsItCame) {
  MakeTopic();
  const Record structured{"k",
                          R"({ "type": "order", "data": { "x" :1} })",
                          {{"content-type", "application/cloudevents+json"}}};
  broker_.Append("t-orders", 0, structured);
  const auto stream = OpenOrders();

  stream->Refuse(1, kReject);
  Settle();

  EXPECT_EQ(Letters().at(0), MakeDeadLetter(structured, NoteOf(Letters()[0])));
}

TEST_F(DeadLettersTest, AMissingTopicIsMadeLikeTheOneTheRecordLeaves) {
  Publish("t-payments", "payment", "a", "k", 1);
  const auto stream = Open(StartOf("g", {"payment"}));
  EXPECT_THAT(Letters("t-payments.g.dead", 1), IsEmpty());

  stream->Refuse(1, kReject);
  Pass(seconds(1));

  EXPECT_THAT(Letters("t-payments.g.dead", 0).size() + Letters("t-payments.g.dead", 1).size(), 1u);
}

TEST_F(DeadLettersTest, AnotherPatternMakesAnotherName) {
  Use({.topic = "dead-{group}", .create = true});
  const auto stream = HoldA();

  stream->Refuse(1, kReject);
  Pass(seconds(1));

  EXPECT_THAT(Letters("t-dead-g"), SizeIs(1));
}

// The way back.

TEST_F(DeadLettersTest, WhatWasRedrivenForAnotherGroupIsSettledSilently) {
  Event event;
  event.id = "1";
  event.type = "order";
  event.source = "/s";
  event.time = EventTime(time_.WallNow());
  event.data = "again";
  const RawRecord record = RawRecordOf(EncodeCloudEvent(Event(event), "k"));
  broker_.Append("t-orders", 0, MakeRedriven(record, "g"));

  const auto mine = OpenOrders("g");
  const auto other = OpenOrders("other");

  EXPECT_THAT(mine->TakeData(), ElementsAre("again"));
  EXPECT_THAT(other->TakeData(), IsEmpty());
  EXPECT_EQ(Committed("other"), 1);
  EXPECT_EQ(MetricValue(R"(sidebus_redriven_elsewhere_total{group="other"})"), 1);
  EXPECT_EQ(MetricValue(R"(sidebus_redriven_elsewhere_total{group="g"})"), 0);
}

// Names.

TEST(DeadLetterTopicTest, HasTopicAndGroup) {
  EXPECT_EQ(DeadLetterTopic("{topic}.{group}.dead", "orders", "billing"), "orders.billing.dead");
}

TEST(DeadLetterTopicTest, HasNothingThatNoTopicMayHave) {
  EXPECT_EQ(DeadLetterTopic("{topic}.{group}.dead", "orders", "a b/\xc3\xa9:1_2"),
            "orders.a-b----1_2.dead");
}

TEST(DeadLetterTopicTest, TooLongIsCutAndStaysDifferent) {
  const std::string one = DeadLetterTopic("{topic}.{group}.dead", "orders", std::string(300, 'x'));
  const std::string other =
      DeadLetterTopic("{topic}.{group}.dead", "orders", std::string(301, 'x'));

  EXPECT_THAT(one, testing::MatchesRegex("orders\\.x+-[0-9a-f]+"));
  EXPECT_EQ(one.size(), 249u);
  EXPECT_NE(one, other);
}

TEST(DeadLetterTopicTest, IsNeverTheTopicThatTheRecordLeaves) {
  EXPECT_EQ(DeadLetterTopic("dead", "dead", "g"), "dead.dead");
}

}  // namespace
}  // namespace sidebus
