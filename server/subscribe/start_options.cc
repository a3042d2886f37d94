#include "server/subscribe/start_options.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/event/topic_name.h"
#include "server/subscribe/retry_policy.h"

namespace sidebus {
namespace {

constexpr std::size_t kMaxMemberLength = 255;
constexpr std::size_t kMaxNames = 1'000;  // topics, event types
constexpr std::size_t kMaxPositions = 10'000;

absl::Status StartInvalid(std::string_view field, std::string_view what) {
  return MakeError(Reason::kStartInvalid, fmt::format("`{}` {}", field, what),
                   {{std::string(error_key::kField), std::string(field)}});
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

absl::Status CheckName(std::string_view field, std::string_view name, std::size_t max_length) {
  if (name.size() > max_length) {
    return StartInvalid(field, fmt::format("is longer than {} bytes", max_length));
  }
  if (std::any_of(name.begin(), name.end(), IsControl)) {
    return StartInvalid(field, "has a control character");
  }
  // librdkafka leaves out those at the beginning: another group, or none.
  if (name.starts_with(' ') || name.ends_with(' ')) {
    return StartInvalid(field, "begins or ends with a blank");
  }
  return absl::OkStatus();
}

// In the order of their first appearance.
std::vector<std::string> WithoutDuplicates(const std::vector<std::string>& names) {
  std::vector<std::string> result;
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (seen.insert(name).second) result.push_back(name);
  }
  return result;
}

absl::Status CheckCount(std::string_view field, std::size_t count, std::size_t most) {
  if (count <= most) return absl::OkStatus();
  return StartInvalid(field, fmt::format("has {} items, at most {} are allowed", count, most));
}

TopicInterest& InterestIn(std::vector<TopicInterest>& interests, const std::string& topic,
                          const Router& router) {
  for (TopicInterest& interest : interests) {
    if (interest.topic == topic) return interest;
  }
  return interests.emplace_back(
      TopicInterest{.topic = topic, .full_topic = router.FullTopicOf(topic), .types = {}});
}

absl::StatusOr<std::vector<TopicInterest>> ResolveTopics(const SubscribeStart& start,
                                                         const Router& router) {
  if (auto few = CheckCount("topics", start.topics.size(), kMaxNames); !few.ok()) return few;
  if (auto few = CheckCount("event_types", start.event_types.size(), kMaxNames); !few.ok()) {
    return few;
  }
  std::vector<TopicInterest> result;
  const std::vector<std::string> topics = WithoutDuplicates(start.topics);
  for (const std::string& topic : topics) {
    if (!IsTopicName(router.FullTopicOf(topic)) || topic.empty()) {
      return StartInvalid("topics",
                          "has a name that no topic can have: 1 to 249 characters of "
                          "A-Z a-z 0-9 . _ - with the prefix");
    }
    InterestIn(result, topic, router).all_types = start.event_types.empty();
  }
  std::vector<bool> routed(topics.size(), false);
  for (const std::string& type : WithoutDuplicates(start.event_types)) {
    const EventTypeRoutes* const routes = router.Find(type);
    if (routes == nullptr) {
      return MakeError(Reason::kEventTypeUnknown,
                       "the producer config has no such event type: add it there, or subscribe "
                       "to its topic",
                       {{std::string(error_key::kEventType), type}});
    }
    if (topics.empty()) {
      for (const Route& route : routes->routes) {
        InterestIn(result, route.topic, router).types.push_back(type);
      }
      continue;
    }
    bool any = false;
    for (std::size_t i = 0; i < topics.size(); ++i) {
      result[i].types.push_back(type);
      if (routes->FindTopic(topics[i]) == nullptr) continue;
      any = true;
      routed[i] = true;
    }
    if (!any) {
      return MakeError(Reason::kTopicNotRouted,
                       "the producer config routes the event type to none of `topics`",
                       {{std::string(error_key::kEventType), type}});
    }
  }
  if (!start.event_types.empty()) {
    for (std::size_t i = 0; i < topics.size(); ++i) {
      if (routed[i]) continue;
      return MakeError(Reason::kTopicNotRouted,
                       "the producer config routes none of `event_types` to the topic",
                       {{std::string(error_key::kTopic), topics[i]}});
    }
  }
  if (result.empty()) {
    return StartInvalid("event_types", "and `topics` name no topic: nothing can be received");
  }
  return result;
}

absl::StatusOr<StartPosition> ResolvePosition(const SubscribeStart& start, const Router& router,
                                              const std::vector<TopicInterest>& topics) {
  using At = StartPosition::At;
  if (!start.start.has_value()) {
    return StartPosition{.at = start.group.empty() ? At::kLatest : At::kEarliest, .positions = {}};
  }
  StartPosition result = *start.start;
  if (result.at != At::kPositions) return result;
  if (!start.group.empty()) {
    return StartInvalid("start_from", "takes positions for broadcast only: seek the group instead");
  }
  if (auto few = CheckCount("start_from", result.positions.size(), kMaxPositions); !few.ok()) {
    return few;
  }
  for (Position& position : result.positions) {
    const bool named = std::any_of(topics.begin(), topics.end(), [&](const TopicInterest& topic) {
      return topic.topic == position.topic;
    });
    if (!named) return StartInvalid("start_from", "has a position on a topic that is not read");
    if (position.partition < 0 || position.offset < 0) {
      return StartInvalid("start_from", "has a negative partition or offset");
    }
    position.topic = router.FullTopicOf(position.topic);
  }
  return result;
}

absl::StatusOr<RetryPolicy> ResolveRetry(const SubscribeStart& start,
                                         const SubscribeOptions& options) {
  const RetryPolicy& wanted = start.retry;
  if (wanted.min_backoff < Duration(0)) return StartInvalid("retry.min_backoff", "is negative");
  if (wanted.max_backoff < Duration(0)) return StartInvalid("retry.max_backoff", "is negative");
  if (wanted.max_backoff > Duration(0) && wanted.min_backoff > wanted.max_backoff) {
    return StartInvalid("retry.min_backoff", "is longer than `retry.max_backoff`");
  }
  const bool dead_letters = options.retry.on_exhausted == Exhausted::kDeadLetter;
  if (wanted.on_exhausted == Exhausted::kDeadLetter && !dead_letters) {
    return MakeError(Reason::kNotSupported,
                     "`dead_letter` is off in the gateway's configuration: use EXHAUSTED_HALT or "
                     "EXHAUSTED_SKIP, or set it",
                     {{std::string(error_key::kField), "retry.on_exhausted"}});
  }
  RetryPolicy result = NarrowRetryPolicy(options.retry, wanted, options.max_delay);
  if (start.group.empty()) result.on_exhausted = Exhausted::kSkip;
  return result;
}

}  // namespace

Window ClipWindow(const Window& wanted, const Window& max) {
  if (wanted == Window()) return wanted;
  Window result = wanted;
  if (result.events == 0 || result.events > max.events) result.events = max.events;
  if (result.bytes == 0 || result.bytes > max.bytes) result.bytes = max.bytes;
  return result;
}

absl::StatusOr<EffectiveStart> CheckStart(const SubscribeStart& start,
                                          const SubscribeOptions& options, const Router& router) {
  EffectiveStart result;
  if (auto named = CheckName("group", start.group, kMaxGroupLength); !named.ok()) return named;
  if (auto named = CheckName("member", start.member, kMaxMemberLength); !named.ok()) return named;
  result.group = start.group;
  result.member = start.member;
  result.data_format = start.data_format;
  auto topics = ResolveTopics(start, router);
  if (!topics.ok()) return topics.status();
  result.topics = *std::move(topics);
  auto position = ResolvePosition(start, router, result.topics);
  if (!position.ok()) return position.status();
  result.start = *std::move(position);
  auto retry = ResolveRetry(start, options);
  if (!retry.ok()) return retry.status();
  result.retry = *std::move(retry);
  if (start.lease.has_value() && *start.lease <= Duration(0)) {
    return StartInvalid("lease", "is not positive");
  }
  result.lease =
      std::clamp(start.lease.value_or(options.lease), options.min_lease, options.max_lease);
  result.window = ClipWindow(start.window.value_or(options.window), options.max_window);
  result.ordering = start.ordering.value_or(Ordering::kByKey);
  return result;
}

}  // namespace sidebus
