#include <grpcpp/support/error_details.h>

#include <limits>

#include "google/rpc/error_details.pb.h"
#include "server/base/error.h"
#include "server/rpc/deliveries_encoder.h"
#include "server/rpc/event_conversions.h"
#include "server/rpc/message_buffer.h"
#include "server/rpc/rpc_status.h"
#include "server/rpc/subscribe_conversions.h"
#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

struct StatusCase {
  std::string name;
  absl::Status status;
  grpc::StatusCode code;
  std::string reason;
  bool retry;
  std::string field;
};

class RpcStatusTest : public ::testing::TestWithParam<StatusCase> {};

TEST_P(RpcStatusTest, CarriesReasonRetryAndField) {
  const StatusCase& test = GetParam();

  const RpcError error = ErrorOf(ToGrpcStatus(test.status));

  EXPECT_EQ(error.code, test.code);
  EXPECT_EQ(error.reason, test.reason);
  EXPECT_EQ(error.retry, test.retry);
  EXPECT_EQ(error.bad_field, test.field);
}

INSTANTIATE_TEST_SUITE_P(
    Statuses, RpcStatusTest,
    ::testing::Values(
        StatusCase{"Plain", MakeError(Reason::kTopicMissing, "x"), grpc::FAILED_PRECONDITION,
                   "TOPIC_MISSING", false, ""},
        StatusCase{"Field", MakeError(Reason::kEventInvalid, "x", {{"field", "time"}}),
                   grpc::INVALID_ARGUMENT, "EVENT_INVALID", false, "time"},
        StatusCase{"Exhausted", MakeError(Reason::kMemoryBudget, "x"), grpc::RESOURCE_EXHAUSTED,
                   "MEMORY_BUDGET", true, ""},
        StatusCase{"NotWritten", MakeError(Reason::kBrokerDown, "x", {{"outcome", "not_written"}}),
                   grpc::UNAVAILABLE, "BROKER_DOWN", true, ""},
        StatusCase{"Partial", MakeError(Reason::kBrokerDown, "x", {{"outcome", "partial"}}),
                   grpc::UNAVAILABLE, "BROKER_DOWN", false, ""},
        StatusCase{"Unknown", MakeError(Reason::kDeliveryTimeout, "x", {{"outcome", "unknown"}}),
                   grpc::DEADLINE_EXCEEDED, "DELIVERY_TIMEOUT", false, ""},
        StatusCase{"NotOurs", absl::InternalError("x"), grpc::INTERNAL, "BUG", false, ""}),
    [](const auto& test) { return test.param.name; });

TEST(RpcStatusTest, ALongMessageIsCutBetweenCharactersSoThatItFitsIntoMetadata) {
  std::string message;
  for (int i = 0; i < 5000; ++i) message += "\u00e4";

  const grpc::Status status =
      ToGrpcStatus(MakeError(Reason::kBug, message, {{"topic", std::string(5000, 't')}}));

  EXPECT_LT(status.error_message().size() + status.error_details().size(), 4096u);
  google::rpc::Status parsed;
  ASSERT_TRUE(parsed.ParseFromString(status.error_details()));  // checks UTF-8
}

TEST(RpcStatusTest, InAMessageNothingIsCutForClientsReadTheListsOfTopics) {
  std::string topics = "t0";
  for (int i = 1; i < 300; ++i) topics += ",t" + std::to_string(i);

  const RpcError error =
      ErrorOf(ToRpcStatus(MakeError(Reason::kBrokerDown, "x", {{"failed_topics", topics}})));

  EXPECT_EQ(error.metadata.at("failed_topics"), topics);
}

TEST(TimeConversionTest, TimesAndDurationsComeBackAsTheyWere) {
  for (const std::int64_t nanos : {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1},
                                   std::int64_t{1'700'000'000'123'456'789}}) {
    EXPECT_EQ(TimeFromProto(ToProto(SystemTime(Duration(nanos)))), SystemTime(Duration(nanos)));
    EXPECT_EQ(DurationFromProto(ToProto(Duration(nanos))), Duration(nanos));
  }
}

