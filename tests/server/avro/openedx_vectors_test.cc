#include "tests/server/avro/openedx_vectors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/server/avro/avro_schemas.h"

namespace sidebus {
namespace {

using ::testing::Eq;
using ::testing::SizeIs;

TEST(OpenedxVectorsTest, AreAllThere) {
  EXPECT_THAT(OpenedxVectors(), SizeIs(52));
  for (const OpenedxVector& vector : OpenedxVectors()) EXPECT_THAT(vector.samples, SizeIs(2));
}

TEST(OpenedxVectorsTest, EverySchemaIsRegisteredWithTheTextOfPython) {
  for (const OpenedxVector& vector : OpenedxVectors()) {
    SCOPED_TRACE(vector.event_type);
    EXPECT_THAT(SchemaOf(vector.schema)->text(), Eq(vector.sorted_schema));
    EXPECT_THAT(SchemaOf(vector.sorted_schema)->text(), Eq(vector.sorted_schema));
    EXPECT_THAT(SchemaOf(vector.schema)->root().name, Eq(vector.event_type + ".CloudEvent"));
  }
}

TEST(OpenedxVectorsTest, EveryRecordEncodesToTheBytesOfPython) {
  for (const OpenedxVector& vector : OpenedxVectors()) {
    for (const auto& sample : vector.samples) {
      SCOPED_TRACE(vector.event_type + " " + sample.name);

      const auto avro = Encode(sample.json, *SchemaOf(vector.schema));

      ASSERT_TRUE(avro.ok()) << avro.status();
      EXPECT_THAT(*avro, Eq(sample.avro));
    }
  }
}

// Also the one that Python itself reads wrong (defaults of classes win over what is falsy).
TEST(OpenedxVectorsTest, EveryRecordDecodesToTheSameJson) {
  for (const OpenedxVector& vector : OpenedxVectors()) {
    for (const auto& sample : vector.samples) {
      SCOPED_TRACE(vector.event_type + " " + sample.name);

      const auto json = Decode(sample.avro, *SchemaOf(vector.schema));

      ASSERT_TRUE(json.ok()) << json.status();
      EXPECT_THAT(Normalized(*json), Eq(Normalized(sample.json)));
      EXPECT_THAT(*Encode(*json, *SchemaOf(vector.schema)), Eq(sample.avro));
    }
  }
}

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  EXPECT_THAT(at != std::string::npos, Eq(true)) << what << " in " << text;
  return text.replace(at, what.size(), with);
}

// The first version of a schema that has changed: five got a nullable `version`, one lost a
// default.
std::string FirstVersionOf(const OpenedxVector& vector) {
  if (vector.event_type.find(".xblock.") != std::string::npos) {
    return Replaced(vector.schema, R"(,{"name":"version","type":["null","string"],"default":null})",
                    "");
  }
  return Replaced(vector.schema, R"({"name":"enabled","type":"boolean"})",
                  R"({"name":"enabled","type":"boolean","default":true})");
}

TEST(OpenedxVectorsTest, TheSixThatHaveChangedAreReadAndWrittenBetweenTheirVersions) {
  int changed = 0;
  for (const OpenedxVector& vector : OpenedxVectors()) {
    if (vector.equals_stored) continue;
    ++changed;
    const SharedSchema first = SchemaOf(FirstVersionOf(vector));
    const SharedSchema now = SchemaOf(vector.schema);
    for (const auto& sample : vector.samples) {
      SCOPED_TRACE(vector.event_type + " " + sample.name);

      // Data of today, for a topic that still has the first schema, and what a reader gets of it.
      const auto older = Encode(sample.json, *first);
      ASSERT_TRUE(older.ok()) << older.status();
      const auto read = Decode(*older, *first);
      ASSERT_TRUE(read.ok()) << read.status();

      // And what was written with the first schema, written with that of today.
      const auto newer = Encode(*read, *now);
      ASSERT_TRUE(newer.ok()) << newer.status();
      const auto read_again = Decode(*newer, *now);
      ASSERT_TRUE(read_again.ok()) << read_again.status();
      EXPECT_THAT(*Encode(*read_again, *first), Eq(*older));
      // It has no version to lose.
      if (sample.name == "minimal") {
        EXPECT_THAT(*newer, Eq(sample.avro));
      }
    }
  }
  EXPECT_THAT(changed, Eq(6));
}

TEST(OpenedxVectorsTest, AFalseWhereTheSchemaSaysTrueIsRead) {
  const OpenedxVector& vector =
      OpenedxVectorOf("org.openedx.learning.discussions.configuration.changed.v1");
  const SharedSchema first = SchemaOf(FirstVersionOf(vector));
  const std::string json =
      Replaced(vector.samples[0].json, R"("enabled":true)", R"("enabled":false)");

  const auto read = Decode(*Encode(json, *first), *first);

  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(Normalized(*read), Eq(Normalized(json)));
}

}  // namespace
}  // namespace sidebus
