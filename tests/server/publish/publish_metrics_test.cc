#include "server/metrics/publish_metrics.h"

#include "tests/server/publish/publisher_fixture.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using PublishMetricsTest = PublisherFixture;

TEST_F(PublishMetricsTest, CountsEventsByTypeAndOutcome) {
  Publish({MakeEvent("plain", "1", "abc"), MakeEvent("plain", "2", "de"), MakeEvent("keyed", "3"),
           MakeEvent("audited", "4", "abcd")});

  producer_.WriteAll();

  const std::string text = metrics_.Serialize();
  EXPECT_THAT(text,
              HasSubstr("sidebus_published_events_total{event_type=\"plain\",outcome=\"ok\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sidebus_publish_bytes_total{event_type=\"plain\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("sidebus_publish_bytes_total{event_type=\"audited\"} 8\n"));
  EXPECT_THAT(text, HasSubstr("sidebus_publish_duration_seconds_count{event_type=\"plain\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sidebus_publish_event_size_bytes_count{event_type=\"plain\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sidebus_published_events_total{event_type=\"keyed\","
                              "outcome=\"key_field_missing\"} 1\n"));
}

TEST_F(PublishMetricsTest, TheDurationIsThatOfTheSteadyClock) {
  Publish(MakeEvent("plain"));
  time_.Advance(std::chrono::seconds(3));

  producer_.WriteAll();

  EXPECT_THAT(metrics_.Serialize(),
              HasSubstr("sidebus_publish_duration_seconds_sum{event_type=\"plain\"} 3\n"));
}

TEST_F(PublishMetricsTest, AClientCannotMakeSeriesByInventingTypes) {
  for (int i = 0; i < 1000; ++i) Publish(MakeEvent("invented." + std::to_string(i)));

  const std::string text = metrics_.Serialize();
  EXPECT_THAT(text, HasSubstr("sidebus_published_events_total{event_type=\"_unknown\","
                              "outcome=\"event_type_unknown\"} 1000\n"));
  EXPECT_THAT(text, Not(HasSubstr("invented")));
}

TEST_F(PublishMetricsTest, TheGaugesSayWhatIsInFlight) {
  Publish({MakeEvent("plain", "1"), MakeEvent("logged", "2")});

  EXPECT_THAT(metrics_.Serialize(), HasSubstr("sidebus_publish_inflight_events 2\n"));
  EXPECT_THAT(metrics_.Serialize(),
              HasSubstr("sidebus_publish_inflight_bytes " + std::to_string(budget_.used()) + "\n"));
  producer_.WriteAll();
  const std::string text = metrics_.Serialize();
  EXPECT_THAT(text, HasSubstr("sidebus_publish_inflight_events 0\n"));
  EXPECT_THAT(text, HasSubstr("sidebus_publish_inflight_bytes 0\n"));
  EXPECT_THAT(text, HasSubstr("sidebus_publish_queue_limit_bytes 1000000\n"));
}

TEST_F(PublishMetricsTest, AScrapeAfterThePublisherIsGoneIsFine) {
  {
    Publisher short_lived({}, *Router::Make({{"plain", {{"orders", "", true}}}}, "dev"), budget_,
                          time_, time_, publish_metrics_);
    short_lived.Start(producer_);
  }

  EXPECT_THAT(metrics_.Serialize(), HasSubstr("sidebus_publish_inflight_events 0\n"));
}

}  // namespace
}  // namespace sidebus
