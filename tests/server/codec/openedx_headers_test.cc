#include "server/codec/openedx_headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "server/base/error.h"

namespace sidebus {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const OpenedxDefaults kDefaults{"openedx/lms/web", "host-1", "11.2.0"};
constexpr char kId[] = "01234567-89ab-11ee-8c99-0242ac120002";

Event MinimalEvent() {
  Event event;
  event.id = kId;
  event.type = "org.openedx.a.b.c.v1";
  event.time = EventTime(1767323045, 678901000);
  return event;
}

TEST(EncodeOpenedxHeadersTest, AreTheTenOfOpenedxInTheirOrderAndNoOthers) {
  const auto headers = EncodeOpenedxHeaders(MinimalEvent(), kDefaults);

  ASSERT_TRUE(headers.ok()) << headers.status();
  EXPECT_THAT(*headers, ElementsAre(Header{"ce_specversion", "1.0"},
                                    Header{"content-type", "application/avro"},
                                    Header{"ce_datacontenttype", "application/avro"},
                                    Header{"ce_type", "org.openedx.a.b.c.v1"}, Header{"ce_id", kId},
                                    Header{"ce_source", "openedx/lms/web"},
                                    Header{"ce_time", "2026-01-02T03:04:05.678901+00:00"},
                                    Header{"ce_minorversion", "0"}, Header{"sourcehost", "host-1"},
                                    Header{"sourcelib", "11.2.0"}));
}

TEST(EncodeOpenedxHeadersTest, WhatTheClientBringsIsKeptAndTheRestFollows) {
  Event event = MinimalEvent();
  event.id = "{01234567-89AB-11EE-8C99-0242AC120002}";
  event.source = "openedx/cms/web";
  event.subject = "sub";
  event.data_schema = "urn:s";
  event.content_type = "application/json";
  event.extensions = {{"zone", "z"}, {"minorversion", " +07"}, {"area", "a"}};
  event.headers = {{"first", "1"},       {"tracestate", "s"}, {"sourcelib", "9.1"},
                   {"traceparent", "t"}, {"sourcehost", "h"}, {"nothing", std::nullopt}};

  const auto headers = EncodeOpenedxHeaders(event, kDefaults);

  ASSERT_TRUE(headers.ok()) << headers.status();
  EXPECT_THAT(
      std::vector<Header>(headers->begin() + 4, headers->end()),
      ElementsAre(Header{"ce_id", kId}, Header{"ce_source", "openedx/cms/web"},
                  Header{"ce_time", "2026-01-02T03:04:05.678901+00:00"},
                  Header{"ce_minorversion", "7"}, Header{"sourcehost", "h"},
                  Header{"sourcelib", "9.1"}, Header{"ce_subject", "sub"},
                  Header{"ce_dataschema", "urn:s"}, Header{"ce_area", "a"}, Header{"ce_zone", "z"},
                  Header{"traceparent", "t"}, Header{"tracestate", "s"}, Header{"first", "1"},
                  Header{"nothing", std::nullopt}));
}

TEST(EncodeOpenedxHeadersTest, TheSourceNamesTheService) {
  EXPECT_THAT(OpenedxSource("lms"), Eq("openedx/lms/web"));
  EXPECT_THAT(OpenedxSource(""), Eq("openedx/SERVICE_NAME_UNSET/web"));
}

TEST(EncodeOpenedxHeadersTest, WhatConsumersOfOpenedxDropIsRefused) {
  struct Case {
    std::function<void(Event&)> change;
    std::string field, message;
  };
  const Case cases[] = {
      {[](Event& e) { e.id = "order-7"; }, "id", "is no UUID"},
      {[](Event& e) { e.id.clear(); }, "id", "is no UUID"},
      {[](Event& e) { e.extensions["minorversion"] = "1.0"; }, "extensions", "no integer"},
      {[](Event& e) {
         e.headers = {{"sourcelib", "11.2.0rc1"}};
       },
       "headers", "integers and dots"},
      {[](Event& e) {
         e.headers = {{"sourcelib", "1"}, {"sourcelib", "1"}};
       },
       "headers", "sourcelib twice"},
      {[](Event& e) {
         e.headers = {{"sourcehost", "\xff"}};
       },
       "headers", "not UTF-8"},
      {[](Event& e) {
         e.headers = {{"sourcehost", std::nullopt}};
       },
       "headers", "sourcehost without a value"}};
  for (const Case& bad : cases) {
    Event event = MinimalEvent();
    bad.change(event);

    const auto headers = EncodeOpenedxHeaders(event, kDefaults);

    ASSERT_FALSE(headers.ok()) << bad.message;
    EXPECT_THAT(ReasonOf(headers.status()), Eq(Reason::kEventInvalid));
    EXPECT_THAT(DetailsOf(headers.status())->metadata, Contains(Pair("field", bad.field)));
    EXPECT_THAT(std::string(headers.status().message()), HasSubstr(bad.message));
  }
}

absl::StatusOr<Event> Read(const std::vector<Header>& headers) {
  return DecodeOpenedxHeaders(RawRecordOf({std::nullopt, std::nullopt, headers}).headers);
}

TEST(DecodeOpenedxHeadersTest, GiveTheEventThatTheyWereMadeOf) {
  Event event = MinimalEvent();
  event.source = "openedx/cms/web";
  event.subject = "sub";
  event.data_schema = "urn:s";
  event.content_type = "application/json";
  event.extensions = {{"zone", "z"}, {"minorversion", "7"}};
  event.headers = {
      {"sourcehost", "h"}, {"sourcelib", "9.1"}, {"traceparent", "t"}, {"x", std::nullopt}};

  const auto read = Read(*EncodeOpenedxHeaders(event, kDefaults));

  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(*read, Eq(event));
}

TEST(DecodeOpenedxHeadersTest, AllButTypeAndIdMayBeMissing) {
  const auto event = Read({{"ce_id", "0123456789AB11EE8C990242AC120002"}, {"ce_type", "t"}});

  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_THAT(event->id, Eq(kId));
  EXPECT_THAT(event->source, IsEmpty());
  EXPECT_THAT(event->time, Eq(std::nullopt));
  EXPECT_THAT(event->extensions, IsEmpty());
  EXPECT_THAT(event->headers, IsEmpty());
}

TEST(DecodeOpenedxHeadersTest, WhatIsNotLookedAtMayBeAnything) {
  const auto event = Read({{"ce_id", kId},
                           {"ce_type", "t"},
                           {"ce_specversion", "9"},
                           {"ce_specversion", std::nullopt},
                           {"content-type", "\xff"},
                           {"content-type", "x"},
                           {"ce_datacontenttype", "text/plain"},
                           {"CE_TYPE", "other"},
                           {"ce_", "v"},
                           {"ce_bin", "\xff"},
                           {"ce_x", "1"},
                           {"ce_x", "2"},
                           {"ce_subject", "a"},
                           {"ce_subject", "b"},
                           {"bad\xff", "v"}});

  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_THAT(event->type, Eq("t"));
  EXPECT_THAT(event->content_type, Eq("application/json"));
  EXPECT_THAT(event->subject, Eq("a"));
  EXPECT_THAT(event->extensions, ElementsAre(Pair("x", "1")));
  EXPECT_THAT(
      event->headers,
      ElementsAre(Header{"CE_TYPE", "other"}, Header{"ce_", "v"}, Header{"ce_bin", "\xff"},
                  Header{"ce_x", "2"}, Header{"ce_subject", "b"}, Header{"bad\xef\xbf\xbd", "v"}));
}

struct BadHeaders {
  std::string name;
  std::vector<Header> headers;
  std::string field, error;
};

class BadOpenedxHeadersTest : public ::testing::TestWithParam<BadHeaders> {};

TEST_P(BadOpenedxHeadersTest, CanNeverBeDecoded) {
  std::vector<Header> headers = GetParam().headers;
  const auto has = [&](std::string_view name) {
    return std::any_of(headers.begin(), headers.end(),
                       [&](const Header& header) { return header.name == name; });
  };
  if (!has("ce_type") && GetParam().name != "NoType") headers.push_back({"ce_type", "t"});
  if (!has("ce_id") && GetParam().name != "NoId") headers.push_back({"ce_id", kId});

  const auto event = Read(headers);

  ASSERT_FALSE(event.ok());
  EXPECT_THAT(ReasonOf(event.status()), Eq(Reason::kEventInvalid));
  EXPECT_THAT(DetailsOf(event.status())->metadata, Contains(Pair("field", GetParam().field)));
  EXPECT_THAT(std::string(event.status().message()), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Headers, BadOpenedxHeadersTest,
    ::testing::Values(
        BadHeaders{"NoType", {}, "ce_type", "is missing"},
        BadHeaders{"NoId", {}, "ce_id", "is missing"},
        BadHeaders{"EmptyType", {{"ce_type", ""}}, "ce_type", "form"},
        BadHeaders{"TypeTwice", {{"ce_type", "t"}, {"ce_type", "t"}}, "ce_type", "twice"},
        BadHeaders{"IdTwice", {{"ce_id", kId}, {"ce_id", kId}}, "ce_id", "twice"},
        BadHeaders{"IdThatIsNoUuid", {{"ce_id", "7"}}, "ce_id", "form"},
        BadHeaders{"TypeWithoutValue", {{"ce_type", std::nullopt}}, "ce_type", "no value"},
        BadHeaders{"TypeNotUtf8", {{"ce_type", "\xff"}}, "ce_type", "not UTF-8"},
        BadHeaders{"SourceNotUtf8", {{"ce_source", "\xff"}}, "ce_source", "not UTF-8"},
        BadHeaders{"SourceTwice", {{"ce_source", "a"}, {"ce_source", "a"}}, "ce_source", "twice"},
        BadHeaders{"TimeElsewhere", {{"ce_time", "2026-01-02T03:04:05+01:00"}}, "ce_time", "form"},
        BadHeaders{"NaiveTime", {{"ce_time", "2026-01-02T03:04:05"}}, "ce_time", "form"},
        BadHeaders{"MinorVersion", {{"ce_minorversion", "x"}}, "ce_minorversion", "form"},
        BadHeaders{"HostTwice", {{"sourcehost", "a"}, {"sourcehost", "a"}}, "sourcehost", "twice"},
        BadHeaders{"Lib", {{"sourcelib", "1.x"}}, "sourcelib", "form"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace sidebus
