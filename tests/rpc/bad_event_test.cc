#include <functional>

#include "server/rpc/request_shape.h"
#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

using ::testing::Eq;
using ::testing::SizeIs;

// An event that is refused: with which code, reason and field.
struct BadEventCase {
  std::string name;
  std::function<void(v1::Event&)> change;
  grpc::StatusCode code;
  std::string reason, field;
};

BadEventCase Invalid(std::string name, std::string field, std::function<void(v1::Event&)> change) {
  return {std::move(name), std::move(change), grpc::INVALID_ARGUMENT, "EVENT_INVALID",
          std::move(field)};
}

BadEventCase UnknownType(std::string name, std::string type) {
  return {std::move(name), [type = std::move(type)](v1::Event& e) { e.set_type(type); },
          grpc::NOT_FOUND, "EVENT_TYPE_UNKNOWN", ""};
}

BadEventCase BadKey(std::string name, std::string data) {
  return {std::move(name),
          [data = std::move(data)](v1::Event& e) {
            e.set_type("keyed");
            e.set_data(data);
          },
          grpc::INVALID_ARGUMENT, "KEY_FIELD_MISSING", "order.id"};
}

BadEventCase BadData(std::string name, std::string data) {
  return Invalid(std::move(name), "data", [data = std::move(data)](v1::Event& e) {
    e.set_type("keyed");
    e.set_data(data);
  });
}

std::function<void(v1::Event&)> WithHeader(std::string name) {
  return [name = std::move(name)](v1::Event& e) { e.add_headers()->set_name(name); };
}

std::function<void(v1::Event&)> WithHeaders(int count) {
  return [count](v1::Event& e) {
    for (int i = 0; i < count; ++i) e.add_headers()->set_name("h");
  };
}

std::function<void(v1::Event&)> WithTime(std::int64_t seconds, std::int32_t nanos = 0) {
  return [seconds, nanos](v1::Event& e) {
    e.mutable_time()->set_seconds(seconds);
    e.mutable_time()->set_nanos(nanos);
  };
}

std::function<void(v1::Event&)> WithExtension(std::string name, std::string value = "x") {
  return [name = std::move(name), value = std::move(value)](v1::Event& e) {
    (*e.mutable_extensions())[name] = value;
  };
}

class BadEventTest : public RpcFixture, public ::testing::WithParamInterface<BadEventCase> {
 protected:
  BadEventTest() { budget_bytes_ = 256 << 20; }
};

TEST_P(BadEventTest, IsRefusedAloneWithReasonAndField) {
  StartServer();
  KeepWriting();
  v1::PublishRequest request = RequestOf(3);
  GetParam().change(*request.mutable_events(1));

  v1::PublishResponse response;
  const grpc::Status status = Publish(request, &response);

  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_THAT(response.results(), SizeIs(3));
  EXPECT_FALSE(response.results(0).has_error());
  EXPECT_FALSE(response.results(2).has_error());
  const RpcError error = ErrorOf(response.results(1).error());
  EXPECT_EQ(error.code, GetParam().code);
  EXPECT_EQ(error.reason, GetParam().reason);
  EXPECT_EQ(error.bad_field, GetParam().field);
  EXPECT_EQ(error.metadata.at("outcome"), "not_written");
  EXPECT_FALSE(error.retry);
  EXPECT_LT(response.ByteSizeLong(), 16u << 10) << "what was sent is not repeated at length";
}

