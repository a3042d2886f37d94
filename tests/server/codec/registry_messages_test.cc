#include "server/codec/registry_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/error.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// What an answer means for each of the three questions, in a word.
struct Case {
  std::string name;
  int status;
  std::string body;
  std::string find;
  std::string registering;
  std::string lookup;
};

std::string Word(const absl::Status& status) { return std::string(ReasonName(ReasonOf(status))); }

class RegistryAnswerTest : public ::testing::TestWithParam<Case> {};

TEST_P(RegistryAnswerTest, MeansOneThingForEachQuestion) {
  const Case& answer = GetParam();
  const auto text = ReadTextAnswer(SchemaId(7), answer.status, answer.body);
  const auto registered = ReadRegisterAnswer("s", answer.status, answer.body);
  const auto found = ReadFindIdAnswer("s", answer.status, answer.body);

  EXPECT_EQ(text.ok() ? **text : Word(text.status()), answer.find);
  EXPECT_EQ(registered.ok() ? std::to_string(registered->value()) : Word(registered.status()),
            answer.registering);
  EXPECT_EQ(found.ok() ? std::to_string(found->value()) : Word(found.status()), answer.lookup);
}

constexpr char kDown[] = "REGISTRY_DOWN";
constexpr char kMissing[] = "SCHEMA_MISSING";
constexpr char kIncompatible[] = "SCHEMA_INCOMPATIBLE";

const Case kCases[] = {
    {"AText", 200, R"({"schema":"\"string\""})", "\"string\"", kDown, kDown},
    {"AnAvroText", 200, R"({"schema":"{}","schemaType":"AVRO","references":[]})", "{}", kDown,
     kDown},
    {"AnotherType", 200, R"({"schema":"message A {}","schemaType":"PROTOBUF"})", kMissing, kDown,
     kDown},
    {"AnId", 200, R"({"id":5})", kDown, "5", "5"},
    {"AVersion", 200, R"({"subject":"s","version":1,"id":2147483647,"schema":"{}"})", "{}",
     "2147483647", "2147483647"},
    {"IdZero", 200, R"({"id":0})", kDown, kDown, kDown},
    {"IdTooLarge", 200, R"({"id":2147483648})", kDown, kDown, kDown},
    {"IdNegative", 200, R"({"id":-1})", kDown, kDown, kDown},
    {"IdAsText", 200, R"({"id":"5"})", kDown, kDown, kDown},
    {"TextAsNumber", 200, R"({"schema":5})", kDown, kDown, kDown},
    {"AList", 200, "[1]", kDown, kDown, kDown},
    {"Nothing", 200, "", kDown, kDown, kDown},
    {"Garbage", 200, "\xff\xfe<html>", kDown, kDown, kDown},
    {"Deep", 200, std::string(1000, '['), kDown, kDown, kDown},
    {"NoContent", 204, "", kDown, kDown, kDown},
    {"ARedirect", 302, R"({"id":5,"schema":"{}"})", kDown, kDown, kDown},
    {"BadRequest", 400, "Not able to deserialize", kDown, kDown, kDown},
    {"BadRequestOfARegistry", 400, R"({"error_code":400,"message":"m"})", kDown, kIncompatible,
     kIncompatible},
    {"Unauthorized", 401, R"({"error_code":401})", kDown, kDown, kDown},
    {"Forbidden", 403, R"({"error_code":40301})", kDown, kDown, kDown},
    {"UnknownPath", 404, R"({"error_code":404,"message":"HTTP 404 Not Found"})", kDown, kDown,
     kDown},
    {"UnknownPathOfAnotherServer", 404, "<html>", kDown, kDown, kDown},
    {"UnknownSubject", 404, R"({"error_code":40401,"message":"m"})", kMissing, kDown,
     kIncompatible},
    {"UnknownSchema", 404, R"({"error_code":40403,"message":"m"})", kMissing, kDown, kIncompatible},
    {"Incompatible", 409, R"({"error_code":409,"message":"m"})", kDown, kIncompatible,
     kIncompatible},
    {"IncompatibleWithoutAWord", 409, "", kDown, kIncompatible, kIncompatible},
    {"TooLarge", 413, "<html>", kDown, kIncompatible, kIncompatible},
    {"NoSchema", 422, R"({"error_code":42201,"message":"m"})", kDown, kIncompatible, kIncompatible},
    {"UnprocessableElsewhere", 422, "<html>", kDown, kDown, kDown},
    {"TooManyRequests", 429, "", kDown, kDown, kDown},
    {"Failure", 500, R"({"error_code":50001,"message":"m"})", kDown, kDown, kDown},
    {"BadGateway", 502, "", kDown, kDown, kDown},
    {"Unavailable", 503, "", kDown, kDown, kDown},
    {"NoStatus", 0, "", kDown, kDown, kDown},
};

INSTANTIATE_TEST_SUITE_P(Answers, RegistryAnswerTest, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(RegistryMessagesTest, ATextIsSentAsAJsonString) {
  EXPECT_EQ(SchemaRequestBody(R"({"type": "string"})"), R"({"schema":"{\"type\": \"string\"}"})");
}

TEST(RegistryMessagesTest, AnIdThatNoRegistryGivesOutIsMissingWhateverThe404Says) {
  const auto answer = ReadTextAnswer(SchemaId(4'000'000'000), 404, R"({"error_code":404})");

  EXPECT_EQ(Word(answer.status()), kMissing);
}

TEST(RegistryMessagesTest, ARefusalQuotesTheRegistry) {
  const auto answer = ReadRegisterAnswer(
      "orders-value", 409, R"({"error_code":409,"message":"field y\nhas no default"})");

  const std::string message(answer.status().message());
  EXPECT_THAT(message, HasSubstr("\"orders-value\" is not compatible with its earlier versions"));
  EXPECT_THAT(message, HasSubstr("field y\\nhas no default"));
}

TEST(RegistryMessagesTest, ALongMessageIsCut) {
  const std::string body = R"({"error_code":42201,"message":")" + std::string(100'000, 'm') + "\"}";

  const auto answer = ReadRegisterAnswer("s", 422, body);

  EXPECT_THAT(std::string(answer.status().message()), SizeIs(::testing::Lt(600u)));
}

TEST(RegistryMessagesTest, WhatIsNoRegistrysIsNotQuoted) {
  for (const int status : {200, 302, 401, 404, 500}) {
    const auto answer = ReadTextAnswer(SchemaId(1), status, "internal host 10.0.0.7");

    EXPECT_THAT(std::string(answer.status().message()), Not(HasSubstr("10.0.0.7"))) << status;
  }
}

TEST(RegistryMessagesTest, TheNamesOfSubjectsAreAList) {
  EXPECT_THAT(ReadSubjectsAnswer(200, R"(["b-value", "a", "a", 7])").value(),
              ::testing::ElementsAre("a", "b-value"));
  EXPECT_THAT(ReadSubjectsAnswer(200, "[]").value(), ::testing::IsEmpty());

  EXPECT_EQ(Word(ReadSubjectsAnswer(200, R"({"subjects": []})").status()), kDown);
  EXPECT_EQ(Word(ReadSubjectsAnswer(200, "<html>").status()), kDown);
  EXPECT_EQ(Word(ReadSubjectsAnswer(401, "[]").status()), kDown);
}

}  // namespace
}  // namespace sidebus
