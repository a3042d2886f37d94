#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/config/schema_registry_config.h"

namespace sidebus {

// One (event type, topic) entry: EVENT_BUS_PRODUCER_CONFIG[type][topic], and what `routes` adds.
struct RouteConfig {
  std::string topic;            // without prefix
  std::string event_key_field;  // dotted path; empty: no key
  bool enabled = false;
  std::optional<RecordEncoding> encoding = {};  // absent: that of the configuration
  std::string schema_file = {};                 // empty: that of the type in schemas.directory

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
