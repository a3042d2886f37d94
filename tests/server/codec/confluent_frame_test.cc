#include "server/codec/confluent_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/codec/schema_names.h"

namespace sidebus {
namespace {

using ::testing::Eq;

using namespace std::string_literals;

TEST(ConfluentFrameTest, IsAZeroAndTheIdWithTheMostSignificantByteFirst) {
  EXPECT_THAT(ConfluentPrefix(SchemaId(11)), Eq("\0\0\0\0\x0b"s));
  EXPECT_THAT(ConfluentPrefix(SchemaId(0xfedcba98)), Eq("\0\xfe\xdc\xba\x98"s));
}

TEST(ConfluentFrameTest, IsSplitAgain) {
  const std::string bytes = ConfluentPrefix(SchemaId(0xfedcba98)) + "\6foo";

  EXPECT_THAT(ReadConfluentFrame(bytes), Eq(ConfluentFrame{SchemaId(0xfedcba98), "\6foo"}));
}

TEST(ConfluentFrameTest, WhatIsTooShortOrBeginsOtherwiseIsNotFramed) {
  for (const std::string& bytes : {""s, "\0"s, "\0\0\0\0\1"s, "\1\0\0\0\1x"s, "{\"a\": 1}"s}) {
    EXPECT_THAT(ReadConfluentFrame(bytes), Eq(std::nullopt));
  }
}

TEST(SchemaNamesTest, SubjectsAreThoseOfTheTopicRecordStrategy) {
  EXPECT_THAT(ValueSubject("dev-course-authoring-xblock-lifecycle",
                           "org.openedx.content_authoring.xblock.published.v1"),
              Eq("dev-course-authoring-xblock-lifecycle-"
                 "org.openedx.content_authoring.xblock.published.v1.CloudEvent"));
  EXPECT_THAT(KeySubject("dev-reg", AvroKind::kString), Eq("dev-reg-string"));
  EXPECT_THAT(KeySubject("dev-reg", AvroKind::kLong), Eq("dev-reg-long"));
}

TEST(SchemaNamesTest, AFileIsNamedAfterTheEventType) {
  EXPECT_THAT(SchemaFileName("org.openedx.content_authoring.xblock.published.v1"),
              Eq("org+openedx+content_authoring+xblock+published+v1_schema.avsc"));
  EXPECT_THAT(SchemaFileName(".."), Eq("++_schema.avsc"));
}

TEST(SchemaNamesTest, ATypeThatLeadsElsewhereHasNoFile) {
  for (const std::string& type : {""s, "../x"s, "/etc/passwd"s, "a\0b"s}) {
    EXPECT_THAT(SchemaFileName(type), Eq(std::nullopt));
  }
}

}  // namespace
}  // namespace sidebus
