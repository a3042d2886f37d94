#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/error.h"
#include "server/codec/cloudevents.h"
#include "tests/server/codec/decode_record.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;

const Position kPosition{"orders", 3, 42};

Record Binary(std::vector<Header> more) {
  Record record;
  record.headers = {
      {"ce_specversion", "1.0"}, {"ce_id", "1"}, {"ce_source", "/s"}, {"ce_type", "t"}};
  record.headers.insert(record.headers.end(), more.begin(), more.end());
  return record;
}

Event Decode(Record record) {
  auto event = DecodeRecord(std::move(record), kPosition);
  EXPECT_TRUE(event.ok()) << event.status();
  return event.ok() ? *std::move(event) : Event{};
}

TEST(DecodeCloudEventTest, AttributesExtensionsAndHeadersGoToTheirPlaces) {
  Record record = Binary({{"ce_subject", "s"},
                          {"ce_time", "1970-01-01T00:00:01Z"},
                          {"ce_dataschema", "d"},
                          {"content-type", "text/plain"},
                          {"ce_custom", "x"},
                          {"b", "1"},
                          {"a", std::nullopt},
                          {"b", "2"}});
  record.key = "k";
  record.value = "v";

  const Event event = Decode(std::move(record));

  EXPECT_THAT(event.id, Eq("1"));
  EXPECT_THAT(event.source, Eq("/s"));
  EXPECT_THAT(event.type, Eq("t"));
  EXPECT_THAT(event.subject, Eq("s"));
  EXPECT_THAT(event.time, Eq(EventTime(1, 0)));
  EXPECT_THAT(event.data_schema, Eq("d"));
  EXPECT_THAT(event.content_type, Eq("text/plain"));
  EXPECT_THAT(event.extensions, ElementsAre(std::pair("custom", "x")));
  EXPECT_THAT(event.headers,
              ElementsAre(Header{"b", "1"}, Header{"a", std::nullopt}, Header{"b", "2"}));
  EXPECT_THAT(event.key, Eq("k"));
  EXPECT_THAT(event.data, Eq("v"));
}

TEST(DecodeCloudEventTest, ATombstoneWithoutKeyStaysOne) {
  const Event event = Decode(Binary({}));

  EXPECT_THAT(event.key, Eq(std::nullopt));
  EXPECT_THAT(event.data, Eq(std::nullopt));
}

TEST(DecodeCloudEventTest, AMissingIdIsThePositionAndAMissingSourceIsEmpty) {
  const Event event = Decode(Record{std::nullopt, "v", {{"ce_type", "t"}}});

  EXPECT_THAT(event.id, Eq("orders/3/42"));
  EXPECT_THAT(event.source, IsEmpty());
}

struct UndecodableCase {
  std::string name;
  Record record;
  std::string field;
};

class UndecodableTest : public ::testing::TestWithParam<UndecodableCase> {};

TEST_P(UndecodableTest, IsRefusedWithTheField) {
  const auto event = DecodeRecord(GetParam().record, kPosition);

  ASSERT_FALSE(event.ok());
  EXPECT_THAT(ReasonOf(event.status()), Eq(Reason::kEventInvalid));
  EXPECT_THAT(DetailsOf(event.status())->metadata.at("field"), Eq(GetParam().field));
}

INSTANTIATE_TEST_SUITE_P(
    Records, UndecodableTest,
    ::testing::Values(
        UndecodableCase{"NoHeaders", Record{"k", "v", {}}, "ce_type"},
        UndecodableCase{"NullType", Record{"k", "v", {{"ce_type", std::nullopt}}}, "ce_type"},
        UndecodableCase{"EmptyType", Record{"k", "v", {{"ce_type", ""}}}, "ce_type"},
        UndecodableCase{"TypeTwice", Binary({{"ce_type", "t"}}), "ce_type"},
        UndecodableCase{"IdTwice", Binary({{"ce_id", "1"}}), "ce_id"},
        UndecodableCase{"SourceTwice", Binary({{"ce_source", "/s"}}), "ce_source"},
        UndecodableCase{"VersionTwice", Binary({{"ce_specversion", "1.0"}}), "ce_specversion"},
        UndecodableCase{"TypeNotUtf8", Record{"k", "v", {{"ce_type", "\xff"}}}, "ce_type"},
        UndecodableCase{"IdNotUtf8", Record{"k", "v", {{"ce_type", "t"}, {"ce_id", "\xff"}}},
                        "ce_id"}),
    [](const auto& test) { return test.param.name; });

TEST(DecodeCloudEventTest, WhatDoesNotFitItsAttributeStaysAHeader) {
  const std::vector<Header> odd = {{"ce_time", "yesterday"},
                                   {"ce_subject", "\xff"},
                                   {"ce_", "x"},
                                   {"ce_custom", "\xff"},
                                   {"ce_null", std::nullopt}};

  const Event event = Decode(Binary(odd));

  EXPECT_THAT(event.headers, Eq(odd));
  EXPECT_THAT(event.time, Eq(std::nullopt));
  EXPECT_THAT(event.extensions, IsEmpty());
}

TEST(DecodeCloudEventTest, OfAnOptionalAttributeThatComesTwiceTheFirstCounts) {
  const Event event = Decode(Binary({{"ce_subject", "a"},
                                     {"ce_subject", "b"},
                                     {"ce_x", "a"},
                                     {"ce_x", "b"},
                                     {"content-type", "a/a"},
                                     {"content-type", "b/b"}}));

  EXPECT_THAT(event.subject, Eq("a"));
  EXPECT_THAT(event.extensions, ElementsAre(std::pair("x", "a")));
  EXPECT_THAT(event.content_type, Eq("a/a"));
  EXPECT_THAT(event.headers, ElementsAre(Header{"ce_subject", "b"}, Header{"ce_x", "b"},
                                         Header{"content-type", "b/b"}));
}

TEST(DecodeCloudEventTest, AHeaderNameThatIsNotUtf8IsMadeSo) {
  EXPECT_THAT(Decode(Binary({{"a\xff", "\xff"}})).headers,
              ElementsAre(Header{"a\xef\xbf\xbd", "\xff"}));
}

TEST(DecodeCloudEventTest, TenThousandHeadersAreRead) {
  EXPECT_THAT(Decode(Binary(std::vector<Header>(10'000, {"a", "1"}))).headers.size(), Eq(10'000u));
}

}  // namespace
}  // namespace sidebus
