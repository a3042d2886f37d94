#include "server/base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace sidebus {
namespace {

TEST(Utf8LengthTest, IsTheLengthOfTheFirstCharacter) {
  EXPECT_EQ(Utf8Length("ab"), 1u);
  EXPECT_EQ(Utf8Length(std::string_view("\0", 1)), 1u);
  EXPECT_EQ(Utf8Length("\xc3\xa9x"), 2u);
  EXPECT_EQ(Utf8Length("\xe2\x82\xac"), 3u);
  EXPECT_EQ(Utf8Length("\xf0\x9f\x98\x80"), 4u);
  EXPECT_EQ(Utf8Length("\xf4\x8f\xbf\xbf"), 4u);  // U+10FFFF
}

class NoUtf8Test : public ::testing::TestWithParam<const char*> {};

TEST_P(NoUtf8Test, HasNoLength) { EXPECT_EQ(Utf8Length(GetParam()), 0u); }

INSTANTIATE_TEST_SUITE_P(Bytes, NoUtf8Test,
                         ::testing::Values("\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3x",
                                           "\xe0\x80\x80", "\xe2\x82", "\xed\xa0\x80",
                                           "\xf0\x80\x80\x80", "\xf0\x9f\x98", "\xf4\x90\x80\x80",
                                           "\xf5\x80\x80\x80", "\xff"));

}  // namespace
}  // namespace sidebus
