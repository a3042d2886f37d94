#include "server/codec/python_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using ::testing::Eq;

constexpr std::int64_t kSeconds = 1767323045;  // 2026-01-02T03:04:05Z

TEST(PythonTimeTest, IsWrittenAsIsoformatDoes) {
  EXPECT_THAT(FormatPythonTime(EventTime(kSeconds, 0)), Eq("2026-01-02T03:04:05+00:00"));
  EXPECT_THAT(FormatPythonTime(EventTime(kSeconds, 678901999)),
              Eq("2026-01-02T03:04:05.678901+00:00"));
  EXPECT_THAT(FormatPythonTime(EventTime(kSeconds, 500'000'000)),
              Eq("2026-01-02T03:04:05.500000+00:00"));
  EXPECT_THAT(FormatPythonTime(EventTime(kSeconds, 999)), Eq("2026-01-02T03:04:05+00:00"));
  EXPECT_THAT(FormatPythonTime(EventTime(kSeconds, 1000)), Eq("2026-01-02T03:04:05.000001+00:00"));
}

TEST(PythonTimeTest, IsReadAsFromisoformatDoes) {
  const std::pair<std::string_view, EventTime> cases[] = {
      {"2026-01-02T03:04:05+00:00", {kSeconds, 0}},
      {"2026-01-02T03:04:05.678901+00:00", {kSeconds, 678901000}},
      {"2026-01-02T03:04:05Z", {kSeconds, 0}},
      {"2026-01-02 03:04:05.1234567+00:00", {kSeconds, 123456000}},
      {"20260102T030405Z", {kSeconds, 0}},
      {"20260102T030405.25-0000", {kSeconds, 250000000}},
      {"2026-01-02T03:04:05,5-00:00", {kSeconds, 500000000}},
      {"2026-01-02T03:04:05+00", {kSeconds, 0}},
      {"2026-01-02T03Z", {kSeconds - 245, 0}},
      {"2026-01-02T0304+0000", {kSeconds - 5, 0}},
      {"2026-01-02\xc3\xa9"
       "03:04+00:00:00.000000",
       {kSeconds - 5, 0}},
      {"0001-01-01T00:00:00Z", {-62135596800, 0}},
  };
  for (const auto& [text, time] : cases) EXPECT_THAT(ParsePythonTime(text), Eq(time)) << text;
}

TEST(PythonTimeTest, WhatIsNoTimeInUtcIsNone) {
  for (const std::string_view text :
       {"", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05+01:00",
        "2026-01-02T03:04:05+00:00:01", "2026-01-02T03:04:05z", "2026-01-02T03:04:60Z",
        "2026-01-02T24:00:00Z", "2026-02-29T00:00:00Z", "2026-0102T03:04Z", "2026-01-02T03:0405Z",
        "2026-01-02T+00:00", " 2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z ", "1767323045",
        "2026-W01-5T03:04:05Z", "2026-01-02T03:04:05+00:00Z",
        "2026-01-02\xff"
        "03:04:05Z",
        "0000-01-01T00:00:00Z"}) {
    EXPECT_THAT(ParsePythonTime(text), Eq(std::nullopt)) << text;
  }
}

TEST(PythonIntTest, IsReadAsIntDoes) {
  EXPECT_THAT(ParsePythonInt("0"), Eq(0));
  EXPECT_THAT(ParsePythonInt("-7"), Eq(-7));
  EXPECT_THAT(ParsePythonInt(" +007\n"), Eq(7));
  EXPECT_THAT(ParsePythonInt("9223372036854775807"), Eq(INT64_MAX));
  for (const std::string_view text :
       {"", " ", "1.0", "one", "+-1", "1 2", "0x10", "9223372036854775808", "+"}) {
    EXPECT_THAT(ParsePythonInt(text), Eq(std::nullopt)) << text;
  }
}

TEST(PythonVersionTest, IsIntegersAndDots) {
  for (const std::string_view text : {"11.2.0", "0", "11.2", "1.02.3.4"}) {
    EXPECT_TRUE(IsPythonVersion(text)) << text;
  }
  for (const std::string_view text : {"", ".", "11.", ".2", "1..2", "11.2.0rc1", "v1", "1 .2"}) {
    EXPECT_FALSE(IsPythonVersion(text)) << text;
  }
}

}  // namespace
}  // namespace sidebus
