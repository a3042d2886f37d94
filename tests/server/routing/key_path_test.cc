#include "server/routing/key_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "server/base/error.h"

namespace sidebus {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Nested(int objects) {
  std::string json;
  for (int i = 0; i < objects; ++i) json += R"({"a":)";
  json += R"("deep")";
  json.append(static_cast<std::size_t>(objects), '}');
  return json;
}

std::string DottedPath(int parts) {
  std::string path = "a";
  for (int i = 1; i < parts; ++i) path += ".a";
  return path;
}

struct KeyCase {
  std::string name, path, json, key;
};

class KeyPathTest : public ::testing::TestWithParam<KeyCase> {};

TEST_P(KeyPathTest, FindsTheKey) {
  const KeyPath path(GetParam().path);

  const auto key = path.Extract(GetParam().json);

  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_THAT(*key, Eq(GetParam().key));
}

INSTANTIATE_TEST_SUITE_P(
    Paths, KeyPathTest,
    ::testing::Values(
        KeyCase{"Top", "id", R"({"id":"a"})", "a"},
        KeyCase{"Nested", "order.id", R"({"x":1,"order":{"id":"a"}})", "a"},
        KeyCase{"OpenEdx", "enrollment.course.course_key",
                R"({"enrollment":{"course":{"course_key":"course-v1:edX+DemoX+Demo"}}})",
                "course-v1:edX+DemoX+Demo"},
        KeyCase{"Escaped", "id", R"({"id":"a\u00e9\n\"b"})", "a\xc3\xa9\n\"b"},
        KeyCase{"EscapedName", "id", R"({"\u0069d":"a"})", "a"},
        KeyCase{"WithNul", "id", R"({"id":"a\u0000b"})", std::string("a\0b", 3)},
        KeyCase{"EmptyString", "id", R"({"id":""})", ""}, KeyCase{"Zero", "id", R"({"id":0})", "0"},
        KeyCase{"Negative", "id", R"({"id":-7})", "-7"},
        KeyCase{"SmallestInteger", "id", R"({"id":-9223372036854775808})", "-9223372036854775808"},
        KeyCase{"LargestUnsigned", "id", R"({"id":18446744073709551615})", "18446744073709551615"},
        KeyCase{"OverUnsigned64Bits", "id", R"({"id":18446744073709551616})",
                "18446744073709551616"},
        KeyCase{"BelowSigned64Bits", "id", R"({"id" : -123456789012345678901234567890 })",
                "-123456789012345678901234567890"},
        KeyCase{
            "LargeNumbersElsewhere", "o.id",
            R"({"a":[1e400,-2E+999,123456789012345678901234567890,1.5],"o":{"id":7},"b":"\"1"})",
            "7"},
        KeyCase{"LargeNumbersInStrings", "id",
                R"({"x":123456789012345678901,"id":"123456789012345678901,\"-1e400"})",
                "123456789012345678901,\"-1e400"},
        KeyCase{"True", "id", R"({"id":true})", "true"},
        KeyCase{"False", "id", R"({"id":false})", "false"},
        KeyCase{"DuplicatesBesideThePath", "id", R"({"x":1,"x":2,"id":"a"})", "a"},
        KeyCase{"Blanks", "id", " {\n\t\"id\" : \"a\" } ", "a"},
        KeyCase{"AtTheGreatestDepth", DottedPath(128), Nested(128), "deep"},
        KeyCase{"LargeData", "id", R"({"x":")" + std::string(300'000, 'x') + R"(","id":"a"})",
                "a"}),
    [](const auto& test) { return test.param.name; });

struct RefusedCase {
  std::string name, path, json;
  Reason reason;
  std::string field;
};

class KeyPathRefusalTest : public ::testing::TestWithParam<RefusedCase> {};

TEST_P(KeyPathRefusalTest, SaysWhatIsWrongAndNamesThePath) {
  const KeyPath path(GetParam().path);

  const auto key = path.Extract(GetParam().json);

  ASSERT_FALSE(key.ok()) << *key;
  const auto details = DetailsOf(key.status());
  ASSERT_TRUE(details.has_value());
  EXPECT_THAT(details->reason, Eq(GetParam().reason));
  EXPECT_THAT(details->metadata.at("field"), Eq(GetParam().field));
  EXPECT_THAT(std::string(key.status().message()), HasSubstr(GetParam().path));
  EXPECT_THAT(std::string(key.status().message()), Not(HasSubstr("secret")));
}

constexpr Reason kMissing = Reason::kKeyFieldMissing;
constexpr Reason kInvalid = Reason::kEventInvalid;

