#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/broker/kafka/kafka_log.h"
#include "server/broker/kafka/kafka_options.h"
#include "server/broker/kafka/topic_lookups.h"
#include "server/broker/kafka/topic_maker.h"
#include "server/broker/producer.h"
#include "server/metrics/kafka_metrics.h"

namespace sidebus {

// librdkafka's idempotent producer, and its poll thread.
//
// A record's way: Produce() -> rd_kafka_produceva (the value is borrowed from the PendingRecord,
// which is the opaque) -> PendingRecord::OnReport, if it is written by librdkafka's interceptor of
// acknowledgements, on its thread of the broker that answered (docs/adr/0081), else by the poll
// thread, which has delivery report events of failures, a batch at a time.
//
//   open       --fatal error of the client-->  replacing
//   replacing  --everything accepted is reported, a new client is made-->  open
//              (it cannot be made, for example because a certificate file is gone: it is tried
//              again each second)
//
// While replacing, what was accepted is purged and reported by its status (never guessed), topics
// are kWaiting and Produce() refuses: no record overtakes one of the old client. Topic handles stay
// valid.
//
// Invariant: in_flight_ counts the records that were accepted and OnReport() was not called for,
// and the calls of Produce() under way; the client is not replaced while there are any.
// Ownership: owns client, topics and both threads (poll, look-ups); borrows the listener.
// Thread safety: as Producer says. mu_ is never held while a callback runs.
// Cost: Produce(): some locks, no allocation of our own without headers.
class KafkaProducer final : public Producer {
 public:
  // An error: the options are wrong. Does not wait for a broker.
  static absl::StatusOr<std::unique_ptr<KafkaProducer>> Make(const KafkaBrokerOptions& options,
                                                             ProducerListener& listener);
  ~KafkaProducer() override;

  ProducerTopic& Topic(const std::string& full_name) override;
  absl::Status Produce(ProducerTopic& topic, PendingRecord& record) override;
  void CreateTopic(ProducerTopic& topic, const std::string& like,
                   absl::AnyInvocable<void(absl::Status)> done) override;
  BrokerCondition condition() const override { return lookups_->condition(); }
  std::size_t in_flight() const override { return in_flight_.load(std::memory_order_relaxed); }
  bool Flush(SteadyTime deadline) override;
  void Purge() override;

  // Times that a fatal error made a new client necessary.
  std::uint64_t replaced() const { return replaced_.load(); }

  // Makes the client fail as after an error that it cannot repair.
  void FailFatallyForTest();

 private:
  KafkaProducer(const KafkaBrokerOptions& options, ProducerListener& listener);

  absl::StatusOr<std::shared_ptr<ProducerClient>> MakeClientAndTopics();
  KafkaTopicHandle MakeTopicHandle(rd_kafka_t* client, KafkaTopic& topic);
  TopicLookups::Target TargetOf(const KafkaTopic* topic) const;
  std::shared_ptr<ProducerClient> client() const;

  rd_kafka_resp_err_t Give(KafkaTopic& topic, const PendingRecord& record);
  void Run();
  void Wake();
  void Forgotten(std::size_t count);
  void OnEvent(rd_kafka_event_t* event);
  static rd_kafka_resp_err_t OnNewClient(rd_kafka_t* client, const rd_kafka_conf_t*, void* self,
                                         char*, std::size_t);
  static rd_kafka_resp_err_t OnAcknowledged(rd_kafka_t*, rd_kafka_message_t* message,
                                            void* self) noexcept;
  static void Report(const rd_kafka_message_t& message);
  void OnReports(rd_kafka_event_t* event);
  void OnError(rd_kafka_event_t* event);
  void OnStatistics(rd_kafka_event_t* event);
  void StartReplacing();
  void FinishReplacing();

  const KafkaBrokerOptions options_;
  ProducerListener& listener_;
  KafkaLog log_{"producer"};
  const std::unique_ptr<KafkaClientMetrics> metrics_;  // null: none are kept

  mutable Mutex mu_;
  CondVar all_reported_;
  std::shared_ptr<ProducerClient> client_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::unique_ptr<KafkaTopic>> topics_ ABSL_GUARDED_BY(mu_);
  std::vector<KafkaTopic*> by_index_ ABSL_GUARDED_BY(mu_);

  TopicMaker maker_;
  std::atomic<bool> open_{true};
  std::atomic<std::size_t> in_flight_{0};
  std::atomic<std::uint64_t> replaced_{0};
  std::atomic<bool> readiness_changed_{false};
  std::atomic<bool> asked_old_client_{false};  // for a topic to be made, which it never answers
  std::atomic<bool> stopping_{false};
  // Poll thread only.
  bool replacing_ = false;
  bool replacing_failed_ = false;  // and that was logged

  std::unique_ptr<TopicLookups> lookups_;
  std::thread thread_;
};

}  // namespace sidebus
