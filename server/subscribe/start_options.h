#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/routing/router.h"
#include "server/subscribe/live_subscriptions.h"
#include "server/subscribe/subscriber.h"

namespace sidebus {

// One topic that a stream reads.
struct TopicInterest {
  std::string topic;  // without prefix
  std::string full_topic;
  bool all_types = false;
  std::vector<std::string> types;  // when not all

  friend bool operator==(const TopicInterest&, const TopicInterest&) = default;
};

// What a SubscribeStart means after defaults and limits.
struct EffectiveStart {
  std::string group;  // empty: broadcast
  std::vector<TopicInterest> topics;
  StartPosition start;  // topics of positions with prefix
  Ordering ordering = Ordering::kByKey;
  Window window;
  Duration lease{};
  RetryPolicy retry;
  std::string member;
  DataFormat data_format = DataFormat::kStored;
};

// Checks a start completely and completes it. Errors, with metadata `field`, `event_type` or
// `topic`: START_INVALID, EVENT_TYPE_UNKNOWN, TOPIC_NOT_ROUTED, NOT_SUPPORTED.
absl::StatusOr<EffectiveStart> CheckStart(const SubscribeStart& start,
                                          const SubscribeOptions& options, const Router& router);

// A window as a client gave it, as it is in force: both zero is paused, one zero is that one's
// maximum, everything is clipped to the maximum.
Window ClipWindow(const Window& wanted, const Window& max);

}  // namespace sidebus
