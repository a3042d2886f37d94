#include "server/avro/decode_avro.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/error.h"
#include "tests/server/avro/avro_schemas.h"

namespace sidebus {
namespace {

using ::testing::Contains;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Pair;

using namespace std::string_literals;

TEST(DecodeAvroTest, BlocksWithTheirSizeInBytesAreReadAndJoined) {
  const SharedSchema schema = SchemaOf(R"({"type":"array","items":"int"})");

  // -2 items in 2 bytes, 1 item, the end.
  EXPECT_THAT(*Decode("\3\4\2\4\2\6\0"s, *schema), Eq("[1,2,3]"));
}

TEST(DecodeAvroTest, ANumberMayHaveMoreBytesThanItNeeds) {
  EXPECT_THAT(*Decode("\x82\x80\x00"s, *SchemaOf(R"("long")")), Eq("1"));
}

TEST(DecodeAvroTest, WhatFollowsIsRefusedOrIgnored) {
  const SharedSchema schema = SchemaOf(R"("int")");

  EXPECT_THAT(*DecodeAvro("\2xyz", *schema, kRoom, AvroTail::kIgnored), Eq("1"));
  EXPECT_THAT(MessageOf(Decode("\2xyz", *schema).status()), HasSubstr("3 bytes follow the value"));
}

struct BrokenCase {
  std::string name, type, avro, error;
};

class BrokenAvroTest : public ::testing::TestWithParam<BrokenCase> {};

TEST_P(BrokenAvroTest, IsRefusedWithItsPlace) {
  const auto json = Decode(GetParam().avro, *RecordOf(GetParam().type));

  ASSERT_FALSE(json.ok()) << *json;
  EXPECT_THAT(MessageOf(json.status()),
              Eq("the data cannot be decoded with its schema: f: expected " + GetParam().error));
  EXPECT_THAT(ReasonOf(json.status()), Eq(Reason::kEventInvalid));
  EXPECT_THAT(DetailsOf(json.status())->metadata, Contains(Pair("field", "data")));
}

constexpr char kArray[] = R"({"type":"array","items":"null"})";
constexpr char kMap[] = R"({"type":"map","values":"null"})";
const std::string kHuge = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01";      // 2^62
const std::string kSmallest = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";  // -2^63

INSTANTIATE_TEST_SUITE_P(
    Bytes, BrokenAvroTest,
    ::testing::Values(
        BrokenCase{"NoBoolean", R"("boolean")", "", "boolean: the value is cut off"},
        BrokenCase{"OtherBoolean", R"("boolean")", "\2", "boolean: found neither 0 nor 1"},
        BrokenCase{"NoLong", R"("long")", "", "long: the number is cut off or has over 64 bits"},
        BrokenCase{"CutLong", R"("long")", "\x80",
                   "long: the number is cut off or has over 64 bits"},
        BrokenCase{"OverLong", R"("long")", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
                   "long: the number is cut off or has over 64 bits"},
        BrokenCase{"EndlessLong", R"("long")", std::string(100, '\x80'),
                   "long: the number is cut off or has over 64 bits"},
        BrokenCase{"OverInt", R"("int")", "\x80\x80\x80\x80\x10",
                   "int: the number has over 32 bits"},
        BrokenCase{"CutFloat", R"("float")", "\0\0\0"s, "float: the value is cut off"},
        BrokenCase{"CutDouble", R"("double")", "\0\0\0"s, "double: the value is cut off"},
        BrokenCase{"CutText", R"("string")", "\6ab",
                   "string: the length is wrong, or the value cut off"},
        BrokenCase{"HugeText", R"("string")", kHuge + "ab",
                   "string: the length is wrong, or the value cut off"},
        BrokenCase{"NegativeText", R"("string")", "\1ab",
                   "string: the length is wrong, or the value cut off"},
        BrokenCase{"TextThatIsNotUtf8", R"("string")", "\4\xc3\x28",
                   "string: the text is not UTF-8"},
        BrokenCase{"HugeBytes", R"("bytes")", kHuge,
                   "bytes: the length is wrong, or the value cut off"},
        BrokenCase{"CutFixed", R"({"type":"fixed","name":"F","size":3})", "ab",
                   "fixed F: the length is wrong, or the value cut off"},
        BrokenCase{"SymbolBeyondTheLast", R"({"type":"enum","name":"E","symbols":["A"]})", "\2",
                   "enum E: there is no such symbol"},
        BrokenCase{"BranchBeyondTheLast", R"(["null","int"])", "\4",
                   "null or int: there is no such branch"},
        BrokenCase{"NegativeBranch", R"(["null","int"])", "\1",
                   "null or int: there is no such branch"},
        BrokenCase{"ArrayWithoutEnd", kArray, "\2",
                   "array: the number of items is wrong or cut off"},
        BrokenCase{"ArrayOfTheSmallestCount", kArray, kSmallest + "\0\0"s,
                   "array: the number of items is wrong or cut off"},
        BrokenCase{"BlockOfHugeSize", kArray, "\1" + kHuge,
                   "array: the number of items is wrong or cut off"},
        BrokenCase{"BlockOfNegativeSize", kArray, "\1\1\0"s,
                   "array: the number of items is wrong or cut off"},
        BrokenCase{"EntryWithoutName", kMap, "\2\6a", "map: the name of an entry is cut off"}),
    [](const auto& test) { return test.param.name; });

TEST(DecodeAvroTest, APlaceInsideIsNamed) {
  const SharedSchema schema =
      RecordOf(R"({"type":"array","items":{"type":"record","name":"S","fields":[)"
               R"({"name":"a","type":"int"},{"name":"b","type":"string"}]}})");

  const auto json = Decode("\4\2\0\2\6x"s, *schema);

  EXPECT_THAT(MessageOf(json.status()), HasSubstr("f[1].b: expected string: the length is wrong"));
}

TEST(DecodeAvroTest, AFewBytesDoNotBecomeMuchText) {
  const SharedSchema nulls = SchemaOf(kArray);
  std::string doubling = R"({"type":"record","name":"R0","fields":[]})";
  for (int i = 1; i < 20; ++i) {
    const std::string name = "R" + std::to_string(i);
    doubling = R"({"type":"record","name":")" + name + R"(","fields":[{"name":"a","type":)" +
               doubling + R"(},{"name":"b","type":"R)" + std::to_string(i - 1) + R"("}]})";
  }

  const auto many = Decode(kHuge + "\0"s, *nulls, 1000);
  const auto deep = Decode("", *SchemaOf(doubling), 1000);

  EXPECT_THAT(ReasonOf(many.status()), Eq(Reason::kEventTooLarge));
  EXPECT_THAT(MessageOf(many.status()), HasSubstr("more than 1000 bytes as JSON"));
  EXPECT_THAT(ReasonOf(deep.status()), Eq(Reason::kEventTooLarge));
}

TEST(DecodeAvroTest, DepthIsBounded) {
  const SharedSchema list =
      SchemaOf(R"({"type":"record","name":"R","fields":[{"name":"n","type":["null","R"]}]})");
  const SharedSchema endless =
      SchemaOf(R"({"type":"record","name":"R","fields":[{"name":"n","type":"R"}]})");

  EXPECT_TRUE(Decode(std::string(127, '\2') + "\0"s, *list).ok());
  EXPECT_THAT(MessageOf(Decode(std::string(128, '\2') + "\0"s, *list).status()),
              HasSubstr("nested over 128 deep"));
  EXPECT_THAT(MessageOf(Decode("", *endless).status()), HasSubstr("nested over 128 deep"));
}

TEST(DecodeAvroKeyTest, GivesTheTextOfAPrimitive) {
  EXPECT_THAT(*DecodeAvroKey("\6a\"b", *SchemaOf(R"({"name":"k","type":"string"})")), Eq("a\"b"));
  EXPECT_THAT(*DecodeAvroKey("\4\xff\0"s, *SchemaOf(R"("bytes")")), Eq("\xff\0"s));
  EXPECT_THAT(*DecodeAvroKey("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, *SchemaOf(R"("long")")),
              Eq("-9223372036854775808"));
  EXPECT_THAT(*DecodeAvroKey("\1", *SchemaOf(R"("boolean")")), Eq("true"));
}

TEST(DecodeAvroKeyTest, RefusesWhatIsBrokenOrNoKey) {
  const std::pair<std::string, std::string> cases[] = {{R"("string")", "\x06zz"},
                                                       {R"("string")", "\1"},
                                                       {R"("string")", ""},
                                                       {R"("long")", "\x80"},
                                                       {R"("double")", "\0\0\0\0\0\0\0\0"s},
                                                       {R"(["null","string"])", "\0"s},
                                                       {R"("null")", ""}};
  for (const auto& [schema, bytes] : cases) {
    const auto key = DecodeAvroKey(bytes, *SchemaOf(schema));

    ASSERT_FALSE(key.ok()) << schema;
    EXPECT_THAT(DetailsOf(key.status())->metadata, Contains(Pair("field", "key")));
  }
}

}  // namespace
}  // namespace sidebus
