#include "server/codec/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using ::testing::Eq;

TEST(TextTest, FindsControlCharactersOfBothRanges) {
  for (const std::string& text : {std::string("a\n"), std::string("\0", 1), std::string("\x7f"),
                                  std::string("a\xc2\x80"), std::string("\xc2\x9f")}) {
    EXPECT_TRUE(HasControlCharacter(text));
  }
  for (const std::string& text : {std::string(""), std::string("a b~"), std::string("\xc2\xa0"),
                                  std::string("\xc3\x80"), std::string("\xf0\x9f\x98\x80")}) {
    EXPECT_FALSE(HasControlCharacter(text));
  }
}

TEST(TextTest, ReplacesOnlyWhatIsNotUtf8) {
  EXPECT_THAT(ToUtf8("plain \xc3\xa9 \xf0\x9f\x98\x80"), Eq("plain \xc3\xa9 \xf0\x9f\x98\x80"));
  EXPECT_THAT(ToUtf8("a\xff"
                     "b\xc3"),
              Eq("a\xef\xbf\xbd"
                 "b\xef\xbf\xbd"));
  EXPECT_TRUE(IsUtf8(ToUtf8("\xf0\x9f\x98 \xed\xa0\x80 \xc0\x80")));
}

}  // namespace
}  // namespace sidebus
