#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "server/base/thread_timers.h"
#include "server/codec/schema_cache.h"
#include "server/metrics/metrics.h"
#include "server/metrics/publish_metrics.h"
#include "server/publish/publisher.h"
#include "tests/support/fake_producer.h"
#include "tests/support/memory_registry.h"

namespace sidebus {
namespace {

// Several clients publish at once, with a new schema every few calls, while one thread plays the
// broker and the registry answers on another one.
class OpenedxThreadsTest : public ::testing::Test {
 protected:
  static constexpr int kOpenedxClients = 4;
  static constexpr int kOpenedxCalls = 200;
  static constexpr int kCallsOfASchema = 5;

  OpenedxThreadsTest() {
    auto registry = std::make_unique<MemoryRegistry>(Clock::Real(), timers_);
    registry_ = registry.get();
    registry_->SetDelay(std::chrono::microseconds(200));
    schemas_ = std::make_unique<SchemaCache>(std::move(registry), Clock::Real());
    publisher_ = std::make_unique<Publisher>(
        PublisherOptions{"/test", 10'000, std::chrono::seconds(30),
                         OpenedxOptions{.defaults = {"/test", "host", "11.2.0"}, .schemas = {}}},
        *Router::Make({{"both", {{"orders", "client", true}, {"audit", "client", true}}},
                       {"one", {{"orders", "client", true}}}},
                      "", RecordEncoding::kOpenedx),
        budget_, Clock::Real(), timers_, publish_metrics_, schemas_.get());
    publisher_->Start(producer_);
    broker_ = std::thread([this] { PlayBroker(); });
  }

  void PlayBroker() {
    for (int round = 0; !done_ || producer_.in_flight() > 0; ++round) {
      const bool held = round % 50 == 0 && !done_;
      producer_.SetReadiness("orders", held ? TopicReadiness::kWaiting : TopicReadiness::kReady,
                             publisher_.get());
      for (const auto& accepted : producer_.TakeAccepted()) {
        const Record& record = accepted.record->record;
        EXPECT_NE(record.value->substr(0, 5), ConfluentPrefix(SchemaId())) << "a record has no id";
        const std::string& id = *record.headers.at(4).value;
        written_[accepted.topic + id.substr(0, 8)].push_back(std::stoi(id.substr(24)));
        producer_.Write(accepted);
      }
      std::this_thread::yield();
    }
  }

  void PlayClient(int client) {
    for (int call = 0; call < kOpenedxCalls; ++call) {
      PublishBatch batch;
      for (const char* type : {"both", "one"}) {
        Event event;
        event.type = type;
        event.id = fmt::format("{:08}-0000-1000-8000-{:012}", client,
                               2 * call + static_cast<int>(batch.events.size()));
        event.data = fmt::format(R"({{"client": {}}})", client);
        event.schema = fmt::format(
            R"({{"type": "record", "name": "CloudEvent", "namespace": "{}", "doc": "{}",
                 "fields": [{{"name": "client", "type": "long"}}]}})",
            type, call / kCallsOfASchema);
        batch.events.push_back(std::move(event));
      }
      auto at_once = publisher_->Publish(std::move(batch),
                                         [this](Publisher::Results results) { Count(results); });
      if (at_once.has_value()) Count(*at_once);
    }
  }

  void Count(const Publisher::Results& results) {
    for (const PublishResult& result : results) {
      if (result.error.ok()) ok_.fetch_add(1);
    }
    answers_.fetch_add(1);
  }

  // `meanwhile` runs again and again until all is answered.
  void RunClients(const std::function<void()>& meanwhile) {
    std::vector<std::thread> clients;
    for (int client = 0; client < kOpenedxClients; ++client) {
      clients.emplace_back([this, client] { PlayClient(client); });
    }
    while (answers_ < kOpenedxClients * kOpenedxCalls) {
      meanwhile();
      std::this_thread::yield();
    }
    for (std::thread& client : clients) client.join();
    done_ = true;
    broker_.join();
    schemas_.reset();
    EXPECT_EQ(budget_.used(), 0u);
    EXPECT_EQ(publisher_->in_flight_events(), 0u);
    EXPECT_EQ(answers_, kOpenedxClients * kOpenedxCalls);
    for (const auto& [where, numbers] : written_) {
      EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end())) << where;
    }
  }

  MemoryBudget budget_{100'000'000};
  Metrics metrics_;
  PublishMetrics publish_metrics_{metrics_};
  ThreadTimers timers_;
  MemoryRegistry* registry_ = nullptr;  // owned by the cache
  std::unique_ptr<SchemaCache> schemas_;
  std::unique_ptr<Publisher> publisher_;
  FakeProducer producer_;
  std::atomic<int> answers_{0};
  std::atomic<int> ok_{0};
  std::atomic<bool> done_{false};
  std::map<std::string, std::vector<int>> written_;  // the broker's thread, then the test's
  std::thread broker_;
};

TEST_F(OpenedxThreadsTest, EveryEventIsWrittenOnceWithItsIdsInTheOrderOfItsClient) {
  RunClients([] {});

  EXPECT_EQ(ok_, 2 * kOpenedxClients * kOpenedxCalls);
  for (int client = 0; client < kOpenedxClients; ++client) {
    EXPECT_EQ(written_[fmt::format("orders{:08}", client)].size(), std::size_t{2 * kOpenedxCalls});
    EXPECT_EQ(written_[fmt::format("audit{:08}", client)].size(), std::size_t{kOpenedxCalls});
  }
}

TEST_F(OpenedxThreadsTest, ARegistryThatComesAndGoesStillGivesOneAnswerPerCallAndKeepsTheOrder) {
  bool down = false;
  RunClients([&] { registry_->SetDown(down = !down); });
}

}  // namespace
}  // namespace sidebus
