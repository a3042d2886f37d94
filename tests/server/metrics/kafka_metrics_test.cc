#include "server/metrics/kafka_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sidebus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class KafkaMetricsTest : public ::testing::Test {
 protected:
  std::string Text() { return metrics_.Serialize(); }

  Metrics metrics_;
  KafkaMetrics kafka_{metrics_};
};

TEST_F(KafkaMetricsTest, WhatAClientCountedIsCountedOnce) {
  const auto producer = kafka_.ForClient("producer");

  producer->Update({.requests = 10, .send_errors = 1, .timeouts = 2});
  producer->Update(
      {.requests = 15, .send_errors = 1, .receive_errors = 4, .timeouts = 3, .retries = 5});

  EXPECT_THAT(
      Text(),
      AllOf(
          HasSubstr("sidebus_kafka_requests_total{client=\"producer\"} 15\n"),
          HasSubstr("sidebus_kafka_request_errors_total{client=\"producer\",kind=\"tx\"} 1\n"),
          HasSubstr("sidebus_kafka_request_errors_total{client=\"producer\",kind=\"rx\"} 4\n"),
          HasSubstr("sidebus_kafka_request_errors_total{client=\"producer\",kind=\"timeout\"} 3\n"),
          HasSubstr("sidebus_kafka_request_errors_total{client=\"producer\",kind=\"retry\"} 5\n")));
}

TEST_F(KafkaMetricsTest, CountsThatFellAreCountedOnFromThere) {
  const auto producer = kafka_.ForClient("producer");

  producer->Update({.requests = 10});
  producer->Update({.requests = 3});
  producer->Update({.requests = 4});

  EXPECT_THAT(Text(), HasSubstr("sidebus_kafka_requests_total{client=\"producer\"} 11\n"));
}

TEST_F(KafkaMetricsTest, ClientsOfOneKindAreAddedUpAndTheWorstOfThemIsShown) {
  const auto one = kafka_.ForClient("consumer");
  auto other = kafka_.ForClient("consumer");

  one->Update({.requests = 1, .round_trip_p99 = 0.25, .throttle_max = 1});
  other->Update({.requests = 2, .round_trip_p99 = 0.5});

  EXPECT_THAT(Text(),
              AllOf(HasSubstr("sidebus_kafka_requests_total{client=\"consumer\"} 3\n"),
                    HasSubstr("sidebus_kafka_rtt_p99_seconds{client=\"consumer\"} 0.5\n"),
                    HasSubstr("sidebus_kafka_throttle_max_seconds{client=\"consumer\"} 1\n")));

  other.reset();

  EXPECT_THAT(Text(),
              AllOf(HasSubstr("sidebus_kafka_requests_total{client=\"consumer\"} 3\n"),
                    HasSubstr("sidebus_kafka_rtt_p99_seconds{client=\"consumer\"} 0.25\n")));
}

TEST_F(KafkaMetricsTest, ABrokerIsConnectedWhileOneClientOfTheKindIs) {
  constexpr char kUp[] = "sidebus_kafka_broker_connected{broker=\"7\",client=\"consumer\"} 1\n";
  constexpr char kDown[] = "sidebus_kafka_broker_connected{broker=\"7\",client=\"consumer\"} 0\n";
  const auto one = kafka_.ForClient("consumer");
  auto other = kafka_.ForClient("consumer");
  one->Update({.brokers = {{7, false}}});
  EXPECT_THAT(Text(), HasSubstr(kDown));

  other->Update({.brokers = {{7, true}}});
  EXPECT_THAT(Text(), HasSubstr(kUp));

  other.reset();
  EXPECT_THAT(Text(), HasSubstr(kDown));
}

TEST_F(KafkaMetricsTest, FatalErrorsAreCountedByTheirName) {
  const auto producer = kafka_.ForClient("producer");
  EXPECT_THAT(Text(), Not(HasSubstr("sidebus_kafka_fatal_errors_total{")));

  producer->CountFatal("OUT_OF_ORDER_SEQUENCE_NUMBER");

  EXPECT_THAT(Text(), HasSubstr("sidebus_kafka_fatal_errors_total{client=\"producer\","
                                "code=\"OUT_OF_ORDER_SEQUENCE_NUMBER\"} 1\n"));
}

}  // namespace
}  // namespace sidebus
