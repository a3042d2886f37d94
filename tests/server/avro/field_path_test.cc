#include "server/avro/field_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/error.h"
#include "tests/server/avro/avro_schemas.h"
#include "tests/server/avro/openedx_vectors.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::string_view kSchema = R"({"type":"record","name":"R","fields":[
    {"doc":"a key","type":"string","name":"id","default":""},
    {"name":"user","type":{"type":"record","name":"UserData","fields":[
        {"name":"id","type":"long"},{"name":"is_active","type":"boolean"},
        {"name":"email","type":["null","string"]}]}},
    {"name":"owner","type":"UserData"},
    {"name":"maybe","type":["null","UserData"]},
    {"name":"uuid","type":{"type":"string","logicalType":"uuid"}},
    {"name":"nothing","type":"null"}]})";

TEST(AvroFieldPathTest, LeadsToAPrimitiveFieldAlsoThroughATypeThatIsNamed) {
  const SharedSchema schema = SchemaOf(kSchema);

  const auto id = AvroFieldPath::Find(schema, "id");
  const auto inner = AvroFieldPath::Find(schema, "owner.id");
  const auto active = AvroFieldPath::Find(schema, "user.is_active");
  const auto uuid = AvroFieldPath::Find(schema, "uuid");

  ASSERT_TRUE(id.ok() && inner.ok() && active.ok() && uuid.ok());
  EXPECT_THAT(id->kind(), Eq(AvroKind::kString));
  EXPECT_THAT(inner->kind(), Eq(AvroKind::kLong));
  EXPECT_THAT(active->kind(), Eq(AvroKind::kBoolean));
  EXPECT_THAT(uuid->kind(), Eq(AvroKind::kString));
  EXPECT_THAT(inner->text(), Eq("owner.id"));
}

TEST(AvroFieldPathTest, TheTextOfTheKeysSchemaIsTheFieldWithSortedMembers) {
  const SharedSchema schema = SchemaOf(kSchema);

  EXPECT_THAT(AvroFieldPath::Find(schema, "user.id")->schema_text(),
              Eq(R"({"name": "id", "type": "long"})"));
  EXPECT_THAT(AvroFieldPath::Find(schema, "id")->schema_text(),
              Eq(R"({"default": "", "doc": "a key", "name": "id", "type": "string"})"));
}

TEST(AvroFieldPathTest, NamesTheFieldsThatCanBeKeysAlsoOfARecordThatContainsItself) {
  EXPECT_THAT(
      AvroFieldPath::All(*SchemaOf(kSchema), 100),
      ElementsAre("id", "user.id", "user.is_active", "owner.id", "owner.is_active", "uuid"));
  EXPECT_THAT(AvroFieldPath::All(*SchemaOf(kSchema), 2), ElementsAre("id", "user.id"));

  const SharedSchema circle = SchemaOf(
      R"({"type":"record","name":"R","fields":[{"name":"a","type":"R"},{"name":"b","type":"int"}]})");
  const auto paths = AvroFieldPath::All(*circle, 100);
  EXPECT_THAT(paths, SizeIs(8));
  EXPECT_THAT(paths.back(), Eq("b"));
}

TEST(AvroFieldPathTest, OutlivesItsSchema) {
  auto schema = SchemaOf(kSchema);
  const auto path = AvroFieldPath::Find(schema, "user.id");
  schema.reset();

  EXPECT_THAT(path->type().kind, Eq(AvroKind::kLong));
}

TEST(AvroFieldPathTest, KeyFieldsOfRealRoutesAreFound) {
  const auto kind = [](std::string_view type, std::string_view field) {
    const auto path = AvroFieldPath::Find(SchemaOf(OpenedxVectorOf(type).schema), field);
    EXPECT_TRUE(path.ok()) << path.status();
    return path.ok() ? path->kind() : AvroKind::kNull;
  };

  EXPECT_THAT(kind("org.openedx.content_authoring.xblock.published.v1", "xblock_info.usage_key"),
              Eq(AvroKind::kString));
  EXPECT_THAT(kind("org.openedx.analytics.tracking.event.emitted.v1", "tracking_log.name"),
              Eq(AvroKind::kString));
  EXPECT_THAT(kind("org.openedx.learning.badge.awarded.v1", "badge.uuid"), Eq(AvroKind::kString));
}

TEST(AvroFieldPathTest, WhatCannotBeAKeyIsRefused) {
  const SharedSchema schema = SchemaOf(kSchema);
  const std::pair<std::string, std::string> cases[] = {
      {"", "does not exist"},         {"idx", "does not exist"},
      {"id.x", "does not exist"},     {"user.", "does not exist"},
      {"maybe.id", "does not exist"}, {"user", "is of type record UserData"},
      {"nothing", "is of type null"}, {"user.email", "is of type null or string"},
  };
  for (const auto& [path, why] : cases) {
    const auto found = AvroFieldPath::Find(schema, path);

    ASSERT_FALSE(found.ok()) << path;
    EXPECT_THAT(ReasonOf(found.status()), Eq(Reason::kKeyFieldMissing));
    EXPECT_THAT(MessageOf(found.status()), HasSubstr("\"" + path + "\" " + why));
  }
}

}  // namespace
}  // namespace sidebus
