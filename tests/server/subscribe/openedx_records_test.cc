// Records of Open edX as streams get them, and those that no stream can get: what Python could not
// read either, and what nobody should.

#include "tests/server/subscribe/openedx_fixture.h"

namespace sidebus {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

using namespace std::string_literals;

class OpenedxRecordsTest : public OpenedxFixture {
 protected:
  // The only event that the stream was given.
  static Event EventOf(const TestStream& stream) {
    EXPECT_THAT(stream.all, SizeIs(1));
    return stream.all.empty() ? Event() : *stream.all[0].event;
  }

  // The record is dead-lettered as it is, for that reason, and what comes after it is delivered.
  void ExpectUndecodable(const Record& record, const std::string& detail) {
    Append(record);
    Append("next", "k");
    const auto stream = OpenJson();
    Pass(seconds(1));
    ExpectLetter(record, detail);
    EXPECT_THAT(stream->TakeData(), ElementsAre(Json("next")));
    EXPECT_EQ(
        MetricValue(R"(sidebus_undecodable_records_total{reason="not_an_event",topic="orders"})"),
        1);
  }

  // One with the schema, but that value.
  Record WithAvro(const std::string& avro) const {
    Record record = RecordOf("", "k");
    record.value = ConfluentPrefix(value_) + avro;
    return record;
  }
};

// As streams get them.

TEST_F(OpenedxRecordsTest, JsonHasTheAttributesOfTheHeaders) {
  Append("a", "k");
  const auto stream = OpenJson();

  const Event event = EventOf(*stream);
  EXPECT_EQ(event.data, Json("a"));
  EXPECT_EQ(event.content_type, "application/json");
  EXPECT_EQ(event.schema, "");
  EXPECT_EQ(event.key, "k");
  EXPECT_EQ(event.type, "order");
  EXPECT_EQ(event.id, "01234567-89ab-11ee-8c99-0242ac120002");
  EXPECT_EQ(event.source, "openedx/rig/web");
  EXPECT_EQ(event.time, EventTime(1767323045, 0));
  EXPECT_THAT(event.extensions, Contains(Pair("minorversion", "0")));
  EXPECT_THAT(event.headers, Contains(Header{"sourcehost", "rig-host"}));
}

TEST_F(OpenedxRecordsTest, StoredDataAreAvroWithoutFramingAndWithTheirSchema) {
  Append("a", "k");
  const auto stream = OpenOrders();

  const Event event = EventOf(*stream);
  EXPECT_EQ(event.data, "\x02"s + "a");
  EXPECT_EQ(event.content_type, "application/avro");
  EXPECT_THAT(event.schema, HasSubstr(R"("name": "CloudEvent")"));
  EXPECT_EQ(event.key, "k");
  EXPECT_EQ(event.id, "01234567-89ab-11ee-8c99-0242ac120002");
}

TEST_F(OpenedxRecordsTest, StreamsOfAGroupGetEachWhatItAskedFor) {
  const auto json = OpenJson();
  const auto stored = OpenOrders();
  Append("a", "k");
  Append("b", "l");
  Settle();

  EXPECT_THAT(json->TakeData(), ElementsAre(Json("a")));
  EXPECT_THAT(stored->TakeData(), ElementsAre("\x02"s + "b"));
}

TEST_F(OpenedxRecordsTest, EventsOfCloudEventsOnTheTopicAreReadAsEver) {
  Order("binary");
  Append(Record{.key = "k",
                .value = R"({"type": "order", "id": "1", "data": "structured"})",
                .headers = {{"content-type", "application/cloudevents+json"}}});
  Append("a", "l");
  const auto stream = OpenJson();

  EXPECT_THAT(stream->TakeData(), ElementsAre("binary", "\"structured\"", Json("a")));
  EXPECT_THAT(Letters(), IsEmpty());
}

TEST_F(OpenedxRecordsTest, AreLeftAloneWhereTheyAreNotToBeRead) {
  router_ = MakeRouter(RecordEncoding::kCloudEvents);
  Restart();
  Append("a", "k");
  const auto stream = OpenJson();

  const Event event = EventOf(*stream);
  EXPECT_EQ(event.data, RecordOf("a", "k").value);
  EXPECT_EQ(event.content_type, "application/avro");
}

TEST_F(OpenedxRecordsTest, AreReadAsSuchOnlyOnTopicsWhereSomeRouteWritesThem) {
  router_ = *Router::Make({{"order", {{"orders", "", true}}},
                           {"payment", {{"payments", "", true, RecordEncoding::kOpenedx}}}},
                          "t");
  Restart();
  Append("a", "k");
  const auto stream = OpenJson();

  EXPECT_EQ(EventOf(*stream).data, RecordOf("a", "k").value);

  router_ = *Router::Make({{"order", {{"orders", "", true}}},
                           {"payment", {{"orders", "", true, RecordEncoding::kOpenedx}}}},
                          "t");
  Restart();
  const auto again = OpenJson();

  EXPECT_THAT(again->TakeData(), ElementsAre(Json("a")));
}

TEST_F(OpenedxRecordsTest, ARejectedOneIsDeadLetteredByteForByte) {
  Append("a", "k");
  const auto stream = OpenJson();
  ASSERT_THAT(stream->all, SizeIs(1));

  stream->Refuse(1, kReject);
  Pass(seconds(1));

  ASSERT_THAT(Letters(), SizeIs(1));
  EXPECT_EQ(Letters()[0], MakeDeadLetter(RecordOf("a", "k"), NoteOf(Letters()[0])));
}

TEST_F(OpenedxRecordsTest, MemoryOfBothFormsIsTakenAndGivenBack) {
  const auto stream = OpenJson();
  LearnSchemas(*stream);
  const std::uint64_t before = budget_.used();

  Append("a", "k");
  Settle();
  EXPECT_GT(budget_.used(), before + SizeOf(RawRecordOf(RecordOf("a", "k"))));

  stream->Ack(stream->all.back().id);
  Settle();
  EXPECT_EQ(budget_.used(), before);
}

// Keys.

TEST_F(OpenedxRecordsTest, AKeyWithoutASchemaIsWhatTheRecordHas) {
  Record record = RecordOf("a", "k");
  record.key = ConfluentPrefix(SchemaId(kNobodys)) + "\x02k";
  Append(record);
  const auto stream = OpenJson();

  EXPECT_EQ(EventOf(*stream).key, record.key);
  EXPECT_THAT(Letters(), IsEmpty());
}

TEST_F(OpenedxRecordsTest, AKeyThatIsNotFramedIsWhatTheRecordHas) {
  Record record = RecordOf("a", std::nullopt);
  record.key = "plain";
  Append(record);
  const auto stream = OpenJson();

  EXPECT_EQ(EventOf(*stream).key, "plain");
}

// As lenient as Python.

TEST_F(OpenedxRecordsTest, TypeAndIdAreEnough) {
  Record record = RecordOf("a", "k");
  record.headers = {{"ce_type", "order"}, {"ce_id", "0123456789ab11ee8c990242ac120002"}};
  Append(record);
  const auto stream = OpenJson();

  EXPECT_EQ(EventOf(*stream).data, Json("a"));
}

TEST_F(OpenedxRecordsTest, BytesAfterTheValueAreIgnored) {
  Append(WithAvro("\x02"s + "a and more"));
  const auto stream = OpenJson();

  EXPECT_EQ(EventOf(*stream).data, Json("a"));
}

// Which no stream can get.

TEST_F(OpenedxRecordsTest, AValueThatIsNotFramedIsUndecodable) {
  Record record = RecordOf("a", "k");
  record.value = "\x02"s + "a, without the framing";
  ExpectUndecodable(record, "not framed");
}

TEST_F(OpenedxRecordsTest, AValueWhoseSchemaAHeaderNamesIsUndecodable) {
  Record record = RecordOf("a", "k");
  record.headers.push_back({"__value_schema_id", "\1" + std::string(16, 'g')});

  ExpectUndecodable(record, "named in the header __value_schema_id");
}

TEST_F(OpenedxRecordsTest, AValueOfFewerThanSixBytesIsUndecodable) {
  Record record = RecordOf("a", "k");
  record.value = ConfluentPrefix(value_);
  ExpectUndecodable(record, "fewer than 6 bytes");
}

TEST_F(OpenedxRecordsTest, AnEmptyValueIsUndecodable) {
  Record record = RecordOf("a", "k");
  record.value = "";
  ExpectUndecodable(record, "fewer than 6 bytes");
}

TEST_F(OpenedxRecordsTest, ATombstoneIsUndecodable) {
  Record record = RecordOf("a", "k");
  record.value.reset();
  ExpectUndecodable(record, "tombstone");
}

TEST_F(OpenedxRecordsTest, ATruncatedValueIsUndecodable) {
  ExpectUndecodable(WithAvro("\x14"s + "short"), "data");
}

TEST_F(OpenedxRecordsTest, ALengthBeyondAllMemoryIsUndecodable) {
  // 2^62, zigzag.
  ExpectUndecodable(WithAvro("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s + "a"), "data");
}

TEST_F(OpenedxRecordsTest, ANegativeLengthIsUndecodable) {
  ExpectUndecodable(WithAvro("\x01"s + "a"), "data");
}

TEST_F(OpenedxRecordsTest, AHeaderThatIsThereTwiceIsUndecodable) {
  Record record = RecordOf("a", "k");
  record.headers.push_back({"ce_id", "01234567-89ab-11ee-8c99-0242ac120002"});
  ExpectUndecodable(record, "`ce_id` is there twice");
}

TEST_F(OpenedxRecordsTest, BadHeadersNeedNoSchemaToBeUndecodable) {
  schema_registry_->SetDown(true);
  Record record = RecordOf("a", "k", SchemaId(kNobodys));
  record.headers = {{"content-type", "application/avro"}, {"ce_type", "order"}, {"ce_id", "no"}};
  Append(record);
  const auto stream = OpenJson();

  Pass(seconds(1));

  ExpectLetter(record, "`ce_id`");
  EXPECT_THAT(schema_registry_->questions(), IsEmpty());
}

TEST_F(OpenedxRecordsTest, WhatIsSaidToBeASchemaAndIsNoneMakesThemUndecodable) {
  const Record record =
      RecordOf("a", "k", schema_registry_->Add({"bad", R"({"type": "no such type"})"}));
  ExpectUndecodable(record, "the Avro schema");
}

TEST_F(OpenedxRecordsTest, FewBytesThatMeanAGreatDealAreNotDelivered) {
  const SchemaId bomb = schema_registry_->Add({"bomb", R"({"type": "array", "items": "null"})"});
  Record record = RecordOf("a", "k");
  record.value = ConfluentPrefix(bomb) + "\xfe\xff\xff\xff\x0f\0"s;  // two thousand million nulls
  Append(record);
  Append("next", "k");
  const auto stream = OpenJson();

  Pass(seconds(1));

  ASSERT_THAT(Letters(), SizeIs(1));
  EXPECT_EQ(NoteOf(Letters()[0]).reason, "UNDELIVERABLE_SIZE");
  EXPECT_THAT(stream->TakeData(), ElementsAre(Json("next")));
}

TEST_F(OpenedxRecordsTest, JsonLargerThanAStreamMayReceiveIsNotDelivered) {
  options_.max_delivery_bytes = SizeOf(RawRecordOf(RecordOf("a", "k"))) + 2;  // as it is, it fits
  Restart();
  Append("a", "k");
  const auto stream = OpenJson();

  Pass(seconds(1));

  EXPECT_THAT(stream->TakeData(), IsEmpty());
  ASSERT_THAT(Letters(), SizeIs(1));
  EXPECT_EQ(NoteOf(Letters()[0]).reason, "UNDELIVERABLE_SIZE");
}

}  // namespace
}  // namespace sidebus
