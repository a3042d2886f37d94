#include "server/publish/parsed_schemas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/error.h"

namespace sidebus {
namespace {

using ::testing::Eq;
using ::testing::Ne;

constexpr char kA[] = R"({"type":"record","name":"A","fields":[]})";
constexpr char kB[] = R"({"type":"record","name":"B","fields":[]})";
constexpr std::size_t kMuch = 1 << 20;

constexpr char kC[] = R"({"type":"record","name":"C","fields":[]})";

TEST(ParsedSchemasTest, ATextIsParsedOnce) {
  ParsedSchemas schemas(kMuch);

  const auto first = *schemas.Find(kA);

  EXPECT_THAT(*schemas.Find(std::string(kA)), Eq(first));
  EXPECT_THAT(*schemas.Find(kB), Ne(first));
}

TEST(ParsedSchemasTest, BeyondTheBoundTheOneThatWasNotUsedForTheLongestTimeIsForgotten) {
  ParsedSchemas schemas(kMuch, 2);
  const auto a = *schemas.Find(kA);
  const auto b = *schemas.Find(kB);
  EXPECT_THAT(*schemas.Find(kA), Eq(a));

  const auto c = *schemas.Find(kC);

  EXPECT_THAT(*schemas.Find(kA), Eq(a));
  EXPECT_THAT(*schemas.Find(kC), Eq(c));
  EXPECT_THAT(*schemas.Find(kB), Ne(b));
}

TEST(ParsedSchemasTest, TheyAreBoundedInBytesToo) {
  ParsedSchemas schemas(2 * ParsedSchemas::BytesOf(sizeof(kA) - 1) - 1);
  const auto a = *schemas.Find(kA);
  const auto b = *schemas.Find(kB);

  EXPECT_THAT(*schemas.Find(kB), Eq(b));
  EXPECT_THAT(*schemas.Find(kA), Ne(a));
}

TEST(ParsedSchemasTest, WhatIsNoSchemaIsAnErrorEachTime) {
  ParsedSchemas schemas(kMuch);

  EXPECT_THAT(ReasonOf(schemas.Find("{").status()), Eq(Reason::kEventInvalid));
  EXPECT_THAT(ReasonOf(schemas.Find("{").status()), Eq(Reason::kEventInvalid));
}

}  // namespace
}  // namespace sidebus
