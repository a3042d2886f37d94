#include <functional>

#include "tests/server/publish/publisher_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::Not;

std::string Repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

struct RefusalCase {
  std::string name, type, data;
  std::function<void(Event&)> change;
  std::string topic;
  Reason reason;
  std::string meta_key, meta_value;
};

class PublishRefusalTest : public PublisherFixture,
                           public ::testing::WithParamInterface<RefusalCase> {};

TEST_P(PublishRefusalTest, IsAnsweredAtOnceAndNothingIsHandedOn) {
  Event event = MakeEvent(GetParam().type, "7", GetParam().data);
  if (GetParam().change) GetParam().change(event);

  const auto call = Publish(std::move(event), GetParam().topic);

  ASSERT_TRUE(call->at_once);
  ExpectRefused(call->result(), GetParam().reason, "not_written");
  EXPECT_THAT(Meta(call->result().error, GetParam().meta_key), Eq(GetParam().meta_value));
  EXPECT_THAT(call->result().event_id, Eq("7"));
  EXPECT_THAT(call->result().positions, IsEmpty());
  EXPECT_FALSE(RetryDelayOf(call->result().error).has_value());
  EXPECT_THAT(std::string(call->result().error.message()), Not(IsEmpty()));
  EXPECT_THAT(producer_.accepted(), IsEmpty());
}

void NoData(Event& event) { event.data.reset(); }

