#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "server/base/error.h"
#include "server/codec/cloudevents.h"
#include "server/codec/openedx_decoder.h"
#include "server/codec/openedx_encoder.h"
#include "tests/server/avro/avro_schemas.h"
#include "tests/server/avro/openedx_vectors.h"
#include "tests/support/manual_time.h"

namespace sidebus {
namespace {

using ::testing::Contains;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

using namespace std::string_literals;

constexpr char kPublished[] = "org.openedx.content_authoring.xblock.published.v1";
constexpr char kUsageKey[] = "block-v1:edx+DemoX+Demo_course+type@video+block@abc";
constexpr char kEventId[] = "01234567-89ab-11ee-8c99-0242ac120002";
constexpr std::size_t kMaxBytes = 1 << 20;

// What a topic of one event type has, with ids as in a registry.
struct Topic {
  explicit Topic(std::string_view schema_text, std::string_view key_field)
      : schema(SchemaOf(schema_text)) {
    if (!key_field.empty()) key = *AvroFieldPath::Find(schema, key_field);
    if (key.has_value()) key_schema = SchemaOf(key->schema_text());
  }

  OpenedxTarget target() const {
    return {*schema, SchemaId(11), key.has_value() ? &*key : nullptr, SchemaId(4)};
  }

  SharedSchema schema;
  std::optional<AvroFieldPath> key;
  SharedSchema key_schema;
};

class OpenedxRecordTest : public ::testing::Test {
 protected:
  Event XblockPublished() const {
    Event event;
    event.id = kEventId;
    event.type = kPublished;
    event.source = "openedx/rig/web";
    event.time = EventTime(1767323045, 0);
    event.data = R"({"xblock_info":{"usage_key":")" + std::string(kUsageKey) +
                 R"(","block_type":"video","version":null}})";
    return event;
  }

  // The record that the event becomes; the test fails where it does not.
  RawRecord Encoded(const Event& event, const Topic& topic) const {
    const auto record = encoder_.Encode(event, topic.target());
    EXPECT_TRUE(record.ok()) << record.status();
    return record.ok() ? RawRecordOf(*record) : RawRecord();
  }

  absl::Status Refusal(const Event& event, const Topic& topic) const {
    return encoder_.Encode(event, topic.target()).status();
  }

  const Topic published_{OpenedxVectorOf(kPublished).schema, "xblock_info.usage_key"};
  ManualTime time_;
  OpenedxEncoder encoder_{{"openedx/lms/web", "rig-host", "11.2.0"}, kMaxBytes, time_, 7, 9};
  const OpenedxDecoder decoder_{kMaxBytes};
};

// As read from a real Kafka after the producer of Open edX (openedx-events 11.2.0) had written it.
TEST_F(OpenedxRecordTest, IsToTheByteThatOfTheProducerOfOpenedx) {
  const auto record = encoder_.Encode(XblockPublished(), published_.target());

  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_THAT(record->key, Eq("\0\0\0\0\4\x66"s + kUsageKey));
  EXPECT_THAT(record->value, Eq("\0\0\0\0\x0b\x66"s + kUsageKey + "\x0avideo\0"s));
  EXPECT_THAT(record->headers, Eq(std::vector<Header>{{"ce_specversion", "1.0"},
                                                      {"content-type", "application/avro"},
                                                      {"ce_datacontenttype", "application/avro"},
                                                      {"ce_type", kPublished},
                                                      {"ce_id", kEventId},
                                                      {"ce_source", "openedx/rig/web"},
                                                      {"ce_time", "2026-01-02T03:04:05+00:00"},
                                                      {"ce_minorversion", "0"},
                                                      {"sourcehost", "rig-host"},
                                                      {"sourcelib", "11.2.0"}}));
}

TEST_F(OpenedxRecordTest, ComesBackAsAnEventWithJson) {
  const RawRecord record = Encoded(XblockPublished(), published_);

  const auto ids = decoder_.SchemaIdsOf(record);
  const auto event = decoder_.Decode(record, *published_.schema, published_.key_schema.get());

  EXPECT_THAT(*ids, Eq(OpenedxSchemaIds{SchemaId(11), SchemaId(4)}));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_THAT(event->data, Eq(XblockPublished().data));
  EXPECT_THAT(event->key, Eq(kUsageKey));
  EXPECT_THAT(event->id, Eq(kEventId));
  EXPECT_THAT(event->content_type, Eq("application/json"));
  EXPECT_THAT(event->extensions, Contains(Pair("minorversion", "0")));
  EXPECT_THAT(event->headers, Contains(Header{"sourcehost", "rig-host"}));
}

TEST_F(OpenedxRecordTest, IsLeftWholeByDecoding) {
  const RawRecord record = Encoded(XblockPublished(), published_);

  const auto event = decoder_.Decode(record, *published_.schema, published_.key_schema.get());

  ASSERT_TRUE(event.ok());
  EXPECT_THAT(RestoreRecord(record, &*event), Eq(RecordOf(record)));
}