INSTANTIATE_TEST_SUITE_P(
    Data, KeyPathRefusalTest,
    ::testing::Values(
        RefusedCase{"NoSuchField", "id", R"({"x":"secret"})", kMissing, "id"},
        RefusedCase{"NoSuchParent", "order.id", R"({"id":"secret"})", kMissing, "order.id"},
        RefusedCase{"ParentIsAString", "order.id", R"({"order":"secret"})", kMissing, "order.id"},
        RefusedCase{"ParentIsNull", "order.id", R"({"order":null})", kMissing, "order.id"},
        RefusedCase{"RootIsAnArray", "id", R"(["id"])", kMissing, "id"},
        RefusedCase{"RootIsAString", "id", R"("id")", kMissing, "id"},
        RefusedCase{"Null", "id", R"({"id":null})", kMissing, "id"},
        RefusedCase{"Object", "id", R"({"id":{"x":1}})", kMissing, "id"},
        RefusedCase{"Array", "id", R"({"id":["secret"]})", kMissing, "id"},
        RefusedCase{"Fraction", "id", R"({"id":1.5})", kMissing, "id"},
        RefusedCase{"WholeFraction", "id", R"({"id":1.0})", kMissing, "id"},
        RefusedCase{"Exponent", "id", R"({"id":1e3})", kMissing, "id"},
        RefusedCase{"OtherCase", "id", R"({"ID":"secret"})", kMissing, "id"},
        RefusedCase{"Empty", "id", "", kInvalid, "data"},
        RefusedCase{"Blank", "id", " ", kInvalid, "data"},
        RefusedCase{"NotJson", "id", "secret", kInvalid, "data"},
        RefusedCase{"NaN", "id", R"({"id":NaN})", kInvalid, "data"},
        RefusedCase{"BrokenBehindTheKey", "id", R"({"id":"secret","x":})", kInvalid, "data"},
        RefusedCase{"GarbageBehindTheEnd", "id", R"({"id":"secret"}x)", kInvalid, "data"},
        RefusedCase{"TwoDocuments", "id", R"({"id":"a"}{"id":"b"})", kInvalid, "data"},
        RefusedCase{"NotUtf8", "id", "{\"id\":\"\xff\"}", kInvalid, "data"},
        RefusedCase{"LoneSurrogate", "id", R"({"id":"\ud800"})", kInvalid, "data"},
        RefusedCase{"TwiceAtTheEnd", "id", R"({"id":"secret","id":"b"})", kInvalid, "data"},
        RefusedCase{"TwiceOnTheWay", "o.id", R"({"o":{"id":"a"},"o":{}})", kInvalid, "data"},
        RefusedCase{"TwiceByEscape", "id", R"({"id":"a","\u0069d":"b"})", kInvalid, "data"},
        RefusedCase{"LargeFraction", "id", R"({"id":1e400})", kMissing, "id"},
        RefusedCase{"LargeFractionOfManyDigits", "id", R"({"id":123456789012345678901.0})",
                    kMissing, "id"},
        RefusedCase{"LeadingZero", "id", R"({"id":00123456789012345678901})", kInvalid, "data"},
        RefusedCase{"LargeNumberWithATail", "id", R"({"id":123456789012345678901x})", kInvalid,
                    "data"},
        RefusedCase{"LargeNumberAndMinus", "id", R"({"id":123456789012345678901-1})", kInvalid,
                    "data"},
        RefusedCase{"LargeNumberAsAName", "id", R"({"id":1e400,123456789012345678901:1})", kInvalid,
                    "data"},
        RefusedCase{"LargeAndMalformed", "id", R"({"x":123456789012345678901,"id":01})", kInvalid,
                    "data"},
        RefusedCase{"LargeNumberTwice", "id",
                    R"({"id":123456789012345678901,"id":123456789012345678901})", kInvalid, "data"},
        RefusedCase{"NestedTooDeep", "a", Nested(129), kInvalid, "data"},
        RefusedCase{"HundredThousandBrackets", "a", std::string(100'000, '['), kInvalid, "data"}),
    [](const auto& test) { return test.param.name; });

TEST(KeyPathParseTest, AnEmptyPartIsAMemberWithoutAName) {
  EXPECT_THAT(KeyPath("a..b").Extract(R"({"a":{"":{"b":"key"}}})").value(), Eq("key"));
  for (const std::string_view path : {".", "a.", ".a", "a..b"}) {
    const auto key = KeyPath(path).Extract(R"({"a":{"b":"key"}})");
    ASSERT_FALSE(key.ok()) << path;
    EXPECT_THAT(DetailsOf(key.status())->reason, Eq(Reason::kKeyFieldMissing)) << path;
  }
}

TEST(KeyPathParseTest, KeepsItsText) {
  EXPECT_THAT(KeyPath("order.customer.id").text(), Eq("order.customer.id"));
}

TEST(KeyPathThreadsTest, OnePathIsReadFromSeveralThreads) {
  const KeyPath path("order.id");
  std::vector<std::thread> threads;

  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&path, t] {
      const std::string id = std::to_string(t);
      const std::string json = R"({"order":{"id":")" + id + R"("}})";
      for (int i = 0; i < 1000; ++i) EXPECT_THAT(path.Extract(json).value(), Eq(id));
    });
  }

  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sidebus
