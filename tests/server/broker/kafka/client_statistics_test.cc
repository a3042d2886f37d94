#include "server/broker/kafka/client_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ClientStatisticsTest, CountsAreOfAllBrokersAndTimesOfTheSlowest) {
  const auto figures = ParseStatistics(R"({"name": "rdkafka#producer-1", "brokers": {
      "a:9092/bootstrap": {"nodeid": -1, "source": "configured", "state": "UP", "tx": 3, "txerrs": 0,
        "txretries": 0, "req_timeouts": 1, "rxerrs": 0, "rtt": {"p99": 900}, "throttle": {"max": 0}},
      "a:9092/1": {"nodeid": 1, "source": "learned", "state": "UP", "tx": 10, "txerrs": 2,
        "txretries": 4, "req_timeouts": 0, "rxerrs": 5, "rtt": {"p99": 2500}, "throttle": {"max": 0}},
      "b:9092/2": {"nodeid": 2, "source": "learned", "state": "TRY_CONNECT", "tx": 0, "txerrs": 0,
        "txretries": 0, "req_timeouts": 0, "rxerrs": 0, "rtt": {"p99": 0}, "throttle": {"max": 40}}
    }, "topics": {}})");

  ASSERT_TRUE(figures.has_value());
  EXPECT_EQ(figures->requests, 13U);
  EXPECT_EQ(figures->send_errors, 2U);
  EXPECT_EQ(figures->receive_errors, 5U);
  EXPECT_EQ(figures->timeouts, 1U);
  EXPECT_EQ(figures->retries, 4U);
  EXPECT_DOUBLE_EQ(figures->round_trip_p99, 0.0025);
  EXPECT_DOUBLE_EQ(figures->throttle_max, 0.040);
  EXPECT_THAT(figures->brokers, ElementsAre(Pair(1, true), Pair(2, false)));
}

TEST(ClientStatisticsTest, WhatIsMissingCountsNothing) {
  const auto figures = ParseStatistics(R"({"brokers": {"x": {"source": "learned"}}})");

  ASSERT_TRUE(figures.has_value());
  EXPECT_EQ(figures->requests, 0U);
}

TEST(ClientStatisticsTest, WhatCannotBeReadSaysNothing) {
  EXPECT_FALSE(ParseStatistics("").has_value());
  EXPECT_FALSE(ParseStatistics("{").has_value());
  EXPECT_FALSE(ParseStatistics("[]").has_value());
  EXPECT_FALSE(ParseStatistics(R"({"brokers": 3})").has_value());
}

}  // namespace
}  // namespace sidebus
