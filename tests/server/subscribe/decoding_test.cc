// The state `decoding`: what happens to records whose schema is not there, cell by cell, and when it
// comes or never comes.

#include "tests/server/subscribe/openedx_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DecodingTest : public OpenedxFixture {
 protected:
  // A stream to which "a" of key k would go, but its schema takes 5 seconds more.
  std::unique_ptr<TestStream> AwaitA() {
    schema_registry_->SetDelay(seconds(5));
    Append("a", "k");
    auto stream = OpenJson();
    EXPECT_EQ(Head().state, RecordState::kDecoding);
    return stream;
  }
  // The key's schema is asked for when the value's is there.
  void LetTheSchemasCome() { Advance(seconds(10)); }
};

// The row of the state table.

TEST_F(DecodingTest, IsNotHandedOut) {
  const auto stream = AwaitA();

  Advance(seconds(4));

  EXPECT_THAT(stream->TakeData(), IsEmpty());
  EXPECT_EQ(Committed(), 0);
}

TEST_F(DecodingTest, CannotBeSettledByAnybody) {
  const auto stream = AwaitA();

  stream->Ack(1);
  stream->Refuse(1);
  stream->Refuse(1, kReject);
  stream->Refuse(1, kSkip);
  stream->Extend(1);
  LetTheSchemasCome();

  EXPECT_THAT(
      stream->FailureReasons(),
      ElementsAre(Reason::kDeliveryUnknown, Reason::kDeliveryUnknown, Reason::kDeliveryUnknown,
                  Reason::kDeliveryUnknown, Reason::kDeliveryUnknown));
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a")));
  EXPECT_EQ(stream->all[0].attempt, 1u);
}

TEST_F(DecodingTest, IsReadyWhenItsSchemaComes) {
  const auto stream = AwaitA();

  LetTheSchemasCome();

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a")));
  stream->Ack(1);
  EXPECT_EQ(Committed(), 1);
}

TEST_F(DecodingTest, IsDeadLetteredWhenTheRegistrySaysTwiceThatThereIsNone) {
  const Record record = RecordOf("a", "k", SchemaId(kNobodys));
  Append(record);
  const auto stream = OpenJson();
  Pass(milliseconds(9500));
  EXPECT_THAT(Letters(), IsEmpty()) << "the registry may be behind another one";

  Pass(seconds(1));

  ExpectLetter(record, "no schema has id 77");
  EXPECT_THAT(stream->TakeData(), IsEmpty());
  EXPECT_EQ(Committed(), 1);
}

TEST_F(DecodingTest, DoesNotNoticeThatAStreamGoes) {
  auto stream = AwaitA();
  const auto other = OpenJson();

  stream.reset();
  LetTheSchemasCome();

  EXPECT_THAT(other->TakeData(), ElementsAre(Json("a")));
  EXPECT_EQ(other->all[0].interruptions, 0u);
}

TEST_F(DecodingTest, IsGoneWithItsPartitionAndComesAgain) {
  const auto stream = AwaitA();

  Revoke();
  LetTheSchemasCome();

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a"))) << "once";
  EXPECT_THAT(stream->revoked, IsEmpty());
}

TEST_F(DecodingTest, IsGoneWithALostPartitionAndComesAgain) {
  const auto stream = AwaitA();

  Revoke(true);
  LetTheSchemasCome();

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a")));
  EXPECT_THAT(stream->revoked, IsEmpty());
}

TEST_F(DecodingTest, IsGoneForGoodWhenTheGroupIsLeft) {
  auto stream = AwaitA();

  stream->subscriber->HalfClosed();
  Settle();
  LetTheSchemasCome();

  EXPECT_THAT(stream->TakeData(), IsEmpty());
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_EQ(Committed(), 0);
}

TEST_F(DecodingTest, IsSkippedByAnOperator) {
  const auto stream = AwaitA();

  ASSERT_TRUE(live_->OfGroup("g").front()->SettleHead({"orders", 0, 0}, kSkip, "by hand").ok());
  LetTheSchemasCome();

  EXPECT_THAT(stream->TakeData(), IsEmpty());
  EXPECT_EQ(Committed(), 1);
}

