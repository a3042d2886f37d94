#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "server/base/error.h"
#include "server/codec/cloudevents.h"

namespace sidebus {
namespace {

using ::testing::Eq;

Event Valid() {
  Event event;
  event.type = "order.created";
  return event;
}

struct EventCase {
  std::string name;
  std::function<void(Event&)> change;
  std::string field;  // empty: the event is valid
};

class ValidateEventTest : public ::testing::TestWithParam<EventCase> {};

TEST_P(ValidateEventTest, NamesTheFieldThatIsWrong) {
  Event event = Valid();
  GetParam().change(event);

  const absl::Status status = ValidateEvent(event);

  if (GetParam().field.empty()) {
    EXPECT_TRUE(status.ok()) << status;
    return;
  }
  const auto details = DetailsOf(status);
  ASSERT_TRUE(details.has_value()) << status;
  EXPECT_THAT(details->reason, Eq(Reason::kEventInvalid));
  EXPECT_THAT(details->metadata.at("field"), Eq(GetParam().field));
}

EventCase Type(std::string name, std::string type, std::string field) {
  return {std::move(name), [type](Event& e) { e.type = type; }, std::move(field)};
}

EventCase Extension(std::string name, std::string key, std::string value, std::string field) {
  return {std::move(name), [=](Event& e) { e.extensions[key] = value; }, std::move(field)};
}

EventCase WithHeader(std::string name, std::string header, std::string field) {
  return {std::move(name), [=](Event& e) { e.headers.push_back({header, "x"}); }, std::move(field)};
}

EventCase Time(std::string name, std::int64_t seconds, std::int32_t nanos, std::string field) {
  return {std::move(name), [=](Event& e) { e.time = EventTime(seconds, nanos); }, std::move(field)};
}

std::string Name(const ::testing::TestParamInfo<EventCase>& test) { return test.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Types, ValidateEventTest,
    ::testing::Values(Type("Empty", "", "type"), Type("Of255Bytes", std::string(255, 'a'), ""),
                      Type("Of256Bytes", std::string(256, 'a'), "type"),
                      Type("OfOneMebibyte", std::string(1 << 20, 'a'), "type"),
                      Type("WithNul", std::string("a\0b", 3), "type"),
                      Type("WithNewline", "a\nb", "type"), Type("WithDelete", "a\x7f", "type"),
                      Type("WithC1Control", "a\xc2\x85", "type"), Type("NotUtf8", "a\xff", "type"),
                      Type("Path", "../x", ""), Type("Star", "*", ""),
                      Type("OtherScript", "\xd0\xb7\xd0\xb0", "")),
    Name);

INSTANTIATE_TEST_SUITE_P(
    Attributes, ValidateEventTest,
    ::testing::Values(
        EventCase{"IdOf255Bytes", [](Event& e) { e.id = std::string(255, 'a'); }, ""},
        EventCase{"IdOf256Bytes", [](Event& e) { e.id = std::string(256, 'a'); }, "id"},
        EventCase{"IdNotUtf8", [](Event& e) { e.id = "\xff"; }, "id"},
        EventCase{"IdWithNewline", [](Event& e) { e.id = "a\n"; }, "id"},
        EventCase{"SourceTooLong", [](Event& e) { e.source = std::string(1025, 'a'); }, "source"},
        EventCase{"SourceNotUtf8", [](Event& e) { e.source = "\xff"; }, "source"},
        EventCase{"SubjectTooLong", [](Event& e) { e.subject = std::string(1025, 'a'); },
                  "subject"},
        EventCase{"SubjectOf1024Bytes", [](Event& e) { e.subject = std::string(1024, 'a'); }, ""},
        EventCase{"SubjectWithTab", [](Event& e) { e.subject = "\t"; }, "subject"},
        EventCase{"SchemaNotUtf8", [](Event& e) { e.data_schema = "\xff"; }, "data_schema"},
        EventCase{"ContentTypeTooLong", [](Event& e) { e.content_type = std::string(256, 'a'); },
                  "content_type"},
        EventCase{"ContentTypeOfAWholeEvent",
                  [](Event& e) { e.content_type = "Application/CloudEvents+json; charset=utf-8"; },
                  "content_type"},
        EventCase{"EmptyKeyAndData",
                  [](Event& e) {
                    e.key = "";
                    e.data = "";
                  },
                  ""},
        EventCase{"BinaryKeyAndData",
                  [](Event& e) {
                    e.key = "\xff";
                    e.data = std::string("\0\xff", 2);
                  },
                  ""}),
    Name);

INSTANTIATE_TEST_SUITE_P(Times, ValidateEventTest,
                         ::testing::Values(Time("First", 0, 0, ""),
                                           Time("JustBefore1970", -1, 999'999'999, "time"),
                                           Time("Last", 253'402'300'799, 999'999'999, ""),
                                           Time("Year10000", 253'402'300'800, 0, "time"),
                                           Time("NegativeNanos", 1, -1, "time"),
                                           Time("TooManyNanos", 1, 1'000'000'000, "time")),
                         Name);

INSTANTIATE_TEST_SUITE_P(
    Extensions, ValidateEventTest,
    ::testing::Values(Extension("Good", "partitionkey1", "x", ""),
                      Extension("NameOf20", std::string(20, 'a'), "x", ""),
                      Extension("NameOf21", std::string(21, 'a'), "x", "extensions"),
                      Extension("NameEmpty", "", "x", "extensions"),
                      Extension("NameUpperCase", "Abc", "x", "extensions"),
                      Extension("NameWithHyphen", "a-b", "x", "extensions"),
                      Extension("NameOfAnAttribute", "source", "x", "extensions"),
                      Extension("NameSpecversion", "specversion", "x", "extensions"),
                      Extension("NameData", "data", "x", "extensions"),
                      Extension("ValueNotUtf8", "a", "\xff", "extensions"),
                      Extension("ValueWithNewline", "a", "\n", "extensions"),
                      Extension("ValueEmpty", "a", "", "")),
    Name);

INSTANTIATE_TEST_SUITE_P(
    Headers, ValidateEventTest,
    ::testing::Values(WithHeader("Plain", "x-request-id", ""),
                      WithHeader("Trace", "traceparent", ""), WithHeader("Empty", "", "headers"),
                      WithHeader("CloudEvents", "ce_type", "headers"),
                      WithHeader("CloudEventsAny", "ce_", "headers"),
                      WithHeader("Sidebus", "sidebus-dead-topic", "headers"),
                      WithHeader("ContentType", "content-type", "headers"),
                      WithHeader("NotUtf8", "\xff", "headers"),
                      WithHeader("CeWithoutUnderscore", "cex", ""),
                      EventCase{"DuplicatesNullsAndBytes",
                                [](Event& e) {
                                  e.headers = {{"a", "1"}, {"a", std::nullopt}, {"a", "\xff"}};
                                },
                                ""},
                      EventCase{"OneThousand",
                                [](Event& e) {
                                  e.headers.assign(1000, {"a", "1"});
                                },
                                ""},
                      EventCase{"OneThousandAndOne",
                                [](Event& e) {
                                  e.headers.assign(1001, {"a", "1"});
                                },
                                "headers"}),
    Name);

}  // namespace
}  // namespace sidebus
