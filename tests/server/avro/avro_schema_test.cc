#include "server/avro/avro_schema.h"

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

TEST(AvroSchemaTest, TextIsThatOfPythonsJsonWhateverTheInputLooksLike) {
  const SharedSchema schema = SchemaOf(R"({"type" :"string",
      "z":[1e16,1E-5,0.1,1.0,123456789012345680.0,9999999999999998.0,1e22,-0.0,-0,0.0001,5e-324,
           1.7976931348623157e308,2.5e15,18446744073709551615,-9223372036854775808],
      "a":"é\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t\u0001\u007f~",
      "\u00fc":{}, "e":[ ], "b":null,"b":true, "B":false, "😀":1, "\uffff":2})");

  EXPECT_THAT(schema->text(),
              Eq(R"({"B": false, "a": "\u00e9\u00e9\ud83d\ude00\"\\/\b\f\n\r\t\u0001\u007f~", )"
                 R"("b": true, "e": [], "type": "string", "z": [1e+16, 1e-05, 0.1, 1.0, )"
                 R"(1.2345678901234568e+17, 9999999999999998.0, 1e+22, -0.0, 0, 0.0001, 5e-324, )"
                 R"(1.7976931348623157e+308, 2500000000000000.0, 18446744073709551615, )"
                 R"(-9223372036854775808], "\u00fc": {}, "\uffff": 2, "\ud83d\ude00": 1})"));
}

TEST(AvroSchemaTest, APrimitiveMayStandAlone) {
  EXPECT_THAT(SchemaOf(R"("string")")->root().kind, Eq(AvroKind::kString));
  EXPECT_THAT(SchemaOf(R"("string")")->text(), Eq(R"("string")"));
  EXPECT_THAT(SchemaOf(R"({"type":"long"})")->root().kind, Eq(AvroKind::kLong));
  EXPECT_THAT(SchemaOf(R"({"name":"k","type":{"type":"string"}})")->root().kind,
              Eq(AvroKind::kString));
}

TEST(AvroSchemaTest, ALogicalTypeIsTheTypeBelowIt) {
  const SharedSchema schema = SchemaOf(R"({"type":"long","logicalType":"timestamp-micros"})");

  EXPECT_THAT(schema->root().kind, Eq(AvroKind::kLong));
}

TEST(AvroSchemaTest, NamesAreInTheNamespaceAroundThem) {
  const SharedSchema schema = SchemaOf(R"({"type":"record","name":"A","namespace":"x-y.z","fields":[
      {"name":"b","type":{"type":"record","name":"B","fields":[]}},
      {"name":"c","type":{"type":"fixed","name":"C","namespace":"other","size":1}},
      {"name":"d","type":{"type":"enum","name":"far.D","symbols":["S"]}},
      {"name":"again","type":["null","B","x-y.z.A","other.C","far.D"]}]})");

  const auto& fields = schema->root().fields;
  EXPECT_THAT(schema->root().name, Eq("x-y.z.A"));
  EXPECT_THAT(fields[0].type->name, Eq("x-y.z.B"));
  EXPECT_THAT(fields[1].type->name, Eq("other.C"));
  EXPECT_THAT(fields[2].type->name, Eq("far.D"));
  EXPECT_THAT(fields[3].type->parts[1], Eq(fields[0].type));
  EXPECT_THAT(fields[3].type->parts[2], Eq(&schema->root()));
  EXPECT_THAT(fields[3].type->parts[3], Eq(fields[1].type));
  EXPECT_THAT(fields[3].type->parts[4], Eq(fields[2].type));
}

TEST(AvroSchemaTest, DefaultsAreEncodedAndThoseThatDoNotFitAreNone) {
  const SharedSchema schema = SchemaOf(R"({"type":"record","name":"A","fields":[
      {"name":"nullable","type":["null","string"],"default":null},
      {"name":"text","type":"string","default":"ab"},
      {"name":"inner","type":{"type":"record","name":"B","fields":[
          {"name":"n","type":"int","default":3}]},"default":{}},
      {"name":"wrong","type":"long","default":"x"},
      {"name":"endless","type":"A","default":{}},
      {"name":"none","type":"null"}]})");

  const auto& fields = schema->root().fields;
  EXPECT_THAT(fields[0].default_value, Eq(std::string("\0", 1)));
  EXPECT_THAT(fields[1].default_value, Eq("\4ab"));
  EXPECT_THAT(fields[2].default_value, Eq("\6"));
  EXPECT_THAT(fields[3].default_value, Eq(std::nullopt));
  EXPECT_THAT(fields[4].default_value, Eq(std::nullopt));
  EXPECT_THAT(fields[5].default_value, Eq(std::nullopt));
}

std::string Fields(std::string_view fields) {
  return R"({"type":"record","name":"R","fields":[)" + std::string(fields) + "]}";
}

std::string Nested(int arrays) {
  std::string text;
  for (int i = 0; i < arrays; ++i) text += R"({"type":"array","items":)";
  text += R"("int")";
  text.append(static_cast<std::size_t>(arrays), '}');
  return text;
}

