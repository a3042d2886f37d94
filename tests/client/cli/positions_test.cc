#include "client/cli/positions.h"

#include <gtest/gtest.h>

namespace sidebus::cli {
namespace {

TEST(PositionsTest, WhatIsPrintedIsRead) {
  const auto position = ParsePosition("a/b.c/3@42");

  ASSERT_TRUE(position.has_value());
  EXPECT_EQ(position->topic(), "a/b.c");
  EXPECT_EQ(position->partition(), 3);
  EXPECT_EQ(position->offset(), 42);
  EXPECT_EQ(ToText(*position), "a/b.c/3@42");
  EXPECT_EQ(ParsePosition("orders/0=7", '=')->offset(), 7);
}

TEST(PositionsTest, NothingElseIs) {
  for (const char* text : {"", "orders", "orders/0", "orders@1", "/0@1", "orders/@1", "orders/0@",
                           "orders/-1@1", "orders/0@-1", "orders/0@1x", "orders/0@1 ", "orders@0/1",
                           "orders/0=1", "orders/4294967296@1"}) {
    EXPECT_FALSE(ParsePosition(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sidebus::cli
