#include "server/avro/encode_avro.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "server/base/error.h"
#include "tests/server/avro/avro_schemas.h"

namespace sidebus {
namespace {

using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;

using namespace std::string_literals;

struct ValueCase {
  std::string name, type, json, avro;
};

class EncodeValueTest : public ::testing::TestWithParam<ValueCase> {};

TEST_P(EncodeValueTest, GivesTheBytesOfItsTypeAndComesBack) {
  const SharedSchema schema = RecordOf(GetParam().type);
  const std::string json = R"({"f":)" + GetParam().json + "}";

  const auto avro = Encode(json, *schema);

  ASSERT_TRUE(avro.ok()) << avro.status();
  EXPECT_THAT(*avro, Eq(GetParam().avro));
  const auto back = Decode(*avro, *schema);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_THAT(*back, Eq(json));
}

INSTANTIATE_TEST_SUITE_P(
    Values, EncodeValueTest,
    ::testing::Values(
        ValueCase{"Null", R"("null")", "null", ""},
        ValueCase{"True", R"("boolean")", "true", "\1"s},
        ValueCase{"False", R"("boolean")", "false", "\0"s},
        ValueCase{"Zero", R"("int")", "0", "\0"s}, ValueCase{"MinusOne", R"("int")", "-1", "\1"s},
        ValueCase{"One", R"("long")", "1", "\2"s},
        ValueCase{"SixtyFour", R"("long")", "64", "\x80\x01"s},
        ValueCase{"SmallestInt", R"("int")", "-2147483648", "\xff\xff\xff\xff\x0f"s},
        ValueCase{"BeyondDouble", R"("long")", "9007199254740993",
                  "\x82\x80\x80\x80\x80\x80\x80\x20"s},
        ValueCase{"LargestLong", R"("long")", "9223372036854775807",
                  "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"s},
        ValueCase{"SmallestLong", R"("long")", "-9223372036854775808",
                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s},
        ValueCase{"Float", R"("float")", "0.1", "\xcd\xcc\xcc\x3d"s},
        ValueCase{"Double", R"("double")", "0.1", "\x9a\x99\x99\x99\x99\x99\xb9\x3f"s},
        ValueCase{"LargeDouble", R"("double")", "1e+300", "\x9c\x75\x00\x88\x3c\xe4\x37\x7e"s},
        ValueCase{"MinusZero", R"("double")", "-0.0", "\0\0\0\0\0\0\0\x80"s},
        ValueCase{"Nan", R"("double")", R"("NaN")", "\0\0\0\0\0\0\xf8\x7f"s},
        ValueCase{"MinusInfinity", R"("float")", R"("-Infinity")", "\0\0\x80\xff"s},
        ValueCase{"Text", R"("string")", R"("foo")", "\6foo"s},
        ValueCase{"EmptyText", R"("string")", R"("")", "\0"s},
        ValueCase{"TextWithEscapes", R"("string")", R"("\"\\/\n\r\t\u0000\u001fé😀")",
                  "\x1c\"\\/\n\r\t\0\x1f\xc3\xa9\xf0\x9f\x98\x80"s},
        ValueCase{"Bytes", R"("bytes")", R"("aÿ\u0000")", "\6a\xff\0"s},
        ValueCase{"Fixed", R"({"type":"fixed","name":"F","size":2})", R"("aÿ")", "a\xff"s},
        ValueCase{"Enum", R"({"type":"enum","name":"E","symbols":["A","B"]})", R"("B")", "\2"s},
        ValueCase{"EmptyArray", R"({"type":"array","items":"int"})", "[]", "\0"s},
        ValueCase{"Array", R"({"type":"array","items":"int"})", "[1,2]", "\4\2\4\0"s},
        ValueCase{"EmptyMap", R"({"type":"map","values":"int"})", "{}", "\0"s},
        ValueCase{"Map", R"({"type":"map","values":"int"})", R"({"b":1,"a":2})", "\4\2b\2\2a\4\0"s},
        ValueCase{"EmptyRecord", R"({"type":"record","name":"S","fields":[]})", "{}", ""},
        ValueCase{"NullOfAUnion", R"(["null","string"])", "null", "\0"s},
        ValueCase{"TextOfAUnion", R"(["null","string"])", R"("a")", "\2\2a"s},
        ValueCase{"FalseOfAUnion", R"(["null","boolean"])", "false", "\2\0"s},
        ValueCase{"IntegerOfAUnion", R"(["double","long"])", "7", "\2\x0e"s},
        ValueCase{"LongOfAUnionWithInt", R"(["int","long"])", "2147483648",
                  "\2\x80\x80\x80\x80\x10"s},
        ValueCase{"SymbolOfAUnion", R"([{"type":"enum","name":"E","symbols":["A"]},"string"])",
                  R"("A")", "\0\0"s},
        ValueCase{"TextBesideSymbols", R"([{"type":"enum","name":"E","symbols":["A"]},"string"])",
                  R"("B")", "\2\2B"s},
        ValueCase{"RecordByItsFields",
                  R"([{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]},)"
                  R"({"type":"record","name":"B","fields":[{"name":"b","type":"int"}]}])",
                  R"({"b":1})", "\2\2"s}),
    [](const auto& test) { return test.param.name; });

TEST(EncodeAvroTest, AnIntegerIsAFractionWhereOneIsWanted) {
  EXPECT_THAT(*Encode(R"({"f":1})", *RecordOf(R"("double")")), Eq("\0\0\0\0\0\0\xf0\x3f"s));
  EXPECT_THAT(*Encode(R"({"f":1})", *RecordOf(R"(["null","float"])")), Eq("\2\0\0\x80\x3f"s));
}

TEST(EncodeAvroTest, MembersMayComeInAnyOrderAndOthersAreLeftOut) {
  const SharedSchema schema = SchemaOf(R"({"type":"record","name":"R","fields":[
      {"name":"a","type":"int"},{"name":"b","type":"int"},{"name":"c","type":"int"}]})");

  const auto avro = Encode(R"( {"c":3,"x":{"a":[9]},"b":2,"x":1,"a":1} )", *schema);

  EXPECT_THAT(*avro, Eq("\2\4\6"));
}

