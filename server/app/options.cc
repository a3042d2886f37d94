#include "server/app/options.h"

#include <algorithm>

namespace sidebus {
namespace {

Window WindowOf(const WindowConfig& config) { return Window{config.events, config.bytes}; }

}  // namespace

MemoryShares ShareMemory(std::uint64_t total) {
  return MemoryShares{total / 100 * 30, total / 100 * 50, total / 100 * 5};
}

PublisherOptions PublisherOptionsOf(const Config& config) {
  PublisherOptions options;
  options.source = config.source;
  options.max_event_bytes = config.limits.max_event_bytes;
  options.timeout = config.publish.timeout;
  return options;
}

SubscribeOptions SubscribeOptionsOf(const Config& config) {
  SubscribeOptions options;
  options.window = WindowOf(config.subscribe.window);
  options.max_window = WindowOf(config.subscribe.max_window);
  options.lease = config.subscribe.lease;
  options.min_lease = config.subscribe.min_lease;
  options.max_lease = config.subscribe.max_lease;
  options.retry.max_attempts = config.subscribe.max_attempts;
  options.retry.min_backoff = config.subscribe.min_backoff;
  options.retry.max_backoff = config.subscribe.max_backoff;
  options.max_delay = config.subscribe.max_delay;
  options.linger = config.subscribe.linger;
  options.max_streams = config.limits.max_streams;
  options.max_subscriptions = config.limits.max_subscriptions;
  options.max_broadcast_streams = config.limits.max_broadcast_streams;
  return options;
}

std::vector<std::string> FullTopicsOf(const Router& router) {
  std::vector<std::string> topics;
  for (const EventTypeRoutes& type : router.event_types()) {
    for (const Route& route : type.routes) topics.push_back(route.full_topic);
  }
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  return topics;
}

}  // namespace sidebus
