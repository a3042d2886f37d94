#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/codec/cloudevents.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;

Event Minimal() {
  Event event;
  event.id = "1";
  event.type = "order.created";
  event.source = "/shop";
  event.time = EventTime(0, 0);
  return event;
}

TEST(EncodeCloudEventTest, AMinimalEventHasTheRequiredAttributesAndTime) {
  const Record record = EncodeCloudEvent(Minimal(), std::nullopt);

  EXPECT_THAT(record.headers,
              ElementsAre(Header{"ce_specversion", "1.0"}, Header{"ce_id", "1"},
                          Header{"ce_source", "/shop"}, Header{"ce_type", "order.created"},
                          Header{"ce_time", "1970-01-01T00:00:00Z"}));
  EXPECT_THAT(record.key, Eq(std::nullopt));
  EXPECT_THAT(record.value, Eq(std::nullopt));
}

TEST(EncodeCloudEventTest, AFullEventHasItsHeadersInTheDocumentedOrder) {
  Event event = Minimal();
  event.subject = "s";
  event.content_type = "application/json";
  event.data_schema = "http://x/schema";
  event.extensions = {{"zeta", "z"}, {"alpha", "a"}};
  event.headers = {
      {"b", "1"}, {"tracestate", "ts"}, {"a", std::nullopt}, {"traceparent", "tp"}, {"b", "\xff"}};
  event.data = "{}";

  const Record record = EncodeCloudEvent(std::move(event), "key");

  EXPECT_THAT(
      record.headers,
      ElementsAre(Header{"ce_specversion", "1.0"}, Header{"ce_id", "1"},
                  Header{"ce_source", "/shop"}, Header{"ce_type", "order.created"},
                  Header{"ce_subject", "s"}, Header{"ce_time", "1970-01-01T00:00:00Z"},
                  Header{"ce_dataschema", "http://x/schema"},
                  Header{"content-type", "application/json"}, Header{"ce_alpha", "a"},
                  Header{"ce_zeta", "z"}, Header{"traceparent", "tp"}, Header{"tracestate", "ts"},
                  Header{"b", "1"}, Header{"a", std::nullopt}, Header{"b", "\xff"}));
  EXPECT_THAT(record.headers.capacity(), Eq(record.headers.size()));
  EXPECT_THAT(record.key, Eq("key"));
  EXPECT_THAT(record.value, Eq("{}"));
}

TEST(EncodeCloudEventTest, AnEmptyKeyAndEmptyDataAreNotAbsent) {
  Event event = Minimal();
  event.data = "";

  const Record record = EncodeCloudEvent(std::move(event), "");

  EXPECT_THAT(record.key, Eq(""));
  EXPECT_THAT(record.value, Eq(""));
}

TEST(EncodeCloudEventTest, TheKeyIsTheOneGivenNotTheEvents) {
  Event event = Minimal();
  event.key = "of the event";

  EXPECT_THAT(EncodeCloudEvent(std::move(event), std::nullopt).key, Eq(std::nullopt));
}

TEST(EncodeCloudEventTest, ThePayloadIsMovedNotCopied) {
  Event event = Minimal();
  event.data = std::string(1000, 'x');
  const char* bytes = event.data->data();

  const Record record = EncodeCloudEvent(std::move(event), std::nullopt);

  EXPECT_THAT(record.value->data(), Eq(bytes));
}

}  // namespace
}  // namespace sidebus
