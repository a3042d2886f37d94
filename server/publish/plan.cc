#include "server/publish/plan.h"

#include <algorithm>
#include <map>
#include <utility>

namespace sidebus {

std::span<const PlannedRoute> PlannedType::Select(std::string_view topic) const {
  if (topic.empty()) return routes;
  const auto found = std::find_if(routes.begin(), routes.end(),
                                  [topic](const PlannedRoute& r) { return r.lane->name == topic; });
  if (found == routes.end()) return {};
  return {&*found, 1};
}

Plan::Plan(std::shared_ptr<const Router> router, Producer& producer, PublishMetrics& metrics)
    : router_(std::move(router)) {
  std::map<std::string_view, TopicLane*> by_topic;
  for (const EventTypeRoutes& config : router_->event_types()) {
    PlannedType type;
    type.config = &config;
    type.metrics = metrics.Resolve(config.type);
    for (const Route& route : config.routes) {
      if (!route.enabled) continue;
      TopicLane*& lane = by_topic[route.topic];
      if (lane == nullptr) {
        lane = lanes_.emplace_back(std::make_unique<TopicLane>()).get();
        lane->name = route.topic;
        lane->topic = &producer.Topic(route.full_topic);
      }
      type.routes.push_back({&route, lane});
    }
    types_.push_back(std::move(type));
  }
}

const PlannedType* Plan::Find(std::string_view type) const {
  const EventTypeRoutes* config = router_->Find(type);
  if (config == nullptr) return nullptr;
  return &types_[static_cast<std::size_t>(config - router_->event_types().data())];
}

}  // namespace sidebus
