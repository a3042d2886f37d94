#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
// After it:
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/broker/embedded/embedded_broker.h"
#include "server/broker/kafka/kafka_producer.h"

namespace sidebus {

// Generous: a busy machine. Nothing waits for it to pass.
inline constexpr auto kPatience = std::chrono::seconds(20);

// Keys of Kafka's protocol, for the mock cluster.
inline constexpr std::int16_t kProduceRequest = 0;
inline constexpr std::int16_t kMetadataRequest = 3;

// A record on its way, and what became of it.
class Sent final : public PendingRecord {
 public:
  explicit Sent(std::string value) { record.value = std::move(value); }

  std::function<void()> before_report;  // called by OnReport()

  void OnReport(const DeliveryReport& report) override {
    if (before_report) before_report();
    MutexLock lock(mu_);
    ++reports_;
    report_ = report;
    reported_on_ = std::this_thread::get_id();
    changed_.NotifyAll();
  }

  DeliveryReport Report() {
    MutexLock lock(mu_);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (reports_ == 0 && changed_.WaitUntil(mu_, deadline)) {
    }
    EXPECT_EQ(reports_, 1);
    return report_;
  }

  int reports() {
    MutexLock lock(mu_);
    return reports_;
  }

  std::thread::id reported_on() const {
    MutexLock lock(mu_);
    return reported_on_;
  }

 private:
  mutable Mutex mu_;
  CondVar changed_;
  int reports_ ABSL_GUARDED_BY(mu_) = 0;
  DeliveryReport report_ ABSL_GUARDED_BY(mu_);
  std::thread::id reported_on_ ABSL_GUARDED_BY(mu_);
};

class ReadinessListener final : public ProducerListener {
 public:
  void OnReadinessChanged() override {
    MutexLock lock(mu_);
    ++changes_;
    changed_.NotifyAll();
  }

  // Waits for `condition`; looks at each change, and every 10 ms.
  bool WaitUntil(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      const auto now = std::chrono::steady_clock::now();
      if (now > deadline) return false;
      MutexLock lock(mu_);
      (void)changed_.WaitUntil(mu_, now + std::chrono::milliseconds(10));
    }
    return true;
  }

  int changes() {
    MutexLock lock(mu_);
    return changes_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int changes_ ABSL_GUARDED_BY(mu_) = 0;
};

// A mock cluster of one broker with the topic "orders" of one partition, and a producer of it.
class KafkaProducerFixture : public ::testing::Test {
 protected:
  KafkaProducerFixture() {
    EmbeddedBrokerOptions options;
    options.topics = {"orders"};
    options.partitions = 1;
    auto made = EmbeddedBroker::Make(std::move(options));
    EXPECT_TRUE(made.ok()) << made.status();
    broker_ = *std::move(made);
    options_.bootstrap_servers = {broker_->bootstrap_servers()};
  }

  // With options_. `topic` is ready when it returns.
  ProducerTopic& Start(const std::string& topic = "orders") {
    MakeProducer();
    ProducerTopic& handle = producer_->Topic(topic);
    EXPECT_TRUE(WaitFor(handle, TopicReadiness::kReady));
    return handle;
  }

  void MakeProducer() {
    auto made = KafkaProducer::Make(options_, listener_);
    ASSERT_TRUE(made.ok()) << made.status();
    producer_ = *std::move(made);
  }

  bool WaitFor(ProducerTopic& topic, TopicReadiness wanted) {
    return listener_.WaitUntil([&] { return topic.readiness() == wanted; });
  }

  // Accepted by the producer; kept until the end of the test.
  Sent& Produce(ProducerTopic& topic, std::string value = "a") {
    return Produce(topic, std::make_unique<Sent>(std::move(value)));
  }
  Sent& Produce(ProducerTopic& topic, std::unique_ptr<Sent> record) {
    sent_.push_back(std::move(record));
    EXPECT_TRUE(producer_->Produce(topic, *sent_.back()).ok());
    return *sent_.back();
  }

  void FailRequests(std::int16_t request, std::vector<rd_kafka_resp_err_t> errors) {
    rd_kafka_mock_push_request_errors_array(broker_->cluster(), request, errors.size(),
                                            errors.data());
  }

  void TrackRequests() { rd_kafka_mock_start_request_tracking(broker_->cluster()); }

  // How many such requests the cluster got since TrackRequests().
  int RequestsSeen(std::int16_t key) {
    std::size_t count = 0;
    rd_kafka_mock_request_t** const requests =
        rd_kafka_mock_get_requests(broker_->cluster(), &count);
    int seen = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rd_kafka_mock_request_api_key(requests[i]) == key) ++seen;
    }
    rd_kafka_mock_request_destroy_array(requests, count);
    return seen;
  }

  void SetRoundTrip(std::chrono::milliseconds time) {
    rd_kafka_mock_broker_set_rtt(broker_->cluster(), 1, static_cast<int>(time.count()));
  }
  void SetBrokerDown() { rd_kafka_mock_broker_set_down(broker_->cluster(), 1); }
  void SetBrokerUp() { rd_kafka_mock_broker_set_up(broker_->cluster(), 1); }

  std::vector<std::unique_ptr<Sent>> sent_;  // outlives the producer
  ReadinessListener listener_;
  std::unique_ptr<EmbeddedBroker> broker_;
  KafkaBrokerOptions options_;
  std::unique_ptr<KafkaProducer> producer_;
};

}  // namespace sidebus