TEST_F(OpenedxRecordTest, EveryVectorIsFramedAndComesBack) {
  for (const OpenedxVector& vector : OpenedxVectors()) {
    const Topic topic(vector.schema, "");
    for (const auto& sample : vector.samples) {
      SCOPED_TRACE(vector.event_type + " " + sample.name);
      Event event = XblockPublished();
      event.type = vector.event_type;
      event.data = sample.json;

      const RawRecord record = Encoded(event, topic);
      const auto read = decoder_.Decode(record, *topic.schema, nullptr);

      EXPECT_THAT(record.value, Eq("\0\0\0\0\x0b"s + sample.avro));
      EXPECT_THAT(record.key, Eq(std::nullopt));
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_THAT(Normalized(*read->data), Eq(Normalized(sample.json)));
    }
  }
}

// Each is a field of data that Python encoded, so its bytes are those of the field.
TEST_F(OpenedxRecordTest, KeysOfRealRoutesAreFramedAndComeBack) {
  const std::pair<std::string_view, std::string_view> routes[] = {
      {"org.openedx.content_authoring.xblock.published.v1", "xblock_info.usage_key"},
      {"org.openedx.content_authoring.course.catalog_info.changed.v1", "catalog_info.course_key"},
      {"org.openedx.analytics.tracking.event.emitted.v1", "tracking_log.name"},
      {"org.openedx.learning.badge.awarded.v1", "badge.uuid"},
      {"org.openedx.learning.student.registration.completed.v1", "user.pii.username"},
      {"org.openedx.learning.student.registration.completed.v1", "user.id"},
      {"org.openedx.learning.student.registration.completed.v1", "user.is_active"},
  };
  for (const auto& [type, field] : routes) {
    SCOPED_TRACE(field);
    const OpenedxVector& vector = OpenedxVectorOf(type);
    const Topic topic(vector.schema, field);
    for (const auto& sample : vector.samples) {
      Event event = XblockPublished();
      event.type = type;
      event.data = sample.json;

      const RawRecord record = Encoded(event, topic);
      const auto read = decoder_.Decode(record, *topic.schema, topic.key_schema.get());

      ASSERT_THAT(*record.key, StartsWith("\0\0\0\0\4"s));
      EXPECT_THAT(sample.avro, HasSubstr(record.key->substr(5)));
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_THAT(sample.json, HasSubstr(*read->key));
    }
  }
}

TEST_F(OpenedxRecordTest, AKeyOfANumberOrABooleanIsText) {
  const std::string schema = R"({"type":"record","name":"R","fields":[
      {"name":"n","type":"long"},{"name":"b","type":"boolean"}]})";
  Event event = XblockPublished();
  event.data = R"({"n":-64,"b":true})";
  for (const auto& [field, bytes, text] :
       {std::tuple("n", "\x7f"s, "-64"), std::tuple("b", "\1"s, "true")}) {
    const Topic topic(schema, field);

    const RawRecord record = Encoded(event, topic);

    EXPECT_THAT(record.key, Eq("\0\0\0\0\4"s + bytes));
    EXPECT_THAT(decoder_.Decode(record, *topic.schema, topic.key_schema.get())->key, Eq(text));
  }
}

TEST_F(OpenedxRecordTest, AnEventMayHaveAKeyOfItsOwnWhereTheFieldIsAString) {
  Event event = XblockPublished();
  event.key = "mine";

  EXPECT_THAT(Encoded(event, published_).key, Eq("\0\0\0\0\4\x08mine"s));
}

TEST_F(OpenedxRecordTest, AKeyOfItsOwnIsRefusedElsewhere) {
  Event event = XblockPublished();
  event.key = "mine";
  const Topic numbers(R"({"type":"record","name":"R","fields":[{"name":"n","type":"long"}]})", "n");
  const Topic none(OpenedxVectorOf(kPublished).schema, "");

  const auto of_number = Refusal(event, numbers);
  const auto of_nothing = Refusal(event, none);
  event.key = "\xff";
  const auto not_text = Refusal(event, published_);

  EXPECT_THAT(MessageOf(of_number), HasSubstr("\"n\" is a long"));
  EXPECT_THAT(MessageOf(of_nothing), HasSubstr("no event_key_field"));
  EXPECT_THAT(MessageOf(not_text), HasSubstr("not UTF-8"));
  for (const auto& status : {of_number, of_nothing, not_text}) {
    EXPECT_THAT(DetailsOf(status)->metadata, Contains(Pair("field", "key")));
  }
}

