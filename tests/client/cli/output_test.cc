#include "client/cli/output.h"

#include <gmock/gmock.h>
#include <grpcpp/support/error_details.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "google/rpc/error_details.pb.h"
#include "server/base/json_text.h"
#include "sidebus/v1/event_bus.pb.h"

namespace sidebus::cli {
namespace {

google::rpc::Status Down() {
  google::rpc::Status status;
  status.set_code(grpc::UNAVAILABLE);
  status.set_message("no broker");
  google::rpc::ErrorInfo info;
  info.set_reason("BROKER_DOWN");
  (*info.mutable_metadata())["topic"] = "orders";
  status.add_details()->PackFrom(info);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  status.add_details()->PackFrom(retry);
  return status;
}

TEST(DescribeTest, TellsReasonMessageMetadataAndWhenToTryAgain) {
  EXPECT_EQ(Describe(Down()), "BROKER_DOWN: no broker (topic=orders; retry after 500 ms)");
  EXPECT_EQ(ReasonOf(Down()), "BROKER_DOWN");
}

TEST(DescribeTest, UnpacksTheDetailsOfACall) {
  grpc::Status status;
  ASSERT_TRUE(grpc::SetErrorDetails(Down(), &status).ok());

  EXPECT_EQ(Describe(status), Describe(Down()));
  EXPECT_EQ(RetryDelay(status), std::chrono::milliseconds(500));
}

TEST(DescribeTest, AStatusWithoutDetailsHasItsNumber) {
  const grpc::Status status(grpc::ABORTED, "gone\n\x1b[31m");

  EXPECT_EQ(Describe(status), "gRPC status 10: gone\\n\\x1b[31m");
  EXPECT_EQ(RetryDelay(status), std::nullopt);
  EXPECT_EQ(ReasonOf(google::rpc::Status()), "");
}

TEST(DescribeTest, WhereNoGatewayAnswersItSaysHowToReachOne) {
  const std::string text = Describe(grpc::Status(grpc::UNAVAILABLE, "connection refused"));

  EXPECT_THAT(text, ::testing::HasSubstr("connection refused"));
  EXPECT_THAT(text, ::testing::HasSubstr("--endpoint or SIDEBUS_ENDPOINT"));
}

TEST(DescribeTest, ASocketThatOneMayNotOpenIsNoMissingGateway) {
  const std::string text =
      Describe(grpc::Status(grpc::UNAVAILABLE, "unix:/run/a.sock: Permission denied"));

  EXPECT_THAT(text, ::testing::HasSubstr("listen[].group"));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("sidebus serve")));
}

TEST(PrintableTest, NothingThatATerminalObeysGetsThrough) {
  EXPECT_EQ(Printable("caf\xc3\xa9 \xe2\x82\xac"), "caf\xc3\xa9 \xe2\x82\xac");
  EXPECT_EQ(Printable("a\nb\tc\rd"), "a\\nb\\tc\\x0dd");
  EXPECT_EQ(Printable("\x1b[2J\x7f"), "\\x1b[2J\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\x9b");  // a C1 control
  EXPECT_EQ(Printable("\xff\x01"), "0xff01");
  EXPECT_EQ(Printable("\xe2\x82"), "0xe282");  // cut off
  EXPECT_EQ(Printable(""), "");
}

TEST(OneLineOfJsonTest, LineBreaksBetweenTokensGoAndAllElseStays) {
  EXPECT_EQ(
      OneLineOfJson("{\n  \"a b\": [1, 2],\r\n\t\"c\\\\\": \" \\\" x \"\n}\n", "application/json"),
      "{\"a b\": [1, 2],\"c\\\\\": \" \\\" x \"}");
  EXPECT_EQ(OneLineOfJson("[\n]", "application/vnd.order+json; charset=utf-8"), "[]");
  EXPECT_EQ(OneLineOfJson("{\"a\": 1}", "application/json"), "{\"a\": 1}");
}

TEST(OneLineOfJsonTest, WhatIsNotCalledJsonIsLeftAsItIs) {
  EXPECT_EQ(OneLineOfJson("{\n\"a\": 1 }", "text/plain"), "{\n\"a\": 1 }");
  EXPECT_EQ(OneLineOfJson("a b", ""), "a b");
}

TEST(JsonStringTest, AnyBytesBecomeValidJson) {
  for (const std::string& text : {std::string("a\"b\\c\n\x01"), std::string("\xc3\xa9"),
                                  std::string("\xff"), std::string("\0", 1), std::string()}) {
    EXPECT_TRUE(nlohmann::json::accept(JsonString(text))) << JsonString(text);
  }
  EXPECT_EQ(nlohmann::json::parse(JsonString("a\"b\\\n")).get<std::string>(), "a\"b\\\n");
}

TEST(ToJsonTest, IsOneLineWithTheNamesOfTheProto) {
  sidebus::v1::PublishResult result;
  result.set_event_id("a");
  result.add_positions()->set_offset(7);

  EXPECT_EQ(
      ToJson(result),
      R"({"event_id":"a","positions":[{"topic":"","partition":0,"offset":"7","entry_id":""}]})")
      << "partition 0 is a partition";
}

}  // namespace
}  // namespace sidebus::cli