INSTANTIATE_TEST_SUITE_P(
    Events, PublishRefusalTest,
    ::testing::Values(
        RefusalCase{"TypeEmpty", "", "{}", {}, "", Reason::kEventInvalid, "field", "type"},
        RefusalCase{
            "TypeWithNewline", "a\nb", "{}", {}, "", Reason::kEventInvalid, "field", "type"},
        RefusalCase{"TypeOfOneMebibyte",
                    std::string(1 << 20, 'a'),
                    "{}",
                    {},
                    "",
                    Reason::kEventInvalid,
                    "field",
                    "type"},
        RefusalCase{
            "TypeIsAPath", "../x", "{}", {}, "", Reason::kEventTypeUnknown, "event_type", "../x"},
        RefusalCase{"TypeIsAStar", "*", "{}", {}, "", Reason::kEventTypeUnknown, "event_type", "*"},
        RefusalCase{"TypeIsATopic",
                    "orders",
                    "{}",
                    {},
                    "",
                    Reason::kEventTypeUnknown,
                    "event_type",
                    "orders"},
        RefusalCase{"TypeIsAnInternalTopic",
                    "__consumer_offsets",
                    "{}",
                    {},
                    "",
                    Reason::kEventTypeUnknown,
                    "event_type",
                    "__consumer_offsets"},
        RefusalCase{"HeaderReserved", "plain", "{}",
                    [](Event& e) {
                      e.headers = {{"ce_type", "x"}};
                    },
                    "", Reason::kEventInvalid, "field", "headers"},
        RefusalCase{"TimeNegative", "plain", "{}", [](Event& e) { e.time = EventTime(-1, 0); }, "",
                    Reason::kEventInvalid, "field", "time"},
        RefusalCase{"TimeFarAhead", "plain", "{}",
                    [](Event& e) { e.time = EventTime(253'402'300'800, 0); }, "",
                    Reason::kEventInvalid, "field", "time"},
        RefusalCase{"TooLarge",
                    "plain",
                    std::string(1001, 'x'),
                    {},
                    "",
                    Reason::kEventTooLarge,
                    "limit",
                    "1000"},
        RefusalCase{"TooLargeByItsKey", "plain", "",
                    [](Event& e) { e.key = std::string(1001, 'k'); }, "", Reason::kEventTooLarge,
                    "limit", "1000"},
        RefusalCase{"TooLargeByTheKeyInItsData",
                    "keyed",
                    R"({"order":{"id":")" + std::string(600, 'k') + R"("}})",
                    {},
                    "",
                    Reason::kEventTooLarge,
                    "limit",
                    "1000"},
        RefusalCase{"TopicNotRouted",
                    "plain",
                    "{}",
                    {},
                    "audit",
                    Reason::kTopicNotRouted,
                    "topic",
                    "audit"},
        RefusalCase{"TopicWithPrefix",
                    "plain",
                    "{}",
                    {},
                    "dev-orders",
                    Reason::kTopicNotRouted,
                    "topic",
                    "dev-orders"},
        // Cut between characters, or the answer would be no protobuf message.
        RefusalCase{"TopicThatIsNoTopicName",
                    "plain",
                    "{}",
                    {},
                    "x" + Repeated("\xc3\xa9", 200),
                    Reason::kTopicNotRouted,
                    "topic",
                    "x" + Repeated("\xc3\xa9", 124)},
        RefusalCase{
            "NoRoute", "nowhere", "{}", {}, "", Reason::kRouteDisabled, "event_type", "nowhere"},
        RefusalCase{
            "RouteDisabled", "off", "{}", {}, "", Reason::kRouteDisabled, "event_type", "off"},
        RefusalCase{"NamedRouteDisabled",
                    "half",
                    "{}",
                    {},
                    "orders",
                    Reason::kRouteDisabled,
                    "topic",
                    "orders"},
        RefusalCase{
            "KeyAbsent", "keyed", "{}", {}, "", Reason::kKeyFieldMissing, "field", "order.id"},
        RefusalCase{"KeyNull",
                    "keyed",
                    R"({"order":{"id":null}})",
                    {},
                    "",
                    Reason::kKeyFieldMissing,
                    "field",
                    "order.id"},
        RefusalCase{"KeyAnObject",
                    "keyed",
                    R"({"order":{"id":{}}})",
                    {},
                    "",
                    Reason::kKeyFieldMissing,
                    "field",
                    "order.id"},
        RefusalCase{"KeyAnArray",
                    "keyed",
                    R"({"order":{"id":[]}})",
                    {},
                    "",
                    Reason::kKeyFieldMissing,
                    "event_type",
                    "keyed"},
        RefusalCase{"KeyOfTheSecondRouteAbsent",
                    "two.keys",
                    R"({"order":{"id":1}})",
                    {},
                    "",
                    Reason::kKeyFieldMissing,
                    "field",
                    "user"},
        RefusalCase{"NoDataWithAKeyField", "keyed", "", NoData, "", Reason::kKeyFieldMissing,
                    "field", "order.id"},
        RefusalCase{
            "DataEmptyWithAKeyField", "keyed", "", {}, "", Reason::kEventInvalid, "field", "data"},
        RefusalCase{"DataNoJson", "keyed", "x", {}, "", Reason::kEventInvalid, "field", "data"},
        RefusalCase{"DataNested",
                    "keyed",
                    std::string(900, '['),
                    {},
                    "",
                    Reason::kEventInvalid,
                    "field",
                    "data"},
        RefusalCase{"DataWithTheKeyTwice",
                    "keyed",
                    R"({"order":{"id":1,"id":2}})",
                    {},
                    "",
                    Reason::kEventInvalid,
                    "field",
                    "data"}),
    [](const auto& test) { return test.param.name; });

using PublishTopicTest = PublisherFixture;

TEST_F(PublishTopicTest, AMissingTopicRefusesTheWholeEvent) {
  producer_.SetReadiness("dev-audit", TopicReadiness::kMissing);

  const auto call = Publish({MakeEvent("audited", "1"), MakeEvent("plain", "2")});

  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("2"));
  producer_.WriteAll();
  ExpectRefused(call->result(0), Reason::kTopicMissing, "not_written");
  EXPECT_THAT(Meta(call->result(0).error, "topic"), Eq("audit"));
  EXPECT_THAT(Meta(call->result(0).error, "failed_topics"), Eq("orders,audit"));
  EXPECT_FALSE(RetryDelayOf(call->result(0).error).has_value());
  EXPECT_TRUE(call->result(1).error.ok());
}

TEST_F(PublishTopicTest, AfterRefuseEveryEventIsRefused) {
  publisher_->Refuse();

  const auto call = Publish({MakeEvent("plain", "1"), MakeEvent("unknown", "2")});

  ASSERT_TRUE(call->at_once);
  for (const PublishResult& result : *call->results) {
    ExpectRefused(result, Reason::kDraining, "not_written");
    EXPECT_TRUE(RetryDelayOf(result.error).has_value());
  }
  EXPECT_THAT(producer_.accepted(), IsEmpty());
}

TEST_F(PublishTopicTest, WhatTheProducerHasIsAnsweredAfterRefuse) {
  const auto call = Publish(MakeEvent("plain"));

  publisher_->Refuse();
  producer_.WriteAll();

  EXPECT_TRUE(call->result().error.ok());
}

}  // namespace
}  // namespace sidebus
