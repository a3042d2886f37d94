#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "server/base/error.h"
#include "server/metrics/metrics.h"

namespace sidebus {

// Series of the publish path.
//
// What every event counts is resolved per event type when routes are loaded. Failures are looked up
// when they happen, once per run of equal ones (PublishTally): made at load they would be a dozen
// series per event type that stay at zero. No label comes from a client: a type that is not in the
// producer config counts as `_unknown`.
//
// Thread safety: all methods may be called from any thread. Lives no longer than the Metrics.
class PublishMetrics {
 public:
  // One event type's. Copies count the same series.
  struct EventType {
    std::string name;
    Counter ok;          // sidebus_published_events_total, outcome ok
    Counter bytes;       // sidebus_publish_bytes_total
    Histogram duration;  // sidebus_publish_duration_seconds
    Histogram size;      // sidebus_publish_event_size_bytes
  };
  struct InFlight {
    std::size_t events = 0;
    std::uint64_t bytes = 0;
  };

  explicit PublishMetrics(Metrics& metrics);

  // `event_type` is one of the producer config. Locks and allocates.
  EventType Resolve(const std::string& event_type);

  // For events whose type is not in the producer config.
  const EventType& unknown() const { return unknown_; }

  // Adds to sidebus_published_events_total with the reason in lower case. Locks and allocates.
  void CountFailed(const EventType& type, Reason reason, std::size_t events);

  // Sets the gauges of what is in flight from now on: `read` runs at every scrape; nullopt means
  // that there is nothing any more.
  void Watch(std::uint64_t limit_bytes, absl::AnyInvocable<std::optional<InFlight>()> read);

 private:
  Metrics& metrics_;
  const EventType unknown_{"_unknown", {}, {}, {}, {}};
};

// Counts the events of one answer: one increment per run of events of the same type and outcome.
// A value on the stack of the thread that answers.
class PublishTally {
 public:
  PublishTally(PublishMetrics& metrics, double seconds) : metrics_(metrics), seconds_(seconds) {}
  ~PublishTally() { Flush(); }
  PublishTally(const PublishTally&) = delete;
  PublishTally& operator=(const PublishTally&) = delete;

  // An event that is in all its topics: its payload bytes over all of them, its record's size.
  void Ok(const PublishMetrics::EventType& type, std::size_t payload_bytes,
          std::size_t record_bytes);
  void Failed(const PublishMetrics::EventType& type, Reason reason);

 private:
  void Add(const PublishMetrics::EventType& type, std::optional<Reason> failure);
  void Flush();

  PublishMetrics& metrics_;
  const double seconds_;
  const PublishMetrics::EventType* type_ = nullptr;
  std::optional<Reason> failure_;
  std::size_t events_ = 0;
  std::size_t payload_bytes_ = 0;
};

}  // namespace sidebus
