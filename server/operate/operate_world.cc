#include "server/operate/operate_world.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/event/topic_name.h"
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

std::string PrefixHint(const Router& router, std::string_view topic) {
  const std::optional<std::string> without = router.TopicOf(topic);
  if (!without.has_value() || *without == topic) return "";
  return fmt::format("names are without the prefix `{}-`: \"{}\"", router.topic_prefix(), *without);
}

absl::Status CheckGroupName(std::string_view group) {
  if (group.empty()) return InvalidField("group", "which one? It is empty");
  if (group.size() <= kMaxGroupLength) return absl::OkStatus();
  return InvalidField(
      "group", fmt::format("it has {} bytes, and may have {}", group.size(), kMaxGroupLength));
}

}  // namespace sidebus
