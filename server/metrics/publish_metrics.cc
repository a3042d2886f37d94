#include "server/metrics/publish_metrics.h"

#include <utility>

namespace sidebus {
namespace {

std::string LowerName(Reason reason) {
  std::string name(ReasonName(reason));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

Counter PublishedEvents(Metrics& metrics, const std::string& type, const std::string& outcome) {
  return metrics.AddCounter("sidebus_published_events_total",
                            "Published events, by type and outcome.",
                            {{"event_type", type}, {"outcome", outcome}});
}

}  // namespace

PublishMetrics::PublishMetrics(Metrics& metrics) : metrics_(metrics) {}

PublishMetrics::EventType PublishMetrics::Resolve(const std::string& event_type) {
  const Labels labels = {{"event_type", event_type}};
  return {
      event_type, PublishedEvents(metrics_, event_type, "ok"),
      metrics_.AddCounter("sidebus_publish_bytes_total",
                          "Payload bytes acknowledged by the broker.", labels),
      metrics_.AddHistogram("sidebus_publish_duration_seconds",
                            "From the arrival of a publish to the answer that the broker has it.",
                            buckets::kLatency, labels),
      metrics_.AddHistogram("sidebus_publish_event_size_bytes", "Encoded record size.",
                            buckets::kSize, labels)};
}

void PublishMetrics::CountFailed(const EventType& type, Reason reason, std::size_t events) {
  PublishedEvents(metrics_, type.name, LowerName(reason)).Increment(static_cast<double>(events));
}

void PublishMetrics::Watch(std::uint64_t limit_bytes,
                           absl::AnyInvocable<std::optional<InFlight>()> read) {
  Gauge events = metrics_.AddGauge("sidebus_publish_inflight_events",
                                   "Events accepted and not yet acknowledged.");
  Gauge bytes = metrics_.AddGauge("sidebus_publish_inflight_bytes",
                                  "Bytes of events accepted and not yet acknowledged.");
  metrics_.AddGauge("sidebus_publish_queue_limit_bytes", "Configured bound on bytes in flight.")
      .Set(static_cast<double>(limit_bytes));
  metrics_.BeforeSerialize([events, bytes, read = std::move(read)]() mutable {
    const InFlight now = read().value_or(InFlight{});
    events.Set(static_cast<double>(now.events));
    bytes.Set(static_cast<double>(now.bytes));
  });
}

void PublishTally::Ok(const PublishMetrics::EventType& type, std::size_t payload_bytes,
                      std::size_t record_bytes) {
  Add(type, std::nullopt);
  payload_bytes_ += payload_bytes;
  Histogram duration = type.duration;
  Histogram size = type.size;
  duration.Observe(seconds_);
  size.Observe(static_cast<double>(record_bytes));
}

void PublishTally::Failed(const PublishMetrics::EventType& type, Reason reason) {
  Add(type, reason);
}

void PublishTally::Add(const PublishMetrics::EventType& type, std::optional<Reason> failure) {
  if (type_ != &type || failure_ != failure) Flush();
  type_ = &type;
  failure_ = failure;
  ++events_;
}

void PublishTally::Flush() {
  if (type_ == nullptr) return;
  if (failure_.has_value()) {
    metrics_.CountFailed(*type_, *failure_, events_);
  } else {
    Counter ok = type_->ok;
    Counter bytes = type_->bytes;
    ok.Increment(static_cast<double>(events_));
    bytes.Increment(static_cast<double>(payload_bytes_));
  }
  type_ = nullptr;
  events_ = 0;
  payload_bytes_ = 0;
}

}  // namespace sidebus
