#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sidebus {

// One (event type, topic) entry: EVENT_BUS_PRODUCER_CONFIG[type][topic].
struct RouteConfig {
  std::string topic;            // without prefix
  std::string event_key_field;  // dotted path; empty: no key
  bool enabled = false;

  friend bool operator==(const RouteConfig&, const RouteConfig&) = default;
};

// The producer config in the order in which it was written, which is the fan-out order.
struct EventTypeConfig {
  std::string type;
  std::vector<RouteConfig> routes;

  friend bool operator==(const EventTypeConfig&, const EventTypeConfig&) = default;
};
using ProducerConfig = std::vector<EventTypeConfig>;

}  // namespace sidebus
