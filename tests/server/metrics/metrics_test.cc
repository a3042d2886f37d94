#include "server/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <sstream>
#include <string>

#include "server/metrics/subscribe_metrics.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, TheSameNameAndLabelsAreOneSeries) {
  Metrics metrics;
  Counter first = metrics.AddCounter("sidebus_things_total", "Things.", {{"kind", "a"}});
  Counter again = metrics.AddCounter("sidebus_things_total", "Things.", {{"kind", "a"}});

  first.Increment();
  again.Increment(2);

  EXPECT_THAT(metrics.Serialize(), HasSubstr("sidebus_things_total{kind=\"a\"} 3\n"));
}

TEST(MetricsTest, EachLabelValueIsASeriesOfItsOwnUnderOneHelpLine) {
  Metrics metrics;
  metrics.AddCounter("sidebus_things_total", "Things.", {{"kind", "a"}}).Increment();
  metrics.AddCounter("sidebus_things_total", "Things.", {{"kind", "b"}}).Increment();

  const std::string text = metrics.Serialize();

  EXPECT_THAT(text, HasSubstr("# HELP sidebus_things_total Things.\n"));
  EXPECT_THAT(text, HasSubstr("{kind=\"a\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{kind=\"b\"} 1\n"));
  EXPECT_EQ(text.find("# HELP"), text.rfind("# HELP"));
}

TEST(MetricsTest, UpdatesRunBeforeEverySerialize) {
  Metrics metrics;
  Gauge gauge = metrics.AddGauge("sidebus_level", "Level.");
  metrics.BeforeSerialize([gauge, level = 0]() mutable { gauge.Set(++level); });

  EXPECT_THAT(metrics.Serialize(), HasSubstr("sidebus_level 1\n"));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("sidebus_level 2\n"));
}

TEST(MetricsTest, DroppedUpdatesRunNoMoreAndTheirSeriesStay) {
  Metrics metrics;
  Gauge gauge = metrics.AddGauge("sidebus_level", "Level.");
  metrics.BeforeSerialize([gauge, level = 0]() mutable { gauge.Set(++level); });
  metrics.Serialize();

  metrics.DropUpdates();

  EXPECT_THAT(metrics.Serialize(), HasSubstr("sidebus_level 1\n"));
}

TEST(MetricsTest, AHistogramCountsIntoItsBuckets) {
  Metrics metrics;
  Histogram histogram = metrics.AddHistogram("sidebus_wait_seconds", "Wait.", {0.1, 1});

  histogram.Observe(0.5);

  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("sidebus_wait_seconds_bucket{le=\"0.1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("sidebus_wait_seconds_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sidebus_wait_seconds_count 1\n"));
}

std::ptrdiff_t SeriesOf(Metrics& metrics) {
  std::istringstream text(metrics.Serialize());
  std::ptrdiff_t count = 0;
  for (std::string line; std::getline(text, line);) count += line.starts_with('#') ? 0 : 1;
  return count;
}

TEST(SubscribeMetricsTest, AGroupHasAsManySeriesAsThePageAboutMetricsSays) {
  Metrics metrics;
  SubscribeMetrics subscribe(metrics);

  subscribe.ForGroup("g");
  EXPECT_EQ(SeriesOf(metrics), 22);
  subscribe.ForType("g", "order");
  EXPECT_EQ(SeriesOf(metrics), 22 + 40);
  subscribe.ForTopic("g", "orders");
  subscribe.LostToRetention("g", "orders");
  EXPECT_EQ(SeriesOf(metrics), 22 + 40 + 4);
}

TEST(SubscribeMetricsTest, GroupsBeyondTheLimitShareOneLabel) {
  Metrics metrics;
  SubscribeMetrics subscribe(metrics, 3);
  // All that a group's subscription to a type and a topic counts.
  const auto begin = [&](const std::string& group) {
    const std::string label = subscribe.GroupLabel(group);
    subscribe.ForGroup(label);
    subscribe.ForType(label, "order");
    subscribe.ForTopic(label, "orders");
    subscribe.LostToRetention(label, "orders");
    subscribe.DeadLettered(label, "order", "REJECTED");
  };
  begin("");
  for (int i = 0; i < 4; ++i) begin("group-" + std::to_string(i));
  const auto before = SeriesOf(metrics);

  for (int i = 0; i < 10'000; ++i) begin("made-up-" + std::to_string(i));

  EXPECT_EQ(SeriesOf(metrics), before);
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("sidebus_subscriptions{group=\"group-2\"}"));
  EXPECT_THAT(text, HasSubstr("sidebus_subscriptions{group=\"_other\"}"));
  EXPECT_THAT(text, Not(HasSubstr("group-3")));
  EXPECT_THAT(text, Not(HasSubstr("made-up")));
  EXPECT_EQ(subscribe.GroupLabel("group-1"), "group-1");
  EXPECT_EQ(subscribe.GroupLabel(""), "_broadcast");
}

TEST(MetricsTest, ADefaultHandleCountsNothing) {
  Counter counter;
  Gauge gauge;
  Histogram histogram;

  counter.Increment();
  gauge.Set(1);
  histogram.Observe(1);

  EXPECT_THAT(Metrics().Serialize(), Not(HasSubstr("sidebus")));
}

}  // namespace
}  // namespace sidebus
