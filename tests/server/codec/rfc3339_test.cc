#include "server/codec/rfc3339.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace sidebus {
namespace {

using ::testing::Eq;

struct TimeCase {
  std::string name, text;
  std::int64_t seconds;
  std::int32_t nanos;
};

class Rfc3339Test : public ::testing::TestWithParam<TimeCase> {};

TEST_P(Rfc3339Test, IsWrittenAndReadBack) {
  const EventTime time(GetParam().seconds, GetParam().nanos);

  EXPECT_THAT(FormatRfc3339(time), Eq(GetParam().text));
  EXPECT_THAT(ParseRfc3339(GetParam().text), Eq(time));
}

INSTANTIATE_TEST_SUITE_P(
    Times, Rfc3339Test,
    ::testing::Values(
        TimeCase{"Epoch", "1970-01-01T00:00:00Z", 0, 0},
        TimeCase{"Milliseconds", "1970-01-01T00:00:00.001Z", 0, 1'000'000},
        TimeCase{"Microseconds", "1970-01-01T00:00:00.000001Z", 0, 1'000},
        TimeCase{"Nanoseconds", "1970-01-01T00:00:00.000000001Z", 0, 1},
        TimeCase{"TrailingZeros", "2001-09-09T01:46:40.100Z", 1'000'000'000, 100'000'000},
        TimeCase{"LeapDay", "2000-02-29T23:59:59Z", 951'868'799, 0},
        TimeCase{"AfterLeapDay", "2000-03-01T00:00:00Z", 951'868'800, 0},
        TimeCase{"NoLeapDayIn2100", "2100-03-01T00:00:00Z", 4'107'542'400, 0},
        TimeCase{"LastDayOfAYear", "2023-12-31T23:59:59.999999999Z", 1'704'067'199, 999'999'999},
        TimeCase{"BeyondSystemTime", "2300-01-01T00:00:00Z", 10'413'792'000, 0},
        TimeCase{"Last", "9999-12-31T23:59:59Z", 253'402'300'799, 0},
        TimeCase{"BeforeTheEpoch", "1969-12-31T23:59:59.500Z", -1, 500'000'000},
        TimeCase{"First", "0001-01-01T00:00:00Z", -62'135'596'800, 0}),
    [](const auto& test) { return test.param.name; });

struct ReadCase {
  std::string name, text;
  std::int64_t seconds;
  std::int32_t nanos;
};

class Rfc3339ReadTest : public ::testing::TestWithParam<ReadCase> {};

TEST_P(Rfc3339ReadTest, IsRead) {
  EXPECT_THAT(ParseRfc3339(GetParam().text), Eq(EventTime(GetParam().seconds, GetParam().nanos)));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, Rfc3339ReadTest,
    ::testing::Values(ReadCase{"EastOfGreenwich", "1970-01-01T02:00:00+02:00", 0, 0},
                      ReadCase{"WestOfGreenwich", "1969-12-31T18:30:00-05:30", 0, 0},
                      ReadCase{"LowerCase", "1970-01-01t00:00:01z", 1, 0},
                      ReadCase{"Blank", "1970-01-01 00:00:01Z", 1, 0},
                      ReadCase{"OneDigit", "1970-01-01T00:00:00.5Z", 0, 500'000'000},
                      ReadCase{"TenDigits", "1970-01-01T00:00:00.1234567899Z", 0, 123'456'789},
                      ReadCase{"LeapSecond", "2016-12-31T23:59:60Z", 1'483'228'800, 0},
                      ReadCase{"OffsetOverAYear", "2000-01-01T00:30:00+01:00", 946'683'000, 0}),
    [](const auto& test) { return test.param.name; });

TEST(Rfc3339RefusalTest, WhatIsNoTimeIsRefused) {
  for (const std::string_view text : {"",
                                      "Z",
                                      "1970-01-01",
                                      "1970-01-01T00:00:00",
                                      "1970-01-01T00:00Z",
                                      "1970-1-1T00:00:00Z",
                                      "1970-13-01T00:00:00Z",
                                      "1970-00-01T00:00:00Z",
                                      "1970-01-32T00:00:00Z",
                                      "1970-01-00T00:00:00Z",
                                      "2023-02-29T00:00:00Z",
                                      "2100-02-29T00:00:00Z",
                                      "1970-04-31T00:00:00Z",
                                      "1970-01-01T24:00:00Z",
                                      "1970-01-01T00:60:00Z",
                                      "1970-01-01T00:00:61Z",
                                      "1970-01-01T00:00:00.Z",
                                      "1970-01-01T00:00:00,5Z",
                                      "1970-01-01T00:00:00+24:00",
                                      "1970-01-01T00:00:00+01:60",
                                      "1970-01-01T00:00:00+0100",
                                      "1970-01-01T00:00:00Zx",
                                      " 1970-01-01T00:00:00Z",
                                      "0000-12-31T23:59:59Z",
                                      "0001-01-01T00:00:00+00:01",
                                      "9999-12-31T23:59:59-00:01",
                                      "-970-01-01T00:00:00Z",
                                      "+1970-01-01T00:00:00Z"}) {
    EXPECT_THAT(ParseRfc3339(text), Eq(std::nullopt)) << text;
  }
}

TEST(Rfc3339PropertyTest, EveryDayOfFourHundredYearsAgreesWithTheCalendarOfTheLibrary) {
  const std::chrono::sys_days first = std::chrono::year(1800) / 1 / 1;
  for (int i = 0; i < 146'097; ++i) {
    const std::chrono::sys_days day = first + std::chrono::days(i);
    const std::chrono::year_month_day date(day);
    char expected[32];
    std::snprintf(expected, sizeof expected, "%04d-%02u-%02uT00:00:00Z",
                  static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                  static_cast<unsigned>(date.day()));
    const EventTime time(std::chrono::seconds(day.time_since_epoch()).count(), 0);
    ASSERT_THAT(FormatRfc3339(time), Eq(expected));
    ASSERT_THAT(ParseRfc3339(expected), Eq(time));
  }
}

TEST(EventTimeTest, IsMadeOfAWallTimeWithoutLoss) {
  using std::chrono::nanoseconds;
  EXPECT_THAT(EventTime(SystemTime(nanoseconds(1'500'000'000))), Eq(EventTime(1, 500'000'000)));
  EXPECT_THAT(EventTime(SystemTime(nanoseconds(-1))), Eq(EventTime(-1, 999'999'999)));
}

}  // namespace
}  // namespace sidebus
