// The real thing with real threads, for ThreadSanitizer: consumer thread, timer thread, and one
// thread per application.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "server/base/thread_timers.h"
#include "server/broker/memory/memory_broker.h"
#include "server/codec/cloudevents.h"
#include "server/metrics/subscribe_metrics.h"
#include "server/subscribe/live_subscriptions.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kEvents = 3000;
constexpr int kApplications = 4;
constexpr auto kPatience = seconds(50);

// A transport whose loop waits for the sink.
class WaitingSink final : public StreamSink {
 public:
  void OnOutgoing() override {
    MutexLock lock(mu_);
    told_ = true;
    changed_.NotifyAll();
  }

  // False: not told in a while.
  bool Wait() {
    MutexLock lock(mu_);
    const auto deadline = std::chrono::steady_clock::now() + milliseconds(200);
    while (!told_ && changed_.WaitUntil(mu_, deadline)) {
    }
    return std::exchange(told_, false);
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool told_ ABSL_GUARDED_BY(mu_) = false;
};

class Journal {
 public:
  void Acked(const Delivery& delivery) {
    MutexLock lock(mu_);
    acked_.insert({delivery.partition, delivery.offset});
  }
  std::size_t size() {
    MutexLock lock(mu_);
    return acked_.size();
  }

 private:
  Mutex mu_;
  std::set<std::pair<std::int32_t, std::int64_t>> acked_ ABSL_GUARDED_BY(mu_);
};

class SubscribeThreadsTest : public testing::Test {
 protected:
  SubscribeThreadsTest() {
    router_ = *Router::Make({{"order", {{"orders", "", true}}}}, "");
    broker_.CreateTopic("orders", 4);
    SubscribeOptions options;
    options.heartbeat = milliseconds(5);
    options.linger = milliseconds(20);
    options.retry.min_backoff = milliseconds(1);
    options.min_lease = milliseconds(1);
    live_ = std::make_unique<LiveSubscriptions>(options, router_, broker_, budget_, Clock::Real(),
                                                timers_, metrics_);
  }

  void PublishAll() {
    for (int i = 0; i < kEvents; ++i) {
      Event event;
      event.id = std::to_string(i);
      event.type = "order";
      event.source = "/s";
      event.time = EventTime(Clock::Real().WallNow());
      broker_.Append("orders", i % 4, EncodeCloudEvent(std::move(event), std::to_string(i % 50)));
    }
  }

  // Opens streams, acks most, refuses some, vanishes now and then, until everything is acked.
  void Application(std::uint64_t seed) {
    std::uint64_t random = seed;
    const auto one_in = [&](std::uint64_t n) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      return (random >> 33) % n == 0;
    };
    while (journal_.size() < kEvents && std::chrono::steady_clock::now() < deadline_) {
      WaitingSink sink;
      SubscribeStart start;
      start.group = "g";
      start.event_types = {"order"};
      start.lease = one_in(2) ? milliseconds(20) : seconds(10);
      auto opened = live_->Open(start, sink);
      ASSERT_TRUE(opened.ok()) << opened.status().ToString();
      Serve(**opened, sink, one_in);
    }
  }

  template <typename OneIn>
  void Serve(Subscriber& subscriber, WaitingSink& sink, const OneIn& one_in) {
    std::vector<Delivery> held;
    while (journal_.size() < kEvents && std::chrono::steady_clock::now() < deadline_) {
      Outgoing out = subscriber.Take(16, 1 << 20);
      if (out.end.has_value()) return;
      if (out.empty() && !sink.Wait() && one_in(2)) return;
      subscriber.Written();
      SettleRequest request;
      for (Delivery& delivery : out.deliveries) {
        if (one_in(50)) {
          Nack nack;
          nack.delivery_id = delivery.id;
          nack.not_counted = true;
          request.nack.push_back(nack);
        } else {
          request.ack.push_back(delivery.id);
          held.push_back(std::move(delivery));
        }
      }
      if (one_in(100)) return;  // vanishes with what it holds
      subscriber.Handle(std::move(request));
      for (const Delivery& delivery : held) journal_.Acked(delivery);
      held.clear();
      if (one_in(100)) subscriber.HalfClosed();
    }
  }

  const std::chrono::steady_clock::time_point deadline_ =
      std::chrono::steady_clock::now() + kPatience;
  MemoryBroker broker_{Clock::Real()};
  MemoryBudget budget_{16 << 20};
  Metrics registry_;
  SubscribeMetrics metrics_{registry_};
  ThreadTimers timers_;
  std::shared_ptr<const Router> router_;
  Journal journal_;
  std::unique_ptr<LiveSubscriptions> live_;
  MemoryBrokerThread thread_{broker_};
};

TEST_F(SubscribeThreadsTest, EverythingIsAckedWhateverTheApplicationsDo) {
  std::vector<std::thread> applications;
  for (std::uint64_t i = 1; i <= kApplications; ++i) {
    applications.emplace_back([this, i] { Application(i); });
  }
  PublishAll();
  for (std::thread& application : applications) application.join();
  live_->UpdateMetrics();

  EXPECT_EQ(journal_.size(), static_cast<std::size_t>(kEvents));
}

TEST_F(SubscribeThreadsTest, DrainsWhileApplicationsGoOn) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> applications;
  for (int i = 0; i < kApplications; ++i) {
    applications.emplace_back([&] {
      WaitingSink sink;
      SubscribeStart start;
      start.group = "g";
      start.event_types = {"order"};
      auto opened = live_->Open(start, sink);
      while (opened.ok() && !stop) {
        Outgoing out = (*opened)->Take(16, 1 << 20);
        if (out.end.has_value()) return;
        (*opened)->Written();
        SettleRequest request;
        for (const Delivery& delivery : out.deliveries) request.ack.push_back(delivery.id);
        (*opened)->Handle(std::move(request));
        if (out.empty()) sink.Wait();
      }
    });
  }
  PublishAll();
  Mutex mu;
  CondVar changed;
  std::optional<std::size_t> left;

  live_->Drain(seconds(20), "test", DrainFor::kGood, [&](std::size_t n) {
    MutexLock lock(mu);
    left = n;
    changed.NotifyAll();
  });
  {
    MutexLock lock(mu);
    while (!left.has_value() && changed.WaitUntil(mu, deadline_)) {
    }
    EXPECT_EQ(left, 0u);
  }
  stop = true;
  for (std::thread& application : applications) application.join();
  EXPECT_EQ(broker_.Members("g"), 0u);
}

TEST_F(SubscribeThreadsTest, TheSubscriptionsMayGoWhileStreamsAreOpen) {
  PublishAll();
  WaitingSink sink;
  SubscribeStart start;
  start.group = "g";
  start.event_types = {"order"};
  auto opened = live_->Open(start, sink);
  ASSERT_TRUE(opened.ok());
  while ((*opened)->Take(16, 1 << 20).deliveries.empty() &&
         std::chrono::steady_clock::now() < deadline_) {
    sink.Wait();
  }

  live_.reset();

  opened->reset();
  EXPECT_EQ(budget_.used(), 0u);
}

}  // namespace
}  // namespace sidebus
