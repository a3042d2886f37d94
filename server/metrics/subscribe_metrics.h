#pragma once

#include <set>
#include <string>
#include <string_view>

#include "server/base/mutex.h"
#include "server/metrics/metrics.h"

namespace sidebus {

// Label of an event type that the producer config does not have.
inline constexpr std::string_view kUnknownTypeLabel = "_unknown";

// Series of one event type of one group.
struct DeliveredTypeMetrics {
  Counter first_deliveries;
  Counter redeliveries;
  Counter settled_ack;
  Counter settled_reject;
  Counter settled_skip;
  Counter settled_exhausted;
  Counter settled_unwanted;
  Counter unwanted;
  Counter returned_nack;
  Counter returned_lease;
  Counter returned_stream_gone;
  Counter returned_revoked;
  Histogram processing;
  Histogram age;
};

// Series of one topic of one group.
struct ConsumedTopicMetrics {
  Gauge lag_events;
  Gauge lag_seconds;
  Gauge assigned_partitions;
};

// Series of one group.
struct GroupMetrics {
  Gauge subscriptions;
  Gauge streams;
  Gauge held_back_keys;
  Gauge unsettled_events;
  Gauge unsettled_bytes;
  Gauge oldest_unsettled;
  Gauge paused_lane_share;
  Gauge paused_memory;
  Gauge paused_ack_metadata;
  Gauge paused_cut_off;
  Gauge sparse_ack_use;
  Gauge last_commit;
  Gauge dead_lettering;
  Counter dead_letter_failures;
  Counter redriven_elsewhere;
  Counter interruptions;
  Counter assigned;
  Counter revoked;
  Counter lost;
  Counter commits_ok;
  Counter commits_failed;
  Counter sparse_acks_truncated;
};

// The metrics of the subscribe path. Every method looks series up (locks, allocates): called when a
// subscription starts or first sees a type, never per event.
//
// Groups are named by clients, so only the first `max_groups` get a label of their own, the others
// share `_other`; broadcast is `_broadcast`. Types come from the producer config or are `_unknown`.
//
// Thread safety: all methods may be called from any thread.
class SubscribeMetrics {
 public:
  explicit SubscribeMetrics(Metrics& metrics, std::size_t max_groups = 50)
      : metrics_(metrics), max_groups_(max_groups) {}

  // The label under which a group is counted; it stays the same. Empty: broadcast.
  std::string GroupLabel(std::string_view group);

  GroupMetrics ForGroup(const std::string& group_label);
  DeliveredTypeMetrics ForType(const std::string& group_label, std::string_view event_type);
  ConsumedTopicMetrics ForTopic(const std::string& group_label, std::string_view topic);

  // Records that were written to a dead-letter topic.
  Counter DeadLettered(const std::string& group_label, std::string_view event_type,
                       std::string_view reason);

  // Positions that were below the log start.
  Counter LostToRetention(const std::string& group_label, std::string_view topic);

  // Records that could not be decoded.
  Counter Undecodable(std::string_view topic, std::string_view reason);

 private:
  Metrics& metrics_;
  const std::size_t max_groups_;
  Mutex mu_;
  std::set<std::string, std::less<>> groups_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
