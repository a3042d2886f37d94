#include "server/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { ConfigureLog(LogLevel::kInfo, LogFormat::kText); }

  static std::string Capture(LogFormat format, LogLevel level,
                             std::initializer_list<LogField> fields) {
    ConfigureLog(LogLevel::kInfo, format);
    ::testing::internal::CaptureStderr();
    Log(level, "it happened", fields);
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, TextHasTimeLevelWordsAndFields) {
  const std::string line =
      Capture(LogFormat::kText, LogLevel::kWarning, {{"topic", "orders"}, {"count", 3}});

  EXPECT_THAT(line, MatchesRegex("[0-9-]+T[0-9:.]+Z warning +it happened topic=orders count=3\n"));
}

TEST_F(LogTest, AValueCannotForgeALineOrAField) {
  const std::string line =
      Capture(LogFormat::kText, LogLevel::kInfo, {{"group", "a\nerror forged=1 \"x\" \x1b[31m"}});

  EXPECT_THAT(line, HasSubstr(R"(group="a\nerror forged=1 \"x\" \u001b[31m")"));
}

TEST_F(LogTest, JsonIsOneObjectPerLineWithEscapedStrings) {
  const std::string line = Capture(LogFormat::kJson, LogLevel::kError, {{"group", "a\"b\\c\td"}});

  EXPECT_THAT(line,
              HasSubstr(R"("level":"error","message":"it happened","group":"a\"b\\c\u0009d")"));
  EXPECT_THAT(line, EndsWith("}\n"));
}

TEST_F(LogTest, BytesThatAreNoUtf8AndControlsBeyondAsciiAreEscaped) {
  const std::initializer_list<LogField> fields = {{"group", "\xff\xe2\x82 \xc2\x9b caf\xc3\xa9"}};

  EXPECT_THAT(Capture(LogFormat::kJson, LogLevel::kInfo, fields),
              HasSubstr("\"group\":\"\\ufffd\\ufffd\\ufffd \\u009b caf\xc3\xa9\""));
  EXPECT_THAT(Capture(LogFormat::kText, LogLevel::kInfo, fields),
              HasSubstr("group=\"\\ufffd\\ufffd\\ufffd \\u009b caf\xc3\xa9\""));
}

TEST_F(LogTest, ALineBelowTheLevelIsCountedButNotWritten) {
  const std::uint64_t before = LogLines(LogLevel::kDebug);

  EXPECT_EQ(Capture(LogFormat::kText, LogLevel::kDebug, {}), "");

  EXPECT_EQ(LogLines(LogLevel::kDebug), before + 1);
}

}  // namespace
}  // namespace sidebus