TEST(EncodeAvroTest, AMissingMemberTakesItsDefault) {
  const SharedSchema schema = SchemaOf(R"({"type":"record","name":"R","fields":[
      {"name":"a","type":["null","string"],"default":null},
      {"name":"b","type":"string","default":"x"}]})");

  EXPECT_THAT(*Encode("{}", *schema), Eq("\0\2x"s));
}

TEST(EncodeAvroTest, ATypeMayHoldItself) {
  const SharedSchema schema = SchemaOf(R"({"type":"record","name":"R","fields":[
      {"name":"next","type":["null","R"],"default":null}]})");

  EXPECT_THAT(*Encode(R"({"next":{"next":{}}})", *schema), Eq("\2\2\0"s));
}

TEST(EncodeAvroTest, WhatIsThereBeforeStaysInFront) {
  AvroOutput out{.value = "<", .key = "="};

  ASSERT_TRUE(EncodeAvro("7", *SchemaOf(R"("int")"), nullptr, kRoom, out).ok());

  EXPECT_THAT(out.value, Eq("<\x0e"));
  EXPECT_THAT(out.key, Eq("="));
}

constexpr std::string_view kUserSchema = R"({"type":"record","name":"R","fields":[
    {"name":"user","type":{"type":"record","name":"User","fields":[
        {"name":"id","type":"long"},{"name":"name","type":"string","default":""}]}}]})";

TEST(EncodeAvroTest, TheKeyIsAFieldOfTheDataByItself) {
  const SharedSchema schema = SchemaOf(kUserSchema);
  const auto path = AvroFieldPath::Find(schema, "user.id");
  AvroOutput out;

  ASSERT_TRUE(EncodeAvro(R"({"user":{"name":"x","id":64}})", *schema, &*path, kRoom, out).ok());

  EXPECT_THAT(out.value, Eq("\x80\x01\2x"));
  EXPECT_THAT(out.key, Eq("\x80\x01"));
}

TEST(EncodeAvroTest, AKeyIsNotMadeOfADefault) {
  const SharedSchema schema = SchemaOf(kUserSchema);
  const auto path = AvroFieldPath::Find(schema, "user.name");
  AvroOutput out;

  const auto status = EncodeAvro(R"({"user":{"id":1}})", *schema, &*path, kRoom, out);

  EXPECT_THAT(ReasonOf(status), Eq(Reason::kKeyFieldMissing));
  EXPECT_THAT(DetailsOf(status)->metadata, Contains(Pair("field", "user.name")));
}

struct MisfitCase {
  std::string name, type, json, place, error;
};

class MisfitTest : public ::testing::TestWithParam<MisfitCase> {};

