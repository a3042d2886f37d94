#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/broker/memory/memory_broker.h"
#include "server/codec/cloudevents.h"
#include "server/metrics/subscribe_metrics.h"
#include "server/subscribe/live_subscriptions.h"
#include "tests/support/manual_time.h"
#include "tests/support/metric_value.h"

namespace sidebus {

// A stream as an application sees it: takes what there is whenever it is told, like a transport
// that writes at once.
class TestStream : public StreamSink {
 public:
  void OnOutgoing() override {
    ++told;
    if (reads) Pump();
  }

  void Pump() {
    while (subscriber != nullptr) {
      Outgoing out = subscriber->Take(256, 256 << 10);
      if (out.empty()) return;
      if (out.started) started = out.started;
      for (Revoked& one : out.revoked) {
        if (one.grace > Duration::zero()) {
          revoking.push_back(std::move(one));
          continue;
        }
        revoked.insert(revoked.end(), one.delivery_ids.begin(), one.delivery_ids.end());
      }
      for (SettleFailure& one : out.failures) failures.push_back(std::move(one));
      const bool any = !out.deliveries.empty();
      for (Delivery& one : out.deliveries) {
        batch.push_back(one);
        all.push_back(std::move(one));
      }
      if (out.heartbeat) heartbeats.push_back(*out.heartbeat);
      if (out.draining) draining = out.draining;
      if (any && writes) subscriber->Written();
      if (out.end) {
        end = out.end;
        return;
      }
    }
  }

  void Ack(std::vector<std::uint64_t> ids) {
    SettleRequest request;
    request.ack = std::move(ids);
    subscriber->Handle(std::move(request));
  }
  void Ack(std::uint64_t id) { Ack(std::vector<std::uint64_t>{id}); }
  void Settle(const Nack& nack) {
    SettleRequest request;
    request.nack = {nack};
    subscriber->Handle(std::move(request));
  }
  void Refuse(std::uint64_t id, Nack::Action action = Nack::Action::kRetry) {
    Nack nack;
    nack.delivery_id = id;
    nack.action = action;
    Settle(nack);
  }
  void Extend(std::uint64_t id) {
    SettleRequest request;
    request.extend = {id};
    subscriber->Handle(std::move(request));
  }
  void Resize(const Window& window) {
    SettleRequest request;
    request.window = window;
    subscriber->Handle(std::move(request));
  }
  void Drain() {
    SettleRequest request;
    request.drain = true;
    subscriber->Handle(std::move(request));
  }

  // Deliveries since the last call.
  std::vector<Delivery> TakeBatch() { return std::exchange(batch, {}); }
  // Their data.
  std::vector<std::string> TakeData() {
    std::vector<std::string> data;
    for (const Delivery& one : TakeBatch()) data.push_back(one.event->data.value_or(""));
    return data;
  }
  std::vector<Reason> FailureReasons() const {
    std::vector<Reason> reasons;
    for (const SettleFailure& one : failures) reasons.push_back(ReasonOf(one.error));
    return reasons;
  }

  std::unique_ptr<Subscriber> subscriber;
  bool reads = true;
  bool writes = true;
  int told = 0;
  std::optional<StartedInfo> started;
  std::vector<Delivery> batch;
  std::vector<Delivery> all;
  std::vector<Revoked> revoking;
  std::vector<std::uint64_t> revoked;
  std::vector<SettleFailure> failures;
  std::vector<Heartbeat> heartbeats;
  std::optional<Draining> draining;
  std::optional<absl::Status> end;
};

// Subscriptions on a memory broker in manual time. Event types: "order" on topic "orders",
// "invoice" on "orders" and "invoices", "payment" on "payments"; prefix "t".
class SubscribeTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kMemory = 64 << 20;

  SubscribeTest() {
    router_ = MakeRouter(RecordEncoding::kCloudEvents);
    options_.revoke_grace = Duration::zero();
    broker_.CreateTopic("t-orders", 1);
    broker_.CreateTopic("t-invoices", 1);
    broker_.CreateTopic("t-payments", 2);
    Restart();
  }

  static std::shared_ptr<const Router> MakeRouter(RecordEncoding encoding) {
    const ProducerConfig config = {
        {"order", {{"orders", "", true}}},
        {"invoice", {{"orders", "", true}, {"invoices", "", false}}},
        {"payment", {{"payments", "", true}}},
    };
    return *Router::Make(config, "t", encoding);
  }

  // Anew, as after a crash of the process.
  void Restart() {
    live_.reset();
    live_ = std::make_unique<LiveSubscriptions>(options_, router_, broker_, budget_, time_, time_,
                                                metrics_, dead_letters_, schemas_);
  }

  static SubscribeStart StartOf(const std::string& group, std::vector<std::string> types) {
    SubscribeStart start;
    start.group = group;
    start.event_types = std::move(types);
    return start;
  }

  absl::Status TryOpen(TestStream& stream, SubscribeStart start) {
    auto opened = live_->Open(std::move(start), stream);
    if (!opened.ok()) return opened.status();
    stream.subscriber = *std::move(opened);
    stream.Pump();
    Settle();
    return absl::OkStatus();
  }

  std::unique_ptr<TestStream> Open(SubscribeStart start) {
    auto stream = std::make_unique<TestStream>();
    const absl::Status opened = TryOpen(*stream, std::move(start));
    EXPECT_TRUE(opened.ok()) << opened.ToString();
    return stream;
  }
  std::unique_ptr<TestStream> OpenOrders(const std::string& group = "g") {
    return Open(StartOf(group, {"order"}));
  }

  // Until nothing happens without time passing.
  void Settle() {
    do {
      time_.RunDue();
    } while (broker_.RunUntilIdle() > 0);
  }
  void Advance(Duration by) {
    time_.Advance(by);
    Settle();
  }

  void Publish(const std::string& topic, const std::string& type, const std::string& data,
               const std::optional<std::string>& key = std::nullopt, std::int32_t partition = 0) {
    Event event;
    event.id = "id-" + data.substr(0, 16);
    event.type = type;
    event.source = "/test";
    event.time = EventTime(time_.WallNow());
    event.data = data;
    broker_.Append(topic, partition, EncodeCloudEvent(std::move(event), key));
  }
  void Order(const std::string& data, const std::optional<std::string>& key = std::nullopt) {
    Publish("t-orders", "order", data, key);
  }

  std::optional<std::int64_t> Committed(const std::string& group = "g") {
    Advance(std::chrono::milliseconds(500));
    return broker_.Committed(group, "t-orders", 0);
  }

  // The value of a series, as it is exposed; -1: there is none.
  double MetricValue(const std::string& series) {
    live_->UpdateMetrics();
    return ValueOf(registry_.Serialize(), series);
  }

  ManualTime time_;
  MemoryBroker broker_{time_};
  MemoryBudget budget_{kMemory};
  Metrics registry_;
  SubscribeMetrics metrics_{registry_};
  SubscribeOptions options_;
  std::shared_ptr<const Router> router_;
  DeadLetters* dead_letters_ = nullptr;
  SchemaCache* schemas_ = nullptr;
  std::unique_ptr<LiveSubscriptions> live_;
};

}  // namespace sidebus
