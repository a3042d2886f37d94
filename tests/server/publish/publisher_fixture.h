#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/metrics/metrics.h"
#include "server/metrics/publish_metrics.h"
#include "server/publish/publisher.h"
#include "tests/support/fake_producer.h"
#include "tests/support/manual_time.h"

namespace sidebus {

// A publisher with a producer that the test plays and a time that the test moves. At the end of
// each test everything is reported, and then no memory may be taken from the budget.
//
//   type       routes (topic prefix "dev")
//   plain      orders
//   keyed      orders with the key at order.id
//   audited    orders, audit
//   two.keys   orders with the key at order.id, audit with the key at user, archive at order.id
//   logged     audit
//   off        orders, disabled
//   half       orders, disabled; audit
class PublisherFixture : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kMaxEventBytes = 1000;

  PublisherFixture() {
    const ProducerConfig config = {
        {"plain", {{"orders", "", true}}},
        {"keyed", {{"orders", "order.id", true}}},
        {"audited", {{"orders", "", true}, {"audit", "", true}}},
        {"two.keys",
         {{"orders", "order.id", true}, {"audit", "user", true}, {"archive", "order.id", true}}},
        {"logged", {{"audit", "", true}}},
        {"off", {{"orders", "", false}}},
        {"half", {{"orders", "", false}, {"audit", "", true}}},
        {"nowhere", {}}};
    publisher_ = std::make_unique<Publisher>(
        PublisherOptions{"/test", kMaxEventBytes, std::chrono::seconds(30)},
        *Router::Make(config, "dev"), budget_, time_, time_, publish_metrics_);
    publisher_->Start(producer_);
  }

  ~PublisherFixture() override {
    publisher_->DropWaiting();
    producer_.Purge();
    EXPECT_EQ(budget_.used(), 0u);
    EXPECT_EQ(publisher_->in_flight_events(), 0u);
    EXPECT_EQ(publisher_->in_flight_bytes(), 0u);
    EXPECT_EQ(time_.waiting(), 0u) << "a timer was left behind";
  }

  static Event MakeEvent(std::string type, std::string id = "1", std::string data = "{}") {
    Event event;
    event.type = std::move(type);
    event.id = std::move(id);
    event.data = std::move(data);
    return event;
  }

  // What a call to Publish() came to.
  struct Call {
    bool at_once = false;
    int answers = 0;
    std::optional<Publisher::Results> results;

    const PublishResult& result(std::size_t i = 0) const { return results->at(i); }
  };

  std::shared_ptr<Call> Publish(PublishBatch batch) {
    auto call = std::make_shared<Call>();
    auto at_once = publisher_->Publish(std::move(batch), [call](Publisher::Results results) {
      ++call->answers;
      call->results = std::move(results);
    });
    if (at_once.has_value()) {
      call->at_once = true;
      ++call->answers;
      call->results = std::move(at_once);
    }
    return call;
  }

  std::shared_ptr<Call> Publish(std::vector<Event> events, std::string topic = "") {
    return Publish(PublishBatch{std::move(events), std::move(topic), {}, true});
  }

  std::shared_ptr<Call> Publish(Event event, std::string topic = "") {
    std::vector<Event> events;
    events.push_back(std::move(event));
    return Publish(std::move(events), std::move(topic));
  }

  std::vector<std::string> AcceptedTopics() const {
    std::vector<std::string> topics;
    for (const auto& accepted : producer_.accepted()) topics.push_back(accepted.topic);
    return topics;
  }

  // The ids of the accepted events that go to `topic` (with prefix), in order.
  std::vector<std::string> AcceptedIds(const std::string& topic) const {
    std::vector<std::string> ids;
    for (const auto& accepted : producer_.accepted()) {
      if (accepted.topic == topic) ids.push_back(*accepted.record->record.headers.at(1).value);
    }
    return ids;
  }

  static std::string Meta(const absl::Status& status, std::string_view key) {
    const auto details = DetailsOf(status);
    if (!details.has_value()) return "no details";
    const auto found = details->metadata.find(key);
    return found == details->metadata.end() ? "" : found->second;
  }

  ManualTime time_;
  MemoryBudget budget_{1'000'000};
  Metrics metrics_;
  PublishMetrics publish_metrics_{metrics_};
  std::unique_ptr<Publisher> publisher_;
  FakeProducer producer_;  // gone before the publisher, which is its listener
};

inline void ExpectRefused(const PublishResult& result, Reason reason, std::string_view outcome) {
  const auto details = DetailsOf(result.error);
  ASSERT_TRUE(details.has_value()) << result.error;
  EXPECT_EQ(ReasonName(details->reason), ReasonName(reason)) << result.error;
  EXPECT_EQ(details->metadata.at("outcome"), outcome);
}

}  // namespace sidebus
