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

TEST_F(LogTest, TheLatestProblemsAreKeptNewestFirst) {
  Capture(LogFormat::kText, LogLevel::kError, {{"topic", "a b"}, {"count", 1}});
  Capture(LogFormat::kText, LogLevel::kInfo, {{"topic", "no problem"}});
  Capture(LogFormat::kJson, LogLevel::kWarning, {{"topic", "later"}});

  const std::vector<Problem> latest = LatestProblems();

  ASSERT_GE(latest.size(), 2U);
  EXPECT_EQ(latest[0].level, LogLevel::kWarning);
  EXPECT_EQ(latest[0].fields, "topic=later");
  EXPECT_EQ(latest[1].level, LogLevel::kError);
  EXPECT_EQ(latest[1].what, "it happened");
  EXPECT_EQ(latest[1].fields, R"(topic="a b" count=1)");
}

TEST_F(LogTest, AProblemThatComesAgainIsCountedAndIsTheLatest) {
  Capture(LogFormat::kText, LogLevel::kError, {{"twice", 2}});
  Capture(LogFormat::kText, LogLevel::kError, {{"once", 1}});
  Capture(LogFormat::kText, LogLevel::kError, {{"twice", 2}});

  const std::vector<Problem> latest = LatestProblems();

  EXPECT_EQ(latest[0].fields, "twice=2");
  EXPECT_EQ(latest[0].times, 2U);
  EXPECT_EQ(latest[1].times, 1U);
}

TEST_F(LogTest, ProblemsAreBoundedInNumberAndSize) {
  const std::string long_text(5000, 'x');
  for (std::size_t i = 0; i < 2 * kKeptProblems; ++i) {
    Capture(LogFormat::kText, LogLevel::kWarning, {{"number", i}, {"text", long_text}});
  }

  const std::vector<Problem> latest = LatestProblems();

  EXPECT_EQ(latest.size(), kKeptProblems);
  EXPECT_LE(latest[0].fields.size(), 1024U);
}

}  // namespace
}  // namespace sidebus
