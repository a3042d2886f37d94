#include "server/routing/router.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "server/event/topic_name.h"

namespace sidebus {
namespace {

// What Kafka has against a topic name; empty when nothing.
std::string TopicFault(std::string_view full_topic) {
  if (full_topic.empty()) return "is empty";
  if (full_topic.size() > kMaxTopicLength) {
    return fmt::format("has {} characters with its prefix; Kafka allows {}", full_topic.size(),
                       kMaxTopicLength);
  }
  if (IsReservedTopicName(full_topic)) return "is a name that Kafka reserves";
  if (!HasTopicCharactersOnly(full_topic)) {
    return "has a character that Kafka refuses; use letters, digits, dot, underscore and hyphen";
  }
  return "";
}

}  // namespace

std::string FullTopic(std::string_view prefix, std::string_view topic) {
  return prefix.empty() ? std::string(topic) : fmt::format("{}-{}", prefix, topic);
}

const Route* EventTypeRoutes::FindTopic(std::string_view topic) const {
  const auto route = std::find_if(routes.begin(), routes.end(),
                                  [topic](const Route& r) { return r.topic == topic; });
  return route == routes.end() ? nullptr : &*route;
}

absl::StatusOr<std::shared_ptr<const Router>> Router::Make(const ProducerConfig& config,
                                                           std::string_view topic_prefix,
                                                           RecordEncoding encoding) {
  std::shared_ptr<Router> router(new Router());
  router->has_openedx_ = encoding == RecordEncoding::kOpenedx;
  router->topic_prefix_ = topic_prefix;
  router->event_types_.reserve(config.size());
  std::vector<std::string> faults;

  for (const EventTypeConfig& type : config) {
    EventTypeRoutes routes{type.type, {}};
    const auto fault = [&](const RouteConfig& route, std::string_view what) {
      faults.push_back(fmt::format("producer_config: event type \"{}\": topic \"{}\" {}", type.type,
                                   route.topic, what));
    };
    for (const RouteConfig& entry : type.routes) {
      if (entry.topic.empty()) {
        if (entry.enabled) fault(entry, "is enabled and has no name");
        continue;
      }
      Route route{entry.topic, FullTopic(topic_prefix, entry.topic), std::nullopt, entry.enabled,
                  entry.encoding.value_or(encoding)};
      if (const std::string what = TopicFault(route.full_topic); !what.empty()) fault(entry, what);
      if (routes.FindTopic(entry.topic) != nullptr) fault(entry, "is there twice");
      if (!entry.event_key_field.empty()) route.key_path.emplace(entry.event_key_field);
      const bool openedx = route.encoding == RecordEncoding::kOpenedx;
      router->has_openedx_ = router->has_openedx_ || openedx;
      bool& topic_has = router->openedx_by_topic_[route.topic];
      topic_has = topic_has || openedx;
      routes.routes.push_back(std::move(route));
    }
    if (!router->by_type_.emplace(type.type, router->event_types_.size()).second) {
      faults.push_back(fmt::format("producer_config: event type \"{}\" is there twice", type.type));
    }
    router->event_types_.push_back(std::move(routes));
  }
  if (!faults.empty()) {
    return absl::InvalidArgumentError(fmt::format("{}", fmt::join(faults, "\n")));
  }
  return std::shared_ptr<const Router>(std::move(router));
}

const EventTypeRoutes* Router::Find(std::string_view type) const {
  const auto found = by_type_.find(type);
  return found == by_type_.end() ? nullptr : &event_types_[found->second];
}

bool Router::MayHaveOpenedx(std::string_view topic) const {
  const auto found = openedx_by_topic_.find(topic);
  return found == openedx_by_topic_.end() ? has_openedx_ : found->second;
}

std::optional<std::string> Router::TopicOf(std::string_view full_topic) const {
  if (topic_prefix_.empty()) return std::string(full_topic);
  const std::size_t skipped = topic_prefix_.size() + 1;
  if (full_topic.size() <= skipped || !full_topic.starts_with(topic_prefix_) ||
      full_topic[skipped - 1] != '-') {
    return std::nullopt;
  }
  return std::string(full_topic.substr(skipped));
}

}  // namespace sidebus