TEST_P(MisfitTest, IsRefusedWithItsPlaceAndWithoutTheData) {
  const auto avro = Encode(GetParam().json, *RecordOf(GetParam().type));

  ASSERT_FALSE(avro.ok());
  EXPECT_THAT(MessageOf(avro.status()),
              Eq("the data does not fit its schema: " + GetParam().error));
  EXPECT_THAT(ReasonOf(avro.status()), Eq(Reason::kSchemaMismatch));
  EXPECT_THAT(DetailsOf(avro.status())->metadata, Contains(Pair("field", GetParam().place)));
}

constexpr char kUserType[] =
    R"({"type":"record","name":"x.User","fields":[{"name":"id","type":"long"}]})";

INSTANTIATE_TEST_SUITE_P(
    Misfits, MisfitTest,
    ::testing::Values(
        MisfitCase{"NoObject", R"("int")", "[]", "", "expected record R, found array"},
        MisfitCase{"Missing", R"("int")", "{}", "f", "f: expected int, found nothing"},
        MisfitCase{"Twice", R"("int")", R"({"f":1,"f":1})", "f", "f: expected int, found it twice"},
        MisfitCase{"NullWhereNoneMayBe", R"("string")", R"({"f":null})", "f",
                   "f: expected string, found null"},
        MisfitCase{"TextForLong", R"("long")", R"({"f":"7"})", "f",
                   "f: expected long, found string"},
        MisfitCase{"FractionForLong", R"("long")", R"({"f":1.0})", "f",
                   "f: expected long, found fraction"},
        MisfitCase{"BooleanForLong", R"("long")", R"({"f":true})", "f",
                   "f: expected long, found boolean"},
        MisfitCase{"OverLong", R"("long")", R"({"f":9223372036854775808})", "f",
                   "f: expected long, found an integer of more than 64 bits"},
        MisfitCase{"OverInt", R"("int")", R"({"f":2147483648})", "f",
                   "f: expected int, found an integer of more than 32 bits"},
        MisfitCase{"IntegerForBoolean", R"("boolean")", R"({"f":1})", "f",
                   "f: expected boolean, found integer"},
        MisfitCase{"IntegerForText", R"("string")", R"({"f":1})", "f",
                   "f: expected string, found integer"},
        MisfitCase{"OverFloat", R"("float")", R"({"f":1e39})", "f",
                   "f: expected float, found a larger number"},
        MisfitCase{"TextForDouble", R"("double")", R"({"f":"1.5"})", "f",
                   "f: expected double, found string"},
        MisfitCase{"WideCharacterForBytes", R"("bytes")", R"({"f":"Ā"})", "f",
                   "f: expected bytes, found a string with a character above U+00FF"},
        MisfitCase{"OtherSizeForFixed", R"({"type":"fixed","name":"F","size":2})", R"({"f":"a"})",
                   "f", "f: expected fixed F, found another number of bytes"},
        MisfitCase{"NoSymbol", R"({"type":"enum","name":"E","symbols":["A"]})", R"({"f":"secret"})",
                   "f", "f: expected enum E, found a string that is none of it"},
        MisfitCase{"InAnArray", R"({"type":"array","items":)" + std::string(kUserType) + "}",
                   R"({"f":[{"id":1},{"id":"1"}]})", "f[1].id",
                   "f[1].id: expected long, found string"},
        MisfitCase{"InAMap", R"({"type":"map","values":"long"})", R"({"f":{"secret":1.5}})", "f[0]",
                   "f[0]: expected long, found fraction"},
        MisfitCase{"InAUnion", R"(["null",)" + std::string(kUserType) + "]", R"({"f":{"id":null}})",
                   "f.id", "f.id: expected long, found null"},
        MisfitCase{"OfAUnion", R"(["null","long"])", R"({"f":"1"})", "f",
                   "f: expected null or long, found string"},
        MisfitCase{"ListForAUnion", R"(["null",)" + std::string(kUserType) + "]", R"({"f":[]})",
                   "f", "f: expected null or record User, found array"}),
    [](const auto& test) { return test.param.name; });

struct BadJson {
  std::string name, json, error;
};

class BadJsonTest : public ::testing::TestWithParam<BadJson> {};

