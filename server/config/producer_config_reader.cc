#include "server/config/producer_config_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/event/topic_name.h"

namespace sidebus {
namespace {

constexpr std::size_t kMaxEventType = 255;  // ours (EVENT_INVALID at publish)

using Problems = std::vector<ConfigProblem>;

class Reader {
 public:
  Reader(const std::string& source, Problems& problems, Problems& warnings)
      : source_(source), problems_(problems), warnings_(warnings) {}

  PartialEventType EventType(const ConfigNode& node, const std::string& path) {
    PartialEventType type{node.key, {}, Place(node, path)};
    if (node.kind != ConfigNode::Kind::kMap) {
      Problem(node, path,
              fmt::format("expected a map from topic to {{event_key_field, enabled}}, found {}{}",
                          TypeOf(node),
                          node.kind == ConfigNode::Kind::kList
                              ? "; write each topic of the list as a key of a map"
                              : ""));
      return type;
    }
    for (const ConfigNode& child : node.children) {
      const std::string route_path = fmt::format("{}.{}", path, child.key);
      if (child.kind == ConfigNode::Kind::kMap) {
        type.routes.push_back(Route(child, route_path));
      } else {
        Problem(child, route_path,
                fmt::format("expected a map with event_key_field and enabled, found {}",
                            TypeOf(child)));
      }
    }
    return type;
  }

  ConfigProblem Place(const ConfigNode& node, const std::string& path) const {
    return {source_, node.line, node.column, path, ""};
  }

  void Problem(const ConfigNode& node, const std::string& path, std::string what) {
    problems_.push_back({source_, node.line, node.column, path, std::move(what)});
  }

 private:
  PartialRoute Route(const ConfigNode& node, const std::string& path) {
    PartialRoute route{node.key, {}, {}, Place(node, path), {}};
    for (const ConfigNode& field : node.children) {
      const std::string field_path = fmt::format("{}.{}", path, field.key);
      const std::string_view type = TypeOf(field);
      if (field.key == "event_key_field") {
        if (type == "text") {
          route.event_key_field = field.text;
          route.key_place = Place(field, field_path);
        } else if (type != "null") {
          Problem(field, field_path,
                  fmt::format("expected text, found {}; put it in quotes", type));
          route.event_key_field = "";  // so that it is not called missing as well
        }
      } else if (field.key == "enabled") {
        if (const std::optional<bool> enabled = PyYamlBool(field)) {
          route.enabled = enabled;
        } else if (type != "null") {
          Problem(
              field, field_path,
              fmt::format("expected true or false, found {}; write true or false without quotes",
                          type));
          route.enabled = false;
        }
      } else {
        warnings_.push_back({source_, field.line, field.column, field_path,
                             "unknown field, ignored; a route has event_key_field and enabled"});
      }
    }
    return route;
  }

  const std::string& source_;
  Problems& problems_;
  Problems& warnings_;
};

// Why Kafka would refuse the topic; empty when it would not.
std::string TopicProblem(const std::string& topic, const std::string& prefix) {
  if (!HasTopicCharactersOnly(topic)) {
    return "a topic's name has letters, digits, '.', '_' and '-' only";
  }
  if (IsReservedTopicName(topic)) return "Kafka allows no topic of this name";
  const std::size_t length = topic.size() + (prefix.empty() ? 0 : prefix.size() + 1);
  if (length <= kMaxTopicLength) return "";
  return fmt::format("the topic's full name has {} characters, Kafka's limit is {}", length,
                     kMaxTopicLength);
}

std::string EventTypeProblem(const std::string& type) {
  if (type.empty()) return "an event type is not empty";
  if (type.size() > kMaxEventType) {
    return fmt::format("an event type has at most {} bytes, this has {}", kMaxEventType,
                       type.size());
  }
  const bool control = std::any_of(type.begin(), type.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  return control ? "an event type has no control characters" : "";
}

bool IsKeyPath(const std::string& path) {
  return path.front() != '.' && path.back() != '.' && path.find("..") == std::string::npos;
}

void Add(const ConfigProblem& place, std::string what, Problems& problems) {
  problems.push_back(place);
  problems.back().what = std::move(what);
}

}  // namespace

PartialProducerConfig ReadProducerConfig(const ConfigNode& node, const std::string& source,
                                         const std::string& path, Problems& problems,
                                         Problems& warnings) {
  Reader reader(source, problems, warnings);
  PartialProducerConfig config;
  if (node.kind != ConfigNode::Kind::kMap) {
    reader.Problem(node, path,
                   fmt::format("expected a map from event type to topics, found {}", TypeOf(node)));
    return config;
  }
  for (const ConfigNode& child : node.children) {
    config.push_back(reader.EventType(child, path.empty() ? child.key : path + "." + child.key));
  }
  return config;
}

PartialProducerConfig MergeProducerConfigs(PartialProducerConfig original,
                                           const PartialProducerConfig& overrides) {
  for (const PartialEventType& type : overrides) {
    const auto same_type = std::find_if(original.begin(), original.end(),
                                        [&](const auto& other) { return other.type == type.type; });
    if (same_type == original.end()) {
      original.push_back(type);
      continue;
    }
    for (const PartialRoute& route : type.routes) {
      const auto same_topic =
          std::find_if(same_type->routes.begin(), same_type->routes.end(),
                       [&](const auto& other) { return other.topic == route.topic; });
      if (same_topic == same_type->routes.end()) {
        same_type->routes.push_back(route);
        continue;
      }
      if (route.event_key_field) {
        same_topic->event_key_field = route.event_key_field;
        same_topic->key_place = route.key_place;
      }
      if (route.enabled) same_topic->enabled = route.enabled;
    }
  }
  return original;
}

ProducerConfig FinishProducerConfig(const PartialProducerConfig& partial,
                                    const std::string& topic_prefix, Problems& problems,
                                    Problems& warnings) {
  ProducerConfig config;
  for (const PartialEventType& type : partial) {
    if (std::string what = EventTypeProblem(type.type); !what.empty()) {
      Add(type.place, std::move(what), problems);
    }
    if (type.routes.empty()) Add(type.place, "has no topic; nothing is ever sent", warnings);
    EventTypeConfig& finished = config.emplace_back(EventTypeConfig{type.type, {}});
    for (const PartialRoute& route : type.routes) {
      if (!route.event_key_field) {
        Add(route.place, "event_key_field is missing; \"\" means no key", problems);
      } else if (!route.event_key_field->empty() && !IsKeyPath(*route.event_key_field)) {
        Add(route.place,
            fmt::format("event_key_field \"{}\" has an empty name between its dots; an event "
                        "without such a member will be refused (KEY_FIELD_MISSING)",
                        *route.event_key_field),
            warnings);
      }
      if (!route.enabled) {
        Add(route.place, "enabled is missing; write enabled: true or enabled: false", problems);
      }
      const bool enabled = route.enabled.value_or(false);
      if (route.topic.empty()) {
        Add(route.place, "the topic's name is empty", enabled ? problems : warnings);
      } else if (std::string what = TopicProblem(route.topic, topic_prefix); !what.empty()) {
        Add(route.place, std::move(what), problems);
      }
      finished.routes.push_back({route.topic, route.event_key_field.value_or(""), enabled});
    }
  }
  return config;
}

}  // namespace sidebus