TEST_F(OpenedxRecordTest, WhatAnEventLacksItGetsOnceForAllItsTopics) {
  Event event = XblockPublished();
  event.id.clear();
  event.source.clear();
  event.time.reset();

  encoder_.Complete(event);

  EXPECT_THAT(event.id, ::testing::MatchesRegex("[0-9a-f-]{14}1[0-9a-f]{3}-8009-000000000007"));
  EXPECT_THAT(event.source, Eq("openedx/lms/web"));
  EXPECT_THAT(event.time, Eq(EventTime(time_.WallNow())));
  Event complete = event;
  encoder_.Complete(complete);
  EXPECT_THAT(complete, Eq(event));
}

TEST_F(OpenedxRecordTest, ATombstoneIsRefused) {
  Event event = XblockPublished();
  event.data.reset();

  const auto status = Refusal(event, published_);

  EXPECT_THAT(ReasonOf(status), Eq(Reason::kEventInvalid));
  EXPECT_THAT(DetailsOf(status)->metadata, Contains(Pair("field", "data")));
}

TEST_F(OpenedxRecordTest, WhatDoesNotFitItsSchemaIsRefused) {
  Event event = XblockPublished();
  event.data = R"({"xblock_info":{"usage_key":7,"block_type":"video"}})";

  const auto status = Refusal(event, published_);

  EXPECT_THAT(ReasonOf(status), Eq(Reason::kSchemaMismatch));
  EXPECT_THAT(MessageOf(status),
              HasSubstr("xblock_info.usage_key: expected string, found integer"));
}

TEST_F(OpenedxRecordTest, ValuesThatAreNotFramedCanNeverBeDecoded) {
  const std::pair<std::optional<std::string>, std::string> cases[] = {
      {std::nullopt, "absent (a tombstone)"},
      {"", "fewer than 6 bytes"},
      {"\0\0\0\0\1"s, "fewer than 6 bytes"},
      {"{\"json\": 1}", "does not begin with a zero byte"}};
  for (const auto& [value, why] : cases) {
    RawRecord record = Encoded(XblockPublished(), published_);
    record.value = value;

    const auto ids = decoder_.SchemaIdsOf(record);
    const auto event = decoder_.Decode(record, *published_.schema, nullptr);

    EXPECT_THAT(MessageOf(ids.status()), HasSubstr(why));
    EXPECT_THAT(ReasonOf(ids.status()), Eq(Reason::kEventInvalid));
    EXPECT_THAT(event.status(), Eq(ids.status()));
  }
}

// The value of the second one begins like a frame by chance.
TEST_F(OpenedxRecordTest, ValuesWhoseSchemaAHeaderNamesAreNotDecoded) {
  const std::string guid = "\1" + std::string(16, 'g');
  for (const std::string& id : {"\0\0\0\0\4"s, guid}) {
    for (const std::string& value : {"Avro without a frame"s, "\0\0\0\0\4more"s}) {
      RawRecord record = Encoded(XblockPublished(), published_);
      record.headers.Add("__value_schema_id", id);
      record.value = value;

      const auto ids = decoder_.SchemaIdsOf(record);

      EXPECT_TRUE(IsOpenedxRecord(record));
      EXPECT_THAT(ReasonOf(ids.status()), Eq(Reason::kEventInvalid));
      EXPECT_THAT(MessageOf(ids.status()), HasSubstr("in the header __value_schema_id"));
      EXPECT_THAT(decoder_.Decode(record, *published_.schema, nullptr).status(), Eq(ids.status()));
    }
  }
}

TEST_F(OpenedxRecordTest, AKeyWhoseSchemaAHeaderNamesIsTheKeyAsItIs) {
  RawRecord record = Encoded(XblockPublished(), published_);
  record.headers.Add("__key_schema_id", "\1" + std::string(16, 'g'));
  record.key = "\0\0\0\0\4\2k"s;

  EXPECT_THAT(decoder_.SchemaIdsOf(record)->key, Eq(std::nullopt));
  const auto event = decoder_.Decode(record, *published_.schema, published_.key_schema.get());
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_THAT(event->key, Eq(record.key));
}

TEST_F(OpenedxRecordTest, AKeyThatCannotBeDecodedIsLeftAsItIs) {
  RawRecord record = Encoded(XblockPublished(), published_);
  const std::string framed = *record.key;
  EXPECT_THAT(decoder_.Decode(record, *published_.schema, nullptr)->key, Eq(framed));

  for (const std::string& key : {"plain"s, ""s, "\0\0\0\0\4\x66"s, "\0"s}) {
    record.key = key;
    const auto event = decoder_.Decode(record, *published_.schema, published_.key_schema.get());

    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_THAT(event->key, Eq(key));
  }
  record.key = "plain";
  EXPECT_THAT(decoder_.SchemaIdsOf(record)->key, Eq(std::nullopt));
}

