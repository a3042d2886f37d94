#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "server/base/thread_timers.h"
#include "server/metrics/metrics.h"
#include "server/metrics/publish_metrics.h"
#include "server/publish/publisher.h"
#include "tests/support/fake_producer.h"

namespace sidebus {
namespace {

using ::testing::Eq;

// Several clients publish at once, each one call after the other, while one thread plays the
// broker: it reports, and takes a topic away and gives it back.
class PublishThreadsTest : public ::testing::Test {
 protected:
  static constexpr int kClients = 4;
  static constexpr int kCalls = 300;
  static constexpr int kEvents = 5;

  PublishThreadsTest() {
    publisher_.Start(producer_);
    broker_ = std::thread([this] { PlayBroker(); });
  }

  // The broker's thread ends when all calls are answered and everything is reported.
  void PlayBroker() {
    for (int round = 0; !done_ || producer_.in_flight() > 0; ++round) {
      const TopicReadiness readiness =
          round % 3 == 0 && !done_ ? TopicReadiness::kWaiting : TopicReadiness::kReady;
      producer_.SetReadiness("orders", readiness, &publisher_);
      for (const auto& accepted : producer_.TakeAccepted()) {
        const std::string client = *accepted.record->record.key;
        orders_[accepted.topic + "/" + client].push_back(
            std::stoi(*accepted.record->record.headers.at(1).value));
        producer_.Write(accepted);
      }
      std::this_thread::yield();
    }
  }

  void PlayClient(int client, Duration patience) {
    for (int call = 0; call < kCalls; ++call) {
      PublishBatch batch;
      if (patience > Duration(0)) batch.deadline = Clock::Real().Now() + patience;
      for (int i = 0; i < kEvents; ++i) {
        Event event;
        event.type = i % 2 == 0 ? "both" : "one";
        event.id = std::to_string(call * kEvents + i);
        event.key = std::to_string(client);
        event.data = "{}";
        batch.events.push_back(std::move(event));
      }
      auto at_once = publisher_.Publish(std::move(batch),
                                        [this](Publisher::Results results) { Count(results); });
      if (at_once.has_value()) Count(*at_once);
    }
  }

  void Count(const Publisher::Results& results) {
    EXPECT_THAT(results.size(), Eq(std::size_t{kEvents}));
    for (const PublishResult& result : results) {
      if (result.error.ok()) ok_.fetch_add(1);
    }
    answers_.fetch_add(1);
  }

  void RunClients(Duration patience) {
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([this, client, patience] { PlayClient(client, patience); });
    }
    for (std::thread& client : clients) client.join();
    while (answers_ < kClients * kCalls) std::this_thread::yield();  // bounded by the time-out
    done_ = true;
    broker_.join();
    EXPECT_THAT(budget_.used(), Eq(0u));
    EXPECT_THAT(publisher_.in_flight_events(), Eq(0u));
    EXPECT_THAT(answers_.load(), Eq(kClients * kCalls));
  }

  MemoryBudget budget_{100'000'000};
  Metrics metrics_;
  PublishMetrics publish_metrics_{metrics_};
  ThreadTimers timers_;
  Publisher publisher_{PublisherOptions{"/test", 1000, std::chrono::seconds(30)},
                       *Router::Make({{"both", {{"orders", "", true}, {"audit", "", true}}},
                                      {"one", {{"orders", "", true}}}},
                                     ""),
                       budget_,
                       Clock::Real(),
                       timers_,
                       publish_metrics_};
  FakeProducer producer_;
  std::atomic<int> answers_{0};
  std::atomic<int> ok_{0};
  std::atomic<bool> done_{false};
  std::map<std::string, std::vector<int>> orders_;  // the broker's thread, then the test's
  std::thread broker_;
};

TEST_F(PublishThreadsTest, EveryEventIsWrittenOnceInTheOrderOfItsClient) {
  RunClients(Duration(0));

  EXPECT_THAT(ok_.load(), Eq(kClients * kCalls * kEvents));
  for (int client = 0; client < kClients; ++client) {
    std::vector<int> all;
    std::vector<int> audited;
    for (int i = 0; i < kCalls * kEvents; ++i) {
      all.push_back(i);
      if (i % kEvents % 2 == 0) audited.push_back(i);
    }
    EXPECT_THAT(orders_["orders/" + std::to_string(client)], Eq(all));
    EXPECT_THAT(orders_["audit/" + std::to_string(client)], Eq(audited));
  }
}

TEST_F(PublishThreadsTest, DeadlinesThatRaceWithReportsStillGiveOneAnswerPerCall) {
  RunClients(std::chrono::milliseconds(50) + std::chrono::microseconds(200));
}

}  // namespace
}  // namespace sidebus
