#include "server/codec/structured_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/error.h"
#include "server/codec/cloudevents.h"
#include "tests/server/codec/decode_record.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Pair;

const Position kPlace{"orders", 3, 42};

Record Structured(std::string json) {
  return {"k", std::move(json), {{"content-type", "application/cloudevents+json; charset=UTF-8"}}};
}

TEST(StructuredEventTest, IsReadWithAllItsParts) {
  Record record = Structured(R"({
    "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "x",
    "time": "1970-01-01T01:00:00+01:00", "dataschema": "d", "datacontenttype": "application/json",
    "custom": "c", "number": 7, "flag": true, "absent": null,
    "data": {"b": [1, "x"], "a": null}})");
  record.headers.push_back({"traceparent", "tp"});

  const auto event = DecodeRecord(record, kPlace);

  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_THAT(event->id, Eq("1"));
  EXPECT_THAT(event->source, Eq("/s"));
  EXPECT_THAT(event->type, Eq("t"));
  EXPECT_THAT(event->subject, Eq("x"));
  EXPECT_THAT(event->time, Eq(EventTime(0, 0)));
  EXPECT_THAT(event->data_schema, Eq("d"));
  EXPECT_THAT(event->content_type, Eq("application/json"));
  EXPECT_THAT(event->extensions,
              ElementsAre(Pair("custom", "c"), Pair("flag", "true"), Pair("number", "7")));
  EXPECT_THAT(event->headers, ElementsAre(Header{"traceparent", "tp"}));
  EXPECT_THAT(event->data, Eq(R"({"b":[1,"x"],"a":null})"));
  EXPECT_THAT(event->key, Eq("k"));
}

struct DataCase {
  std::string name, members, content_type;
  std::optional<std::string> data;
};

TEST(StructuredEventTest, HeadersBeforeItsContentTypeStayHeaders) {
  Record record = Structured(R"({"type":"t","id":"i","source":"s"})");
  const std::vector<Header> before = {
      {"ce_type", "other"}, {"ce_type", "twice"}, {"ce_subject", "other"}, {"plain", "1"}};
  record.headers.insert(record.headers.begin(), before.begin(), before.end());

  const auto event = DecodeRecord(record, kPlace);

  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->type, "t");
  EXPECT_EQ(event->subject, "");
  EXPECT_EQ(event->headers, before);
}

class StructuredDataTest : public ::testing::TestWithParam<DataCase> {};

TEST_P(StructuredDataTest, ComesOutAsItsContentTypeSays) {
  const auto event = DecodeRecord(Structured(R"({"type":"t")" + GetParam().members + "}"), kPlace);

  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_THAT(event->data, Eq(GetParam().data));
  EXPECT_THAT(event->content_type, Eq(GetParam().content_type));
  EXPECT_THAT(event->id, Eq("orders/3/42"));
}

INSTANTIATE_TEST_SUITE_P(
    Data, StructuredDataTest,
    ::testing::Values(
        DataCase{"None", "", "", std::nullopt},
        DataCase{"Null", R"(,"data":null)", "", std::nullopt},
        DataCase{"ObjectWithoutType", R"(,"data":{"a":1})", "application/json", R"({"a":1})"},
        DataCase{"StringWithoutType", R"(,"data":"x")", "application/json", R"("x")"},
        DataCase{"StringAsText", R"(,"datacontenttype":"text/plain","data":"x\ny")", "text/plain",
                 "x\ny"},
        DataCase{"TypeBehindTheData", R"(,"data":"x","datacontenttype":"text/xml")", "text/xml",
                 "x"},
        DataCase{"StringAsJsonDialect", R"(,"datacontenttype":"application/x+JSON","data":"x")",
                 "application/x+JSON", R"("x")"},
        DataCase{"Base64", R"(,"data_base64":"AP8=")", "", std::string("\0\xff", 2)}),
    [](const auto& test) { return test.param.name; });

struct BrokenCase {
  std::string name, json;
};

class StructuredRefusalTest : public ::testing::TestWithParam<BrokenCase> {};

TEST_P(StructuredRefusalTest, IsUndecodable) {
  const auto event = DecodeRecord(Structured(GetParam().json), kPlace);

  ASSERT_FALSE(event.ok());
  EXPECT_THAT(ReasonOf(event.status()), Eq(Reason::kEventInvalid));
}

INSTANTIATE_TEST_SUITE_P(
    Events, StructuredRefusalTest,
    ::testing::Values(BrokenCase{"Empty", ""}, BrokenCase{"NotJson", "x"},
                      BrokenCase{"NoObject", R"(["type"])"}, BrokenCase{"NoType", R"({"id":"1"})"},
                      BrokenCase{"TypeTwice", R"({"type":"t","type":"t"})"},
                      BrokenCase{"TypeIsANumber", R"({"type":1})"},
                      BrokenCase{"IdIsANumber", R"({"type":"t","id":1})"},
                      BrokenCase{"DataTwoWays", R"({"type":"t","data":1,"data_base64":""})"},
                      BrokenCase{"BadBase64", R"({"type":"t","data_base64":"%"})"},
                      BrokenCase{"TooDeep", R"({"type":"t","data":)" + std::string(100'000, '[')}),
    [](const auto& test) { return test.param.name; });

TEST(StructuredEventTest, ATombstoneIsUndecodable) {
  Record record = Structured("");
  record.value.reset();

  EXPECT_FALSE(DecodeRecord(std::move(record), kPlace).ok());
}

TEST(StructuredEventTest, OtherFormatsAreNotTakenForIt) {
  EXPECT_TRUE(IsStructuredContentType("Application/CloudEvents+JSON"));
  EXPECT_FALSE(IsStructuredContentType("application/cloudevents-batch+json"));
  EXPECT_FALSE(IsStructuredContentType("application/cloudevents"));
  EXPECT_FALSE(IsStructuredContentType("application/json"));
}

}  // namespace
}  // namespace sidebus
