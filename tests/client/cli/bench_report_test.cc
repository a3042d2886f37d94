#include "client/cli/bench_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace sidebus::cli {
namespace {

using std::chrono::microseconds;
using ::testing::HasSubstr;

TEST(LatencyHistogramTest, PercentilesAreAtMostTwoPercentAboveTheTruth) {
  LatencyHistogram latency;
  for (int i = 1; i <= 1000; ++i) latency.Record(microseconds(i));

  for (const int percent : {50, 90, 99, 100}) {
    const auto told = std::chrono::duration<double, std::micro>(latency.Percentile(percent));
    EXPECT_GE(told.count(), percent * 10 - 1) << percent;
    EXPECT_LE(told.count(), percent * 10 * 1.02 + 1) << percent;
  }
}

TEST(BenchReportTest, IsValidJsonWhateverTheErrorsSay) {
  BenchReport report;
  report.what = "publish stream";
  report.events = 10;
  report.took = std::chrono::seconds(2);
  report.errors["EVENT_INVALID: \"quoted\"\n"] = 3;

  const auto json = nlohmann::json::parse(report.ToJson());

  EXPECT_EQ(json.at("events_per_second"), 5.0);
  EXPECT_EQ(json.at("errors").at("EVENT_INVALID: \"quoted\"\n"), 3);
  EXPECT_THAT(report.ToText(), HasSubstr("10 events in 2.00 s: 5 events/s"));
}

TEST(BenchReportTest, ARunWithoutEventsIsStillValidJson) {
  EXPECT_TRUE(nlohmann::json::accept(BenchReport().ToJson())) << BenchReport().ToJson();
}

TEST(ProcessUsageTest, IsThatOfTheProcess) {
  ASSERT_TRUE(UsageOf(getpid()).has_value());
  EXPECT_GT(UsageOf(getpid())->resident_bytes, 1u << 20);
  EXPECT_FALSE(UsageOf(-1).has_value());
}

}  // namespace
}  // namespace sidebus::cli