TEST(AvroSchemaTest, DepthIsBounded) {
  EXPECT_TRUE(AvroSchema::Parse(Nested(63)).ok());
  EXPECT_THAT(MessageOf(AvroSchema::Parse(Nested(64)).status()), HasSubstr("64 deep"));
  EXPECT_FALSE(AvroSchema::Parse(std::string(100'000, '[')).ok());
}

TEST(AvroSchemaTest, TheSizesOfTextTypesAndDefaultsAreBounded) {
  std::string many = R"({"name":"f0","type":"int"})";
  for (int i = 1; i < 4000; ++i) {
    many += R"(,{"name":"f)" + std::to_string(i) + R"(","type":["int"]})";
  }
  // Each level has a hundred times the defaults of the one below it.
  std::string items = R"([{})";
  for (int i = 1; i < 100; ++i) items += ",{}";
  items += ']';
  std::string grows = R"({"name":"a","type":"string","default":"0123456789"})";
  for (const char* name : {"B", "C", "D", "E"}) {
    grows = R"({"name":"a","type":{"type":"array","items":{"type":"record","name":")" +
            std::string(name) + R"(","fields":[)" + grows + R"(]}},"default":)" + items + "}";
  }

  const std::string blanks(AvroSchema::kMaxTextBytes, ' ');
  EXPECT_THAT(MessageOf(AvroSchema::Parse(R"("int")" + blanks).status()),
              HasSubstr("131077 bytes; at most 131072"));
  EXPECT_THAT(MessageOf(AvroSchema::Parse(Fields(many)).status()), HasSubstr("over 4096 types"));
  EXPECT_THAT(MessageOf(AvroSchema::Parse(Fields(grows)).status()),
              HasSubstr("defaults that are too large"));
}

struct BadSchema {
  std::string name, text, error;
};

class BadSchemaTest : public ::testing::TestWithParam<BadSchema> {};

TEST_P(BadSchemaTest, IsRefusedWithItsPlace) {
  const auto schema = AvroSchema::Parse(GetParam().text);

  ASSERT_FALSE(schema.ok());
  EXPECT_THAT(MessageOf(schema.status()), HasSubstr(GetParam().error));
  EXPECT_THAT(ReasonOf(schema.status()), Eq(Reason::kEventInvalid));
  EXPECT_THAT(DetailsOf(schema.status())->metadata, Contains(Pair("field", "schema")));
}

INSTANTIATE_TEST_SUITE_P(
    Schemas, BadSchemaTest,
    ::testing::Values(
        BadSchema{"Empty", "", "not JSON"}, BadSchema{"Word", "string", "not JSON"},
        BadSchema{"Number", "7", "neither a name, nor a list, nor an object"},
        BadSchema{"LargeNumber", R"({"type":"int","default":123456789012345678901})", "not JSON"},
        BadSchema{"NoType", "{}", "has no `type`"},
        BadSchema{"UnknownName", R"("UserData")", "not defined before: UserData"},
        BadSchema{"UnknownInAField", Fields(R"({"name":"u","type":"UserData"})"),
                  "at field `u` refers to a type that was not defined before: UserData"},
        BadSchema{"DeepInside",
                  Fields(R"({"name":"a","type":{"type":"record","name":"S","fields":[)"
                         R"({"name":"b","type":["null",7]}]}})"),
                  "at field `a.b` has a type that is neither"},
        BadSchema{"UnionOfNothing", "[]", "union of nothing"},
        BadSchema{"UnionInUnion", R"(["null",["int"]])", "union directly in a union"},
        BadSchema{"UnionWithAKindTwice", R"(["string","string"])", "union with string twice"},
        BadSchema{"NoFields", R"({"type":"record","name":"R"})", "without a list `fields`"},
        BadSchema{"FieldThatIsNoObject", Fields("7"), "a field that is no object"},
        BadSchema{"FieldWithoutName", Fields(R"({"type":"int"})"), "without an Avro name"},
        BadSchema{"FieldWithoutType", Fields(R"({"name":"a"})"), "at field `a` has no `type`"},
        BadSchema{"FieldTwice", Fields(R"({"name":"a","type":"int"},{"name":"a","type":"int"})"),
                  "at field `a` is there twice"},
        BadSchema{"RecordWithoutName", R"({"type":"record","fields":[]})", "without an Avro name"},
        BadSchema{"NameWithAHyphen", R"({"type":"fixed","name":"a-b","size":1})", "an Avro name"},
        BadSchema{"NamespaceWithANewline",
                  R"({"type":"fixed","name":"a","namespace":"x\ny","size":1})", "namespace"},
        BadSchema{"RecordNamedLikeAPrimitive", R"({"type":"record","name":"long","fields":[]})",
                  "another meaning to long"},
        BadSchema{"NameTwice",
                  Fields(R"({"name":"a","type":{"type":"fixed","name":"R","size":1}})"),
                  "at field `a` defines R again"},
        BadSchema{"EnumWithoutSymbols", R"({"type":"enum","name":"E","symbols":[]})",
                  "without symbols"},
        BadSchema{"EnumWithASymbolTwice", R"({"type":"enum","name":"E","symbols":["A","A"]})",
                  "symbol twice"},
        BadSchema{"FixedOfNegativeSize", R"({"type":"fixed","name":"F","size":-1})", "`size`"},
        BadSchema{"ArrayOfNothing", R"({"type":"array"})", "without `items`"},
        BadSchema{"MapOfNothing", R"({"type":"map"})", "without `values`"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace sidebus
