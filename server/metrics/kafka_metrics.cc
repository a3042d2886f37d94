#include "server/metrics/kafka_metrics.h"

#include <algorithm>

namespace sidebus {
namespace {

// A new client counts from the beginning; and of brokers that left the cluster nothing is told any more.
double Growth(std::uint64_t before, std::uint64_t now) {
  return static_cast<double>(now - std::min(before, now));
}

}  // namespace

struct KafkaMetrics::Kind {
  Kind(Metrics& all, std::string kind_name) : metrics(all), name(std::move(kind_name)) {
    constexpr std::string_view kErrors = "sidebus_kafka_request_errors_total";
    constexpr std::string_view kErrorsHelp =
        "Requests to Kafka that went wrong, by kind: tx (not sent), rx (no or no good answer), "
        "timeout, retry (sent again).";
    const auto error = [&](std::string_view kind) {
      return metrics.AddCounter(kErrors, kErrorsHelp,
                                {{"client", name}, {"kind", std::string(kind)}});
    };
    const Labels client = {{"client", name}};
    requests =
        metrics.AddCounter("sidebus_kafka_requests_total", "Requests sent to Kafka.", client);
    send_errors = error("tx");
    receive_errors = error("rx");
    timeouts = error("timeout");
    retries = error("retry");
    round_trip =
        metrics.AddGauge("sidebus_kafka_rtt_p99_seconds",
                         "99th percentile of the time from a request to its answer, of the "
                         "slowest broker in the last window; a consumer's answers wait "
                         "for records.",
                         client);
    throttle = metrics.AddGauge("sidebus_kafka_throttle_max_seconds",
                                "Longest time that a broker held requests back for a quota, in the "
                                "last window.",
                                client);
  }

  void Show() {
    double slowest = 0;
    double throttled = 0;
    for (const KafkaClientFigures& client : clients) {
      slowest = std::max(slowest, client.round_trip_p99);
      throttled = std::max(throttled, client.throttle_max);
    }
    round_trip.Set(slowest);
    throttle.Set(throttled);
    for (auto& [id, gauge] : brokers) {
      const bool is_up = std::ranges::any_of(clients, [id = id](const KafkaClientFigures& client) {
        const auto broker = client.brokers.find(id);
        return broker != client.brokers.end() && broker->second;
      });
      gauge.Set(is_up ? 1 : 0);
    }
  }

  void AddBroker(std::int32_t id) {
    if (brokers.contains(id)) return;
    brokers.emplace(
        id, metrics.AddGauge("sidebus_kafka_broker_connected", "1 if a broker connection is up.",
                             {{"client", name}, {"broker", std::to_string(id)}}));
  }

  Metrics& metrics;
  const std::string name;
  Counter requests;
  Counter send_errors;
  Counter receive_errors;
  Counter timeouts;
  Counter retries;
  Gauge round_trip;
  Gauge throttle;
  std::map<std::int32_t, Gauge> brokers;
  std::list<KafkaClientFigures> clients;  // what each said last
};

KafkaMetrics::KafkaMetrics(Metrics& metrics) : metrics_(metrics) {}

KafkaMetrics::~KafkaMetrics() = default;

std::unique_ptr<KafkaClientMetrics> KafkaMetrics::ForClient(std::string_view kind) {
  MutexLock lock(mu_);
  auto place = kinds_.find(kind);
  if (place == kinds_.end()) {
    place = kinds_.try_emplace(std::string(kind), metrics_, std::string(kind)).first;
  }
  return std::unique_ptr<KafkaClientMetrics>(new KafkaClientMetrics(*this, place->second));
}

// Called with the metrics' lock held.
KafkaClientMetrics::KafkaClientMetrics(KafkaMetrics& metrics, KafkaMetrics::Kind& kind)
    : metrics_(metrics), kind_(kind), last_(kind.clients.emplace(kind.clients.end())) {}

KafkaClientMetrics::~KafkaClientMetrics() {
  MutexLock lock(metrics_.mu_);
  kind_.clients.erase(last_);
  kind_.Show();
}

void KafkaClientMetrics::Update(const KafkaClientFigures& figures) {
  MutexLock lock(metrics_.mu_);
  kind_.requests.Increment(Growth(last_->requests, figures.requests));
  kind_.send_errors.Increment(Growth(last_->send_errors, figures.send_errors));
  kind_.receive_errors.Increment(Growth(last_->receive_errors, figures.receive_errors));
  kind_.timeouts.Increment(Growth(last_->timeouts, figures.timeouts));
  kind_.retries.Increment(Growth(last_->retries, figures.retries));
  *last_ = figures;
  for (const auto& [id, is_up] : figures.brokers) kind_.AddBroker(id);
  kind_.Show();
}

void KafkaClientMetrics::CountFatal(std::string_view code) {
  kind_.metrics
      .AddCounter("sidebus_kafka_fatal_errors_total",
                  "Errors after which a client was replaced, by Kafka's name of them.",
                  {{"client", kind_.name}, {"code", std::string(code)}})
      .Increment();
}

}  // namespace sidebus
