#include "server/operate/operate_world.h"

#include <algorithm>

#include "server/subscribe/subscription.h"

namespace sidebus {

std::vector<std::string> KnownTopics(const OperateWorld& world, const std::string& group) {
  std::vector<std::string> topics;
  for (const EventTypeRoutes& type : world.router->event_types()) {
    for (const Route& route : type.routes) topics.push_back(route.full_topic);
  }
  for (const auto& subscription : world.subscriptions.OfGroup(group)) {
    for (const std::string& topic : subscription->Summarize().topics) {
      topics.push_back(world.router->FullTopicOf(topic));
    }
  }
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  return topics;
}

}  // namespace sidebus