TEST_F(DecodingTest, IsDeadLetteredByAnOperatorByteForByte) {
  const auto stream = AwaitA();

  ASSERT_TRUE(live_->OfGroup("g").front()->SettleHead({"orders", 0, 0}, kReject, "by hand").ok());
  LetTheSchemasCome();

  EXPECT_THAT(stream->TakeData(), IsEmpty());
  ASSERT_THAT(Letters(), SizeIs(1));
  EXPECT_EQ(NoteOf(Letters()[0]).reason, "REJECTED");
  EXPECT_EQ(Letters()[0], MakeDeadLetter(RecordOf("a", "k"), NoteOf(Letters()[0])));
  EXPECT_EQ(Committed(), 1);
}

// Lanes and memory.

TEST_F(DecodingTest, ItsKeyWaitsBehindItAndOtherKeysGoOn) {
  const auto stream = OpenJson();
  LearnSchemas(*stream);
  schema_registry_->SetDelay(seconds(5));

  Append("1", "k", schema_registry_->Add({"other", std::string(kSchema) + " "}));
  Append("2", "k");  // could be decoded at once
  Append("3", "another key");
  Append("4");
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("3"), Json("4")));

  LetTheSchemasCome();

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("1")));
  stream->Ack(stream->all.back().id);
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("2")));
}

TEST_F(DecodingTest, OneThatIsDecodedBeforeItsTurnWaitsForIt) {
  const auto stream = OpenJson();
  LearnSchemas(*stream);
  Append("1", "k");
  Settle();
  schema_registry_->SetDelay(seconds(5));
  Append("2", "k", schema_registry_->Add({"other", std::string(kSchema) + " "}));
  Settle();

  LetTheSchemasCome();

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("1")));
  stream->Ack(stream->all.back().id);
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("2")));
}

TEST_F(DecodingTest, APartitionIsReadNoFurtherThanItsShare) {
  schema_registry_->SetDown(true);
  const auto stream = OpenJson();
  for (int i = 0; i < 1000; ++i) Append("x", std::to_string(i));

  Pass(seconds(5));

  live_->UpdateMetrics();
  EXPECT_THAT(registry_.Serialize(),
              HasSubstr("sidebus_paused_partitions{group=\"g\",reason=\"lane_share\"} 1"));
  const std::uint64_t used = budget_.used();
  EXPECT_LT(used, kMemory / 2);
  schema_registry_->SetDown(false);
  for (int i = 0; i < 100; ++i) {
    Pass(milliseconds(300));
    for (const Delivery& one : stream->TakeBatch()) stream->Ack(one.id);
  }
  EXPECT_EQ(Committed(), 1000);
}

// Outages.

TEST_F(DecodingTest, AnOutageLosesNothingAndIsNotNever) {
  schema_registry_->SetDown(true);
  Append("a", "k");
  Append("b", "k");
  Append("c", "l");
  const auto stream = OpenJson();

  Pass(seconds(30));

  EXPECT_THAT(stream->TakeData(), IsEmpty());
  EXPECT_THAT(Letters(), IsEmpty());
  EXPECT_EQ(Head().state, RecordState::kDecoding);
  EXPECT_EQ(Head().last_error, "waits for schema 1: schema registry: it is down");
  EXPECT_EQ(live_->OfGroup("g").front()->Explain()[0].held_back, 2u) << "keys";
  EXPECT_LT(schema_registry_->questions().size(), 100u) << "it is spared";

  schema_registry_->SetDown(false);
  Pass(seconds(10));

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a"), Json("c")));
  stream->Ack({1, 2});
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("b")));
  EXPECT_EQ(stream->all.back().attempt, 1u);
}

TEST_F(DecodingTest, WhatHasItsSchemaGoesOnInAnOutage) {
  const auto stream = OpenJson();
  LearnSchemas(*stream);
  schema_registry_->SetDown(true);

  Append("a", "k");
  Settle();

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a")));
}

TEST_F(DecodingTest, AnOutageBetweenTheTwoRefusalsLosesNothing) {
  Append("a", "k", SchemaId(3));
  const auto stream = OpenJson();
  schema_registry_->SetDown(true);
  Pass(minutes(2));
  EXPECT_THAT(Letters(), IsEmpty());
  EXPECT_EQ(schema_registry_->Add({"late", std::string(kSchema) + " "}), SchemaId(3));

  schema_registry_->SetDown(false);
  Pass(seconds(10));

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a")));
}