TEST(TimeConversionTest, WhatIsNoTimeIsRefused) {
  google::protobuf::Timestamp time;
  time.set_nanos(1'000'000'000);
  EXPECT_EQ(TimeFromProto(time), std::nullopt);
  time.set_nanos(-1);
  EXPECT_EQ(TimeFromProto(time), std::nullopt);
  time.set_nanos(0);
  time.set_seconds(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(TimeFromProto(time), std::nullopt);
  google::protobuf::Duration duration;
  duration.set_seconds(1);
  duration.set_nanos(-1);
  EXPECT_EQ(DurationFromProto(duration), std::nullopt);
  duration.set_nanos(0);
  duration.set_seconds(std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(DurationFromProto(duration).has_value());
}

Event FullEvent() {
  Event event;
  event.id = "id";
  event.type = "type";
  event.source = "/source";
  event.subject = "subject";
  event.time = EventTime(253'402'300'799, 999'999'999);
  event.key = "";
  event.content_type = "application/json";
  event.data = std::string("\0\xff{}", 4);
  event.data_schema = "https://schema";
  event.extensions = {{"one", "1"}, {"empty", ""}};
  event.headers = {{"a", "1"}, {"a", std::nullopt}, {"b", ""}};
  event.schema = "{}";
  return event;
}

Delivery DeliveryOf(Event event) {
  Delivery delivery;
  delivery.event = std::make_shared<const Event>(std::move(event));
  delivery.topic = std::make_shared<const std::string>("orders");
  return delivery;
}

TEST(DeliveriesEncoderTest, TheGeneratedParserReadsTheEventThatWasEncoded) {
  Event time_before_1970 = FullEvent();
  time_before_1970.time = EventTime(-1, 5);
  time_before_1970.key = std::nullopt;
  Event large;
  large.data = std::string(300'000, 'x');
  for (const Event& event : {Event(), FullEvent(), time_before_1970, large}) {
    Delivery delivery = DeliveryOf(event);
    delivery.id = 1ull << 63;
    delivery.attempt = 300;
    delivery.interruptions = 2;
    delivery.partition = 7;
    delivery.offset = -1;
    delivery.broker_time = SystemTime(Duration(1'700'000'000'123'456'789));

    grpc::ByteBuffer buffer = EncodeDeliveries({delivery, DeliveryOf(Event())});
    v1::SubscribeResponse response;
    ASSERT_TRUE(ParseMessage(buffer, response));

    ASSERT_THAT(response.deliveries().items(), SizeIs(2));
    v1::Delivery parsed = response.deliveries().items(0);
    EXPECT_EQ(parsed.delivery_id(), 1ull << 63);
    EXPECT_EQ(parsed.attempt(), 300u);
    EXPECT_EQ(parsed.interruptions(), 2u);
    EXPECT_EQ(parsed.position().topic(), "orders");
    EXPECT_EQ(parsed.position().partition(), 7);
    EXPECT_EQ(parsed.position().offset(), -1);
    EXPECT_EQ(TimeFromProto(parsed.broker_time()), delivery.broker_time);
    EXPECT_EQ(EventFromProto(std::move(*parsed.mutable_event())), event);
  }
}

struct StartCase {
  std::string name;
  std::function<void(v1::SubscribeStart&)> change;
  std::string field;
};

class StartConversionTest : public ::testing::TestWithParam<StartCase> {};

TEST_P(StartConversionTest, RefusesWithTheField) {
  v1::SubscribeStart proto;
  GetParam().change(proto);

  const auto start = StartFromProto(std::move(proto));

  ASSERT_FALSE(start.ok());
  EXPECT_EQ(ReasonOf(start.status()), Reason::kStartInvalid);
  EXPECT_EQ(DetailsOf(start.status())->metadata.at("field"), GetParam().field);
}

INSTANTIATE_TEST_SUITE_P(
    Starts, StartConversionTest,
    ::testing::Values(
        StartCase{"FalseEarliest", [](auto& s) { s.mutable_start_from()->set_earliest(false); },
                  "start_from.earliest"},
        StartCase{"FalseLatest", [](auto& s) { s.mutable_start_from()->set_latest(false); },
                  "start_from.latest"},
        StartCase{"EmptyStart", [](auto& s) { s.mutable_start_from(); }, "start_from"},
        StartCase{"BadTime", [](auto& s) { s.mutable_start_from()->mutable_time()->set_nanos(-1); },
                  "start_from.time"},
        StartCase{"UnknownOrdering", [](auto& s) { s.set_ordering(static_cast<v1::Ordering>(9)); },
                  "ordering"},
        StartCase{"BadLease", [](auto& s) { s.mutable_lease()->set_nanos(2'000'000'000); },
                  "lease"},
        StartCase{"UnknownFormat",
                  [](auto& s) { s.set_data_format(static_cast<v1::DataFormat>(9)); },
                  "data_format"},
        StartCase{
            "BadBackoff",
            [](auto& s) { s.mutable_retry()->mutable_min_backoff()->set_nanos(2'000'000'000); },
            "retry.min_backoff"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace sidebus