INSTANTIATE_TEST_SUITE_P(
    Events, BadEventTest,
    ::testing::Values(
        Invalid("TypeEmpty", "type", [](auto& e) { e.set_type(""); }),
        Invalid("TypeOver255Bytes", "type", [](auto& e) { e.set_type(std::string(256, 'a')); }),
        Invalid("TypeOfOneMebibyte", "type",
                [](auto& e) { e.set_type(std::string(1 << 20, 'a')); }),
        Invalid("TypeWithNul", "type", [](auto& e) { e.set_type(std::string("a\0b", 3)); }),
        Invalid("TypeWithNewline", "type", [](auto& e) { e.set_type("a\nb"); }),
        Invalid("TypeWithC1Control", "type", [](auto& e) { e.set_type("a\u0085b"); }),
        UnknownType("TypeOf255Bytes", std::string(255, 'a')), UnknownType("TypeIsAPath", "../x"),
        UnknownType("TypeIsAStar", "*"), UnknownType("TypeIsATopic", "orders"),
        UnknownType("TypeIsAFullTopic", "dev-orders"),
        UnknownType("TypeIsAnInternalTopic", "__consumer_offsets"),
        Invalid("IdTooLong", "id", [](auto& e) { e.set_id(std::string(1 << 20, 'i')); }),
        Invalid("SourceTooLong", "source", [](auto& e) { e.set_source(std::string(1025, 's')); }),
        Invalid("SubjectWithNewline", "subject", [](auto& e) { e.set_subject("a\nb"); }),
        Invalid("ContentTypeOfAWholeEvent", "content_type",
                [](auto& e) { e.set_content_type("Application/CloudEvents+JSON; charset=utf-8"); }),
        Invalid("SchemaTooLong", "data_schema",
                [](auto& e) { e.set_data_schema(std::string(1025, 's')); }),
        Invalid("HeaderWithoutAName", "headers", WithHeader("")),
        Invalid("HeaderOfAnAttribute", "headers", WithHeader("ce_id")),
        Invalid("HeaderOfOurs", "headers", WithHeader("sidebus-dead-topic")),
        Invalid("HeaderContentType", "headers", WithHeader("content-type")),
        Invalid("Over1000Headers", "headers", WithHeaders(1001)),
        Invalid("HundredThousandHeaders", "headers", WithHeaders(100'000)),
        Invalid("ExtensionOfUpperCase", "extensions", WithExtension("Tenant")),
        Invalid("ExtensionWithoutAName", "extensions", WithExtension("")),
        Invalid("ExtensionTooLong", "extensions", WithExtension(std::string(21, 'a'))),
        Invalid("ExtensionIsAnAttribute", "extensions", WithExtension("datacontenttype")),
        Invalid("ExtensionWithNewline", "extensions", WithExtension("tenant", "a\nb")),
        Invalid("TimeBefore1970", "time", WithTime(-1)),
        Invalid("TimeAfter9999", "time", WithTime(253'402'300'800)),
        Invalid("TimeOfNoNanoseconds", "time", WithTime(1, -1)),
        Invalid("TimeOfTooManyNanoseconds", "time", WithTime(1, 1'000'000'000)),
        BadEventCase{"DataTooLarge", [](auto& e) { e.set_data(std::string((2 << 20) + 1, 'x')); },
                     grpc::INVALID_ARGUMENT, "EVENT_TOO_LARGE", ""},
        BadEventCase{"KeyTooLarge", [](auto& e) { e.set_key(std::string((2 << 20) + 1, 'k')); },
                     grpc::INVALID_ARGUMENT, "EVENT_TOO_LARGE", ""},
        BadEventCase{"NoDataWithAKeyField",
                     [](auto& e) {
                       e.set_type("keyed");
                       e.clear_data();
                     },
                     grpc::INVALID_ARGUMENT, "KEY_FIELD_MISSING", "order.id"},
        BadEventCase{"RouteDisabled", [](auto& e) { e.set_type("off"); }, grpc::FAILED_PRECONDITION,
                     "ROUTE_DISABLED", ""},
        BadKey("KeyAbsent", R"({"order":{}})"), BadKey("KeyNull", R"({"order":{"id":null}})"),
        BadKey("KeyIsAnObject", R"({"order":{"id":{}}})"),
        BadKey("KeyIsAnArray", R"({"order":{"id":[1]}})"),
        BadKey("KeyIsAFraction", R"({"order":{"id":1.5}})"), BadKey("DataIsAnArray", "[]"),
        BadData("DataIsEmpty", ""), BadData("DataIsNoJson", "order.id=7"),
        BadData("DataHoldsNaN", R"({"order":{"id":1},"x":NaN})"),
        BadData("DataNestedDeep", std::string(100'000, '[')),
        BadData("DataWithTheKeyTwice", R"({"order":{"id":1,"id":2}})"),
        BadData("DataWithAMemberOfThePathTwice", R"({"order":{"id":1},"order":{}})"),
        BadData("DataIsNotUtf8", "{\"order\":{\"id\":\"\xff\"}}")),
    [](const auto& test) { return test.param.name; });

// An event that looks odd and is fine.
struct OddEventCase {
  std::string name;
  std::function<void(v1::Event&)> change;
  std::optional<std::string> key, value;
};

class OddEventTest : public RpcFixture, public ::testing::WithParamInterface<OddEventCase> {};

TEST_P(OddEventTest, IsPublishedAsItIs) {
  StartServer();
  v1::PublishRequest request = RequestOf(1);
  GetParam().change(*request.mutable_events(0));
  v1::PublishResponse response;
  std::thread client([&] { EXPECT_TRUE(Publish(request, &response).ok()); });

  EXPECT_TRUE(Eventually([&] { return producer_.accepted().size() == 1; }));
  std::optional<Record> record;
  if (!producer_.accepted().empty()) record = producer_.accepted()[0].record->record;
  producer_.WriteAll();
  client.join();

  ASSERT_TRUE(record.has_value());
  EXPECT_THAT(record->key, Eq(GetParam().key));
  EXPECT_THAT(record->value, Eq(GetParam().value));
  ASSERT_THAT(response.results(), SizeIs(1));
  EXPECT_FALSE(response.results(0).has_error()) << response.results(0).error().message();
}

OddEventCase Keyed(std::string name, std::string data, std::string key) {
  return {std::move(name),
          [data](v1::Event& e) {
            e.set_type("keyed");
            e.set_data(data);
          },
          std::move(key), data};
}

INSTANTIATE_TEST_SUITE_P(
    Events, OddEventTest,
    ::testing::Values(
        OddEventCase{"DuplicateHeaders",
                     [](auto& e) {
                       WithHeader("h")(e);
                       WithHeader("h")(e);
                     },
                     {},
                     "xxxxxxxxxx"},
        OddEventCase{"ThousandHeaders", WithHeaders(1000), {}, "xxxxxxxxxx"},
        OddEventCase{"KeyEmpty", [](auto& e) { e.set_key(""); }, "", "xxxxxxxxxx"},
        OddEventCase{"KeyBinary", [](auto& e) { e.set_key(std::string("\0\xff", 2)); },
                     std::string("\0\xff", 2), "xxxxxxxxxx"},
        OddEventCase{"KeyOfOneMebibyte", [](auto& e) { e.set_key(std::string(1 << 20, 'k')); },
                     std::string(1 << 20, 'k'), "xxxxxxxxxx"},
        OddEventCase{"DataEmpty", [](auto& e) { e.set_data(""); }, {}, ""},
        OddEventCase{"Tombstone", [](auto& e) { e.clear_data(); }, {}, {}},
        OddEventCase{"TombstoneWithAKeyOfItsOwn",
                     [](auto& e) {
                       e.set_type("keyed");
                       e.clear_data();
                       e.set_key("k");
                     },
                     "k",
                     {}},
        OddEventCase{"NoJsonWithAKeyOfItsOwn",
                     [](auto& e) {
                       e.set_type("keyed");
                       e.set_key("k");
                     },
                     "k", "xxxxxxxxxx"},
        OddEventCase{"FirstTime", WithTime(0), {}, "xxxxxxxxxx"},
        OddEventCase{"LastTime", WithTime(253'402'300'799, 999'999'999), {}, "xxxxxxxxxx"},
        Keyed("KeyString", R"({"order":{"id":"a"}})", "a"),
        Keyed("KeyEmptyString", R"({"order":{"id":""}})", ""),
        Keyed("KeyInteger", R"({"order":{"id":-7}})", "-7"),
        Keyed("KeyHugeInteger", R"({"order":{"id":123456789012345678901234567890}})",
              "123456789012345678901234567890"),
        Keyed("KeyBoolean", R"({"order":{"id":true}})", "true")),
    [](const auto& test) { return test.param.name; });

// Headers of two bytes each: little on the wire, a lot in memory.
v1::PublishRequest RequestOfTinyHeaders(int events, int headers) {
  v1::PublishRequest request;
  for (int i = 0; i < events; ++i) WithHeaders(headers)(*request.add_events());
  for (auto& event : *request.mutable_events()) {
    for (auto& header : *event.mutable_headers()) header.clear_name();
  }
  return request;
}

class RequestShapeTest : public RpcFixture {};

TEST_F(RequestShapeTest, EventsHeadersAndExtensionsAreCountedUnparsed) {
  v1::PublishRequest request = RequestOfTinyHeaders(2, 3);
  WithExtension("tenant")(*request.mutable_events(1));
  grpc::Slice slice(request.SerializeAsString());
  grpc::ByteBuffer buffer(&slice, 1);

  const auto shape = ShapeOf(buffer, v1::PublishRequest::kEventsFieldNumber);

  ASSERT_TRUE(shape.has_value());
  EXPECT_EQ(shape->events, 2u);
  EXPECT_EQ(shape->attributes, 7u);
  EXPECT_EQ(buffer.Length(), request.ByteSizeLong()) << "it is still there";
}

TEST_F(RequestShapeTest, BytesThatAreNoMessageHaveNone) {
  for (const std::string bytes : {"\xff", "\x0a\x05\x0a", "\x0a\x02\x0a\x05", "\x0f"}) {
    grpc::Slice slice(bytes);
    grpc::ByteBuffer buffer(&slice, 1);
    EXPECT_FALSE(ShapeOf(buffer, v1::PublishRequest::kEventsFieldNumber).has_value());
  }
}

TEST_F(RequestShapeTest, ARequestThatWouldTakeAllMemoryIsRefusedBeforeItIsParsed) {
  StartServer();

  v1::PublishResponse response;
  const RpcError error = ErrorOf(Publish(RequestOfTinyHeaders(1000, 1000), &response));

  EXPECT_EQ(error.code, grpc::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "REQUEST_TOO_LARGE");
  EXPECT_FALSE(error.retry);
}

TEST_F(RequestShapeTest, MoreEmptyEventsThanAllowedAreRefusedByTheirNumber) {
  StartServer();
  v1::PublishRequest request;
  for (int i = 0; i < 200'000; ++i) request.add_events();

  v1::PublishResponse response;
  const RpcError error = ErrorOf(Publish(request, &response));

  EXPECT_EQ(error.reason, "REQUEST_TOO_LARGE");
  EXPECT_EQ(error.metadata.at("limit"), "1000");
}

}  // namespace
}  // namespace sidebus