TEST_P(BadJsonTest, IsRefused) {
  const auto avro = Encode(GetParam().json, *SchemaOf(kUserSchema));

  ASSERT_FALSE(avro.ok());
  EXPECT_THAT(MessageOf(avro.status()), HasSubstr(GetParam().error));
  EXPECT_THAT(ReasonOf(avro.status()), Eq(Reason::kEventInvalid));
  EXPECT_THAT(DetailsOf(avro.status())->metadata, Contains(Pair("field", "data")));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadJsonTest,
    ::testing::Values(BadJson{"Empty", "", "must be JSON"},
                      BadJson{"BrokenBehindTheData", R"({"user":{"id":1}}})", "must be JSON"},
                      BadJson{"Nan", R"({"user":{"id":NaN}})", "must be JSON"},
                      BadJson{"NotUtf8", "{\"user\":\"\xff\"}", "must be JSON"},
                      BadJson{"OverUnsigned64Bits", R"({"user":{"id":18446744073709551616}})",
                              "does not fit 64 bits"},
                      BadJson{"ManyNestings", std::string(100'000, '[') + std::string(100'000, ']'),
                              "128 deep"}),
    [](const auto& test) { return test.param.name; });

TEST(EncodeAvroTest, TheSizeIsBoundedToTheByte) {
  const SharedSchema schema = SchemaOf(R"("string")");
  const std::string json = '"' + std::string(1000, 'x') + '"';

  EXPECT_THAT(*Encode(json, *schema, 1010), SizeIs(1002));
  EXPECT_THAT(ReasonOf(Encode(json, *schema, 1001).status()), Eq(Reason::kEventTooLarge));
}

TEST(EncodeAvroTest, AFewMembersDoNotBecomeManyBytes) {
  const std::string text(10'000, 'x');
  const SharedSchema schema = SchemaOf(
      R"({"type":"array","items":{"type":"record","name":"R","fields":[{"name":"a","type":"string",)"
      R"("default":")" +
      text + R"("}]}})");
  std::string json = "[{}";
  for (int i = 0; i < 100'000; ++i) json += ",{}";

  const auto avro = Encode(json + "]", *schema);  // a gigabyte

  EXPECT_THAT(ReasonOf(avro.status()), Eq(Reason::kEventTooLarge));
}

TEST(EncodeAvroTest, ValuesOfNoBytesAreCountedToo) {
  const SharedSchema schema = SchemaOf(R"({"type":"array","items":"null"})");
  std::string json = "[null";
  for (int i = 1; i < 5000; ++i) json += ",null";

  EXPECT_TRUE(Encode(json + "]", *schema, 6000).ok());
  EXPECT_THAT(ReasonOf(Encode(json + "]", *schema, 4000).status()), Eq(Reason::kEventTooLarge));
}

TEST(EncodeAvroTest, WhatIsLookedAtToChooseABranchIsCountedToo) {
  const SharedSchema schema = SchemaOf(R"([{"type":"record","name":"A","fields":[
      {"name":"a","type":"int"}]},{"type":"record","name":"B","fields":[]}])");
  std::string json = R"({"x":1)";
  for (int i = 1; i < 5000; ++i) json += R"(,"x":1)";

  EXPECT_THAT(*Encode(json + "}", *schema, 20'000), Eq("\2"));
  EXPECT_THAT(ReasonOf(Encode(json + "}", *schema, 4000).status()), Eq(Reason::kEventTooLarge));
}

TEST(EncodeAvroTest, OfAVeryLongPlaceTheEndIsNamed) {
  const std::string name(250, 'n');
  std::string type = R"("int")";
  std::string json = "null";
  for (const char* record : {"A", "B", "C"}) {
    type = R"({"type":"record","name":")" + std::string(record) + R"(","fields":[{"name":")" +
           name + R"(","type":)" + type + "}]}";
    json = "{\"" + name + "\":" + json + "}";
  }

  const auto status = Encode(json, *SchemaOf(type)).status();

  const std::string place = DetailsOf(status)->metadata["field"];
  EXPECT_THAT(place, SizeIs(515));
  EXPECT_THAT(place, StartsWith("...nn"));
  EXPECT_THAT(place, EndsWith("." + name));
}

TEST(EncodeAvroTest, ManyThreadsUseOneSchema) {
  const SharedSchema schema = SchemaOf(kUserSchema);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&schema, t] {
      const std::string json = R"({"user":{"id":)" + std::to_string(t) + R"(,"name":"n"}})";
      for (int i = 0; i < 500; ++i) {
        const auto back = Decode(*Encode(json, *schema), *schema);
        ASSERT_TRUE(back.ok());
        ASSERT_THAT(*back, Eq(json));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sidebus