TEST_F(OpenedxRecordTest, BytesAfterTheValueAreIgnored) {
  RawRecord record = Encoded(XblockPublished(), published_);
  *record.value += "more";

  EXPECT_THAT(decoder_.Decode(record, *published_.schema, nullptr)->data,
              Eq(XblockPublished().data));
}

TEST_F(OpenedxRecordTest, MutationsNeverDoMoreThanFail) {
  constexpr std::uint64_t kFirst = 20260103;
  constexpr std::uint64_t kSeeds = 3000;
  std::cout << "seeds " << kFirst << " to " << kFirst + kSeeds - 1 << "\n";
  const RawRecord whole = Encoded(XblockPublished(), published_);
  for (std::uint64_t seed = kFirst; seed < kFirst + kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t bound) { return random() % bound; };
    Record record = RecordOf(whole);
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      std::string* texts[] = {&*record.key, &*record.value, &*record.headers[below(10)].value};
      std::string& text = *texts[below(3)];
      if (text.empty() || below(4) == 0) {
        text.insert(below(text.size() + 1), 1, static_cast<char>(below(256)));
      } else {
        text[below(text.size())] = static_cast<char>(below(256));
      }
      if (below(8) == 0) text.resize(below(text.size() + 1));
    }

    const auto event =
        decoder_.Decode(RawRecordOf(record), *published_.schema, published_.key_schema.get());

    if (!event.ok()) {
      ASSERT_THAT(ReasonOf(event.status()), Eq(Reason::kEventInvalid)) << event.status();
      continue;
    }
    // What was read can be written, and read as the same.
    Event again = *event;
    again.key.reset();
    encoder_.Complete(again);
    const auto rewritten = encoder_.Encode(again, published_.target());
    ASSERT_TRUE(rewritten.ok()) << rewritten.status();
    const auto same = decoder_.Decode(RawRecordOf(*rewritten), *published_.schema, nullptr);
    ASSERT_TRUE(same.ok()) << same.status();
    ASSERT_THAT(same->data, Eq(event->data));
  }
}

// Which records are Open edX's.

RawRecord RecordWith(const std::vector<Header>& headers, std::optional<std::string> value) {
  return RawRecordOf(Record{.key = "k", .value = std::move(value), .headers = headers});
}

TEST(IsOpenedxRecordTest, WhatSaysThatItIsAvro) {
  EXPECT_TRUE(IsOpenedxRecord(RecordWith({{"content-type", "application/avro"}}, "no frame")));
  EXPECT_TRUE(IsOpenedxRecord(RecordWith({{"ce_datacontenttype", "Application/Avro; a=b"}}, "x")));
  EXPECT_TRUE(IsOpenedxRecord(RecordWith(
      {{"content-type", "text/plain"}, {"ce_datacontenttype", "application/avro"}}, "x")));
  EXPECT_TRUE(IsOpenedxRecord(RecordWith({{"content-type", "application/avro"}}, std::nullopt)));
}

TEST(IsOpenedxRecordTest, NotWhatSaysThatItIsSomethingElse) {
  const std::string framed = "\0\0\0\0\1x"s;
  EXPECT_FALSE(IsOpenedxRecord(RecordWith({{"content-type", "application/json"}}, framed)));
  EXPECT_FALSE(
      IsOpenedxRecord(RecordWith({{"content-type", "application/cloudevents+json"}}, framed)));
  EXPECT_FALSE(IsOpenedxRecord(RecordWith(
      {{"content-type", "application/avro"}, {"content-type", "application/cloudevents+json"}},
      framed)));
}

TEST(IsOpenedxRecordTest, WhatNamesTheSchemaOfItsValueInAHeaderUnlessItSaysOtherwise) {
  EXPECT_TRUE(IsOpenedxRecord(RecordWith({{"ce_type", "t"}, {"__value_schema_id", "x"}}, "Avro")));
  EXPECT_FALSE(IsOpenedxRecord(
      RecordWith({{"content-type", "application/json"}, {"__value_schema_id", "x"}}, "{}")));
}

TEST(IsOpenedxRecordTest, WhatSaysNothingIsJudgedByItsValue) {
  EXPECT_TRUE(IsOpenedxRecord(RecordWith({{"ce_type", "t"}}, "\0\0\0\0\1x"s)));
  EXPECT_TRUE(IsOpenedxRecord(RecordWith({{"content-type", std::nullopt}}, "\0\0\0\0\1x"s)));
  EXPECT_FALSE(IsOpenedxRecord(RecordWith({{"ce_type", "t"}}, "{}")));
  EXPECT_FALSE(IsOpenedxRecord(RecordWith({{"ce_type", "t"}}, "\0\0\0\0\1"s)));
  EXPECT_FALSE(IsOpenedxRecord(RecordWith({{"ce_type", "t"}}, std::nullopt)));
}

}  // namespace
}  // namespace sidebus
