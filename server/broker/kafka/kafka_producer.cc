#include "server/broker/kafka/kafka_producer.h"

#include <array>
#include <chrono>
#include <utility>

#include "server/base/check.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/broker/kafka/client_statistics.h"
#include "server/broker/kafka/kafka_error.h"

namespace sidebus {
namespace {

constexpr int kPollMs = 1000;
// What was between two of librdkafka's queues during a purge escapes it: purge again.
constexpr auto kPurgeAgain = std::chrono::milliseconds(100);
constexpr std::size_t kReportsAtOnce = 256;
constexpr char kInterceptor[] = "sidebus";

KafkaHeaders HeadersOf(const Record& record) {
  if (record.headers.empty()) return nullptr;
  const RawHeaders headers = RawHeadersOf(record.headers);
  return KafkaHeaders(
      rd_kafka_headers_new_raw(headers.size(), headers.block().data(), headers.block().size()));
}

void SetBytes(rd_kafka_vu_t& argument, rd_kafka_vtype_t type,
              const std::optional<std::string>& bytes) {
  argument.vtype = type;
  // librdkafka only reads it; its argument is shared with other uses that write.
  argument.u.mem.ptr = bytes ? const_cast<char*>(bytes->data()) : nullptr;
  argument.u.mem.size = bytes ? bytes->size() : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KafkaProducer>> KafkaProducer::Make(
    const KafkaBrokerOptions& options, ProducerListener& listener) {
  std::unique_ptr<KafkaProducer> producer(new KafkaProducer(options, listener));
  absl::StatusOr<std::shared_ptr<ProducerClient>> client = producer->MakeClientAndTopics();
  if (!client.ok()) return client.status();
  {
    MutexLock lock(producer->mu_);
    producer->client_ = *std::move(client);
  }
  KafkaProducer* const self = producer.get();
  producer->lookups_ = std::make_unique<TopicLookups>(
      [self](const KafkaTopic* topic) { return self->TargetOf(topic); },
      [self] {
        self->readiness_changed_ = true;
        self->Wake();
      });
  producer->thread_ = std::thread([self] { self->Run(); });
  return producer;
}

KafkaProducer::KafkaProducer(const KafkaBrokerOptions& options, ProducerListener& listener)
    : options_(options),
      listener_(listener),
      metrics_(options.metrics != nullptr ? options.metrics->ForClient("producer") : nullptr),
      maker_(options.make_topic) {}

KafkaProducer::~KafkaProducer() {
  if (!thread_.joinable()) return;
  open_ = false;
  do {
    Purge();
  } while (!Flush(Clock::Real().Now() + kPurgeAgain));
  stopping_ = true;
  Wake();
  thread_.join();
  maker_.Drop();
  lookups_.reset();  // after the poll thread, which tells it what it hears
  std::shared_ptr<ProducerClient> client;
  {
    MutexLock lock(mu_);
    client = std::move(client_);
  }
  client.reset();  // waits for the threads of its brokers: one may be about to say "all reported"
}

std::shared_ptr<ProducerClient> KafkaProducer::client() const {
  MutexLock lock(mu_);
  return client_;
}

TopicLookups::Target KafkaProducer::TargetOf(const KafkaTopic* topic) const {
  MutexLock lock(mu_);
  if (!open_) return {};
  return {client_, topic == nullptr ? nullptr : client_->topics[topic->index()].get()};
}

absl::StatusOr<std::shared_ptr<ProducerClient>> KafkaProducer::MakeClientAndTopics() {
  absl::StatusOr<KafkaConf> conf = MakeProducerConf(options_, log_);
  if (!conf.ok()) return conf.status();
  SIDEBUS_CHECK(rd_kafka_conf_interceptor_add_on_new(conf->get(), kInterceptor, OnNewClient,
                                                     this) == RD_KAFKA_RESP_ERR_NO_ERROR);
  absl::StatusOr<KafkaClient> handle = MakeClient(RD_KAFKA_PRODUCER, *std::move(conf));
  if (!handle.ok()) return handle.status();
  auto client = std::make_shared<ProducerClient>();
  client->handle = *std::move(handle);
  client->queue = KafkaQueue(rd_kafka_queue_get_main(client->handle.get()));
  MutexLock lock(mu_);
  for (KafkaTopic* topic : by_index_) {
    client->topics.push_back(MakeTopicHandle(client->handle.get(), *topic));
  }
  return client;
}

KafkaTopicHandle KafkaProducer::MakeTopicHandle(rd_kafka_t* client, KafkaTopic& topic) {
  rd_kafka_topic_conf_t* const conf = rd_kafka_default_topic_conf_dup(client);
  rd_kafka_topic_conf_set_opaque(conf, &topic);
  return KafkaTopicHandle(rd_kafka_topic_new(client, topic.name().c_str(), conf));
}

ProducerTopic& KafkaProducer::Topic(const std::string& full_name) {
  KafkaTopic* added = nullptr;
  {
    MutexLock lock(mu_);
    std::unique_ptr<KafkaTopic>& slot = topics_[full_name];
    if (slot != nullptr) return *slot;
    slot = std::make_unique<KafkaTopic>(full_name, by_index_.size(), *lookups_);
    added = slot.get();
    by_index_.push_back(added);
    client_->topics.push_back(MakeTopicHandle(client_->handle.get(), *added));
  }
  lookups_->Add(*added);
  return *added;
}

void KafkaProducer::CreateTopic(ProducerTopic& topic, const std::string& like,
                                absl::AnyInvocable<void(absl::Status)> done) {
  auto made = [this, &topic, done = std::move(done)](const absl::Status& status) mutable {
    if (status.ok()) lookups_->Forget(static_cast<KafkaTopic&>(topic));
    done(status);
  };
  const std::shared_ptr<ProducerClient> client = this->client();
  maker_.Start(client->handle.get(), client->queue.get(), topic.name(), like, std::move(made));
  if (client != this->client()) asked_old_client_ = true;
}

absl::Status KafkaProducer::Produce(ProducerTopic& topic, PendingRecord& record) {
  // In this order: either we see that it closed, or whoever closed it sees that a record is coming.
  // Two: the record, which may be reported before librdkafka's call returns, and this call.
  in_flight_ += 2;
  if (!open_) {
    Forgotten(2);
    return MakeError(Reason::kBrokerDown,
                     "publish: the connection to Kafka is being replaced: try again");
  }
  const rd_kafka_resp_err_t error = Give(static_cast<KafkaTopic&>(topic), record);
  Forgotten(error == RD_KAFKA_RESP_ERR_NO_ERROR ? 1 : 2);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return ErrorOfKafka(error, "publish");
}

// Once it was taken the record is librdkafka's, and may be reported before this returns.
rd_kafka_resp_err_t KafkaProducer::Give(KafkaTopic& topic, const PendingRecord& record) {
  std::array<rd_kafka_vu_t, 5> arguments;
  KafkaHeaders headers = HeadersOf(record.record);
  arguments[0].vtype = RD_KAFKA_VTYPE_RKT;
  SetBytes(arguments[1], RD_KAFKA_VTYPE_VALUE, record.record.value);
  SetBytes(arguments[2], RD_KAFKA_VTYPE_KEY, record.record.key);
  arguments[3].vtype = RD_KAFKA_VTYPE_OPAQUE;
  arguments[3].u.ptr = const_cast<PendingRecord*>(&record);  // comes back in Report()
  arguments[4].vtype = RD_KAFKA_VTYPE_HEADERS;
  arguments[4].u.headers = headers.get();

  rd_kafka_t* client = nullptr;  // stays: something is in flight
  {
    MutexLock lock(mu_);
    client = client_->handle.get();
    arguments[0].u.rkt = client_->topics[topic.index()].get();
  }
  const KafkaErrorHandle refused(
      rd_kafka_produceva(client, arguments.data(), headers == nullptr ? 4 : 5));
  if (refused == nullptr) {
    (void)headers.release();  // librdkafka has them now
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  const rd_kafka_resp_err_t error = rd_kafka_error_code(refused.get());
  if (SaysTopicIsMissing(error)) lookups_->Forget(topic);
  return error;
}

// So many records, or calls of Produce(), are not in flight any more.
void KafkaProducer::Forgotten(std::size_t count) {
  if (count == 0 || in_flight_.fetch_sub(count) != count) return;
  MutexLock lock(mu_);
  all_reported_.NotifyAll();
}

bool KafkaProducer::Flush(SteadyTime deadline) {
  MutexLock lock(mu_);
  while (in_flight_ != 0) {
    if (!all_reported_.WaitUntil(mu_, deadline)) return in_flight_ == 0;
  }
  return true;
}

void KafkaProducer::Purge() {
  rd_kafka_purge(client()->handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                             RD_KAFKA_PURGE_F_NON_BLOCKING);
}

void KafkaProducer::FailFatallyForTest() {
  rd_kafka_test_fatal_error(client()->handle.get(), RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                            "test");
}

void KafkaProducer::Wake() {
  MutexLock lock(mu_);
  rd_kafka_queue_yield(client_->queue.get());
}

void KafkaProducer::Run() {
  std::shared_ptr<ProducerClient> client = this->client();
  while (!stopping_) {
    const bool purging = replacing_ && in_flight_ != 0;
    const int timeout_ms = purging ? static_cast<int>(kPurgeAgain.count()) : kPollMs;
    if (const KafkaEvent event(rd_kafka_queue_poll(client->queue.get(), timeout_ms));
        event != nullptr) {
      OnEvent(event.get());
    } else if (purging) {
      Purge();
    }
    if (replacing_ && in_flight_ == 0) {
      client.reset();
      FinishReplacing();
      client = this->client();
    }
    if (asked_old_client_.exchange(false)) maker_.Drop();
    if (readiness_changed_.exchange(false)) listener_.OnReadinessChanged();
  }
}

void KafkaProducer::OnEvent(rd_kafka_event_t* event) {
  switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
      return OnReports(event);
    case RD_KAFKA_EVENT_ERROR:
      return OnError(event);
    case RD_KAFKA_EVENT_STATS:
      return OnStatistics(event);
    case RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT:
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT: {
      const std::shared_ptr<ProducerClient> client = this->client();
      return maker_.OnEvent(client->handle.get(), client->queue.get(), event);
    }
    default:
      return;
  }
}

rd_kafka_resp_err_t KafkaProducer::OnNewClient(rd_kafka_t* client, const rd_kafka_conf_t*,
                                               void* self, char*, std::size_t) {
  SIDEBUS_CHECK(rd_kafka_interceptor_add_on_acknowledgement(client, kInterceptor, OnAcknowledged,
                                                            self) == RD_KAFKA_RESP_ERR_NO_ERROR);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// On the thread of the broker that answered. librdkafka calls this for what failed, too, also from
// inside rd_kafka_produceva(): that is left to OnReports() and Produce().
rd_kafka_resp_err_t KafkaProducer::OnAcknowledged(rd_kafka_t*, rd_kafka_message_t* message,
                                                  void* self) noexcept {
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    auto& producer = *static_cast<KafkaProducer*>(self);
    producer.lookups_->OnDelivered();
    Report(*message);
    producer.Forgotten(1);
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void KafkaProducer::Report(const rd_kafka_message_t& message) {
  static_cast<PendingRecord*>(message._private)
      ->OnReport(ReportOf(rd_kafka_message_status(&message), message.err, message.partition,
                          message.offset));
}

// Of what failed.
void KafkaProducer::OnReports(rd_kafka_event_t* event) {
  std::array<const rd_kafka_message_t*, kReportsAtOnce> messages;
  std::size_t reported = 0;
  while (const std::size_t count =
             rd_kafka_event_message_array(event, messages.data(), messages.size())) {
    for (std::size_t i = 0; i < count; ++i) {
      const rd_kafka_message_t& message = *messages[i];
      auto& topic = *static_cast<KafkaTopic*>(rd_kafka_topic_opaque(message.rkt));
      if (SaysTopicIsMissing(message.err)) lookups_->Forget(topic);
      Report(message);
    }
    reported += count;
  }
  Forgotten(reported);
}

void KafkaProducer::OnError(rd_kafka_event_t* event) {
  const rd_kafka_resp_err_t error = rd_kafka_event_error(event);
  if (error == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_event_error_is_fatal(event) != 0) {
    return StartReplacing();
  }
  // librdkafka logs the rest by itself.
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return lookups_->OnAllBrokersDown();
  lookups_->OnConnectionLost();
}

void KafkaProducer::OnStatistics(rd_kafka_event_t* event) {
  if (metrics_ == nullptr) return;
  const auto figures = ParseStatistics(rd_kafka_event_stats(event));
  if (figures) metrics_->Update(*figures);
}

void KafkaProducer::StartReplacing() {
  if (replacing_) return;
  replacing_ = true;
  open_ = false;
  std::array<char, 256> why{};
  const rd_kafka_resp_err_t error =
      rd_kafka_fatal_error(client()->handle.get(), why.data(), why.size());
  if (metrics_ != nullptr) metrics_->CountFatal(rd_kafka_err2name(error));
  Log(LogLevel::kError, "the Kafka producer failed fatally and is replaced",
      {{"error", rd_kafka_err2name(error)}, {"in_flight", in_flight_.load()}});
  lookups_->ForgetAll();
  maker_.Drop();
  Purge();
}

void KafkaProducer::FinishReplacing() {
  absl::StatusOr<std::shared_ptr<ProducerClient>> client = MakeClientAndTopics();
  if (!client.ok()) {
    // The same options made the first one, so a file or the machine is at fault, and may recover.
    if (!std::exchange(replacing_failed_, true)) {
      Log(LogLevel::kError, "no new Kafka producer can be made; it is tried again each second",
          {{"error", client.status()}});
    }
    return;
  }
  std::shared_ptr<ProducerClient> old;
  {
    MutexLock lock(mu_);
    old = std::exchange(client_, *std::move(client));
    // Topics that were added meanwhile went to the old client.
    for (std::size_t i = client_->topics.size(); i < by_index_.size(); ++i) {
      client_->topics.push_back(MakeTopicHandle(client_->handle.get(), *by_index_[i]));
    }
  }
  asked_old_client_ = true;  // perhaps, since it failed
  open_ = true;
  replacing_ = false;
  replacing_failed_ = false;
  ++replaced_;
  lookups_->ForgetAll();
  readiness_changed_ = true;
}

}  // namespace sidebus