TEST_F(DecodingTest, ASchemaThatTheRegistryHasALittleLaterIsEnough) {
  Append("a", "k", SchemaId(3));
  const auto stream = OpenJson();
  EXPECT_EQ(Head().last_error, "waits for schema 3: no schema has id 3");

  schema_registry_->Add({"late", std::string(kSchema) + " "});
  Pass(seconds(11));

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a")));
  EXPECT_THAT(Letters(), IsEmpty());
}

TEST_F(DecodingTest, GoesOnWhereAnotherGroupAsked) {
  schema_registry_->SetDelay(seconds(1));
  Append("a", "k");
  const auto one = OpenJson("g");
  const auto other = OpenJson("h");

  Pass(seconds(3));

  EXPECT_THAT(one->TakeData(), ElementsAre(Json("a")));
  EXPECT_THAT(other->TakeData(), ElementsAre(Json("a")));
  EXPECT_THAT(schema_registry_->questions(), SizeIs(2)) << "its value's and its key's, once";
}

// Never.

TEST_F(DecodingTest, OneThatCanNeverBeIsDeadLetteredInItsTurn) {
  const auto stream = OpenJson();
  Append("a", "k");
  const Record never = RecordOf("never", "k", SchemaId(kNobodys));
  Append(never);
  Append("b", "k");
  Pass(seconds(25));
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a")));
  EXPECT_THAT(Letters(), IsEmpty()) << "its key is still at work before it";

  stream->Ack(1);
  Pass(seconds(1));

  ExpectLetter(never, "no schema has id 77");
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("b")));
}

TEST_F(DecodingTest, AnIdThatTheRegistryRefusedTwiceIsNotAwaitedForAMinute) {
  Append("a", "k", SchemaId(kNobodys));
  const auto stream = OpenJson();
  Pass(seconds(12));
  ASSERT_THAT(Letters(), SizeIs(1));

  Append("b", "k", SchemaId(kNobodys));
  Pass(seconds(1));
  EXPECT_THAT(Letters(), SizeIs(2));

  Pass(minutes(2));
  EXPECT_EQ(schema_registry_->Add({"late", std::string(kSchema) + " "}), SchemaId(3));
  Append("c", "k", SchemaId(3));
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("c")));
}

TEST_F(DecodingTest, OneThatCanNeverBeIsHaltedWhereThatIsWanted) {
  options_.on_undecodable = Undecodable::kHalt;
  Restart();
  Append("a", "k", SchemaId(kNobodys));
  const auto stream = OpenJson();

  Pass(seconds(12));

  EXPECT_EQ(Head().state, RecordState::kHalted);
  EXPECT_THAT(Letters(), IsEmpty());
}

TEST_F(DecodingTest, ThousandsThatCanNeverBeAreSkippedInTheirTurn) {
  options_.on_undecodable = Undecodable::kSkip;
  options_.window = options_.max_window = {12'000, 64 << 20};
  Restart();
  const auto stream = OpenJson();
  Append("a", "k");
  for (int i = 0; i < 12'000; ++i) Append("x", "k", SchemaId(kNobodys));
  Append("b", "k");
  Pass(seconds(15));
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("a")));

  stream->Ack(1);
  Pass(seconds(15));

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("b")));
  EXPECT_EQ(Committed(), 12'001);
}

TEST_F(DecodingTest, BroadcastSettlesWhatCanNeverBe) {
  SubscribeStart start = StartOf("", {"order"});
  start.start = StartPosition{.at = StartPosition::At::kEarliest, .positions = {}};
  start.data_format = DataFormat::kJson;
  Append("a", "k", SchemaId(kNobodys));
  Append("b", "k");
  const auto stream = Open(std::move(start));

  Pass(seconds(12));

  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("b")));
}

TEST_F(DecodingTest, ATypeThatNobodyNamesIsNotAwaited) {
  schema_registry_->SetDown(true);
  Record record = RecordOf("a", "k");
  record.headers = Headers("invoice");
  Append(record);
  const auto stream = OpenJson();

  Settle();

  EXPECT_EQ(Committed(), 1);
  EXPECT_THAT(schema_registry_->questions(), IsEmpty());
}

}  // namespace
}  // namespace sidebus
