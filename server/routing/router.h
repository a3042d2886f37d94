#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "server/config/producer_config.h"
#include "server/routing/key_path.h"

namespace sidebus {

// One route, ready for use.
struct Route {
  std::string topic;       // without prefix
  std::string full_topic;  // with prefix
  std::optional<KeyPath> key_path;
  bool enabled = false;
  RecordEncoding encoding = RecordEncoding::kCloudEvents;  // of its records
};

struct EventTypeRoutes {
  std::string type;
  std::vector<Route> routes;  // in fan-out order

  // The route to `topic` (without prefix); null when there is none.
  const Route* FindTopic(std::string_view topic) const;
};

// Hashes std::string and std::string_view alike, for look-ups without a copy.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

// full topic = prefix + "-" + topic; without a prefix the topic itself.
std::string FullTopic(std::string_view prefix, std::string_view topic);

// Maps event types to routes, and topics to their full names and back. An immutable snapshot,
// replaced as a whole when the configuration changes. Thread safety: all methods are const.
class Router {
 public:
  // INVALID_ARGUMENT, one line of the message per fault: a key field that is no path, a type or a
  // topic of a type that is there twice, a name that Kafka refuses (with its prefix a topic has 1
  // to 249 characters of [A-Za-z0-9._-] and is not "." or ".."; an empty topic is refused when
  // enabled and left out otherwise). `encoding`: of routes that have none of their own.
  static absl::StatusOr<std::shared_ptr<const Router>> Make(
      const ProducerConfig& config, std::string_view topic_prefix,
      RecordEncoding encoding = RecordEncoding::kCloudEvents);

  // Null when the type is not in the producer config. The result lives as long as the router.
  const EventTypeRoutes* Find(std::string_view type) const;

  // In the order of the producer config.
  const std::vector<EventTypeRoutes>& event_types() const { return event_types_; }

  // Whether a topic (without prefix) may have records of Open edX: some route to it writes them, or
  // none goes to it, as to a dead-letter topic, and there are such routes at all.
  bool MayHaveOpenedx(std::string_view topic) const;
  bool has_openedx() const { return has_openedx_; }

  const std::string& topic_prefix() const { return topic_prefix_; }
  std::string FullTopicOf(std::string_view topic) const { return FullTopic(topic_prefix_, topic); }

  // Back again. nullopt: it lacks the prefix, and is none of this gateway's.
  std::optional<std::string> TopicOf(std::string_view full_topic) const;

 private:
  Router() = default;

  std::string topic_prefix_;
  std::vector<EventTypeRoutes> event_types_;
  bool has_openedx_ = false;
  absl::flat_hash_map<std::string, bool, StringHash, std::equal_to<>> openedx_by_topic_;
  absl::flat_hash_map<std::string, std::size_t, StringHash, std::equal_to<>> by_type_;
};

}  // namespace sidebus
