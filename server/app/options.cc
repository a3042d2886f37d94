#include "server/app/options.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>
#include <string_view>
#include <utility>

#include "server/app/version.h"

namespace sidebus {
namespace {

Window WindowOf(const WindowConfig& config) { return Window{config.events, config.bytes}; }

Undecodable UndecodableOf(OnUndecodable config) {
  switch (config) {
    case OnUndecodable::kDeadLetter:
      return Undecodable::kDeadLetter;
    case OnUndecodable::kSkip:
      return Undecodable::kSkip;
    case OnUndecodable::kHalt:
      break;
  }
  return Undecodable::kHalt;
}

Registering RegisteringOf(RegisterSchemas config) {
  switch (config) {
    case RegisterSchemas::kFirstUse:
      return Registering::kAll;
    case RegisterSchemas::kLoad:
      return Registering::kOwn;
    case RegisterSchemas::kNever:
      break;
  }
  return Registering::kNone;
}

// What a delivery adds to the bytes of its event, at most: a topic's name, ids, times, and some for
// each of a few hundred headers.
constexpr std::uint64_t kDeliveryOverhead = 1'000;

// The release of openedx-events whose records ours are like: their default `sourcelib`.
constexpr std::string_view kOpenedxEventsVersion = "11.2.0";

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

}  // namespace

MemoryShares ShareMemory(std::uint64_t total) {
  // The same arithmetic as CheckConfig(): what it lets pass fits.
  return MemoryShares{total / 10 * 3, total / 2, total / 20, total / 10};
}

SchemaCacheOptions SchemaCacheOptionsOf(const Config& config) {
  SchemaCacheOptions options;
  options.max_bytes = ShareMemory(config.limits.memory).schemas / 16;  // three kinds of answers
  options.max_asked_bytes = options.max_bytes;
  return options;
}

PublisherOptions PublisherOptionsOf(const Config& config, OpenedxSchemas schemas) {
  PublisherOptions options;
  options.source = config.source;
  options.max_event_bytes = config.limits.max_event_bytes;
  options.timeout = config.publish.timeout;
  if (config.has_openedx()) {
    options.openedx =
        OpenedxOptions{.defaults = {config.source, HostName(), std::string(kOpenedxEventsVersion)},
                       .schemas = std::move(schemas),
                       .registering = RegisteringOf(config.schema_registry.registering),
                       .schema_bytes = ShareMemory(config.limits.memory).schemas / 4};
  }
  return options;
}

SubscribeOptions SubscribeOptionsOf(const Config& config) {
  SubscribeOptions options;
  options.schema_bytes = ShareMemory(config.limits.memory).schemas / 2;
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
  options.max_interruptions = config.subscribe.max_interruptions;
  options.revoke_grace = config.subscribe.revoke_grace;
  const bool dead_letters = config.dead_letter.use == Switch::kOn;
  options.retry.on_exhausted = dead_letters ? Exhausted::kDeadLetter : Exhausted::kHalt;
  options.on_undecodable = UndecodableOf(config.subscribe.on_undecodable);
  options.max_delivery_bytes = config.limits.max_request_bytes - kDeliveryOverhead;
  options.max_streams = config.limits.max_streams;
  options.max_subscriptions = config.limits.max_subscriptions;
  options.max_broadcast_streams = config.limits.max_broadcast_streams;
  options.jitter_seed = std::random_device()();  // or all gateways would retry in step
  return options;
}

DeadLetterOptions DeadLetterOptionsOf(const Config& config) {
  return {.topic = config.dead_letter.topic, .create = config.dead_letter.create};
}

RpcServerOptions RpcServerOptionsOf(const Config& config, const Router& router,
                                    const OpenedxSchemas& schemas) {
  RpcServerOptions options;
  for (const ListenConfig& listen : config.listen) {
    options.listeners.push_back({listen.name, listen.address.host, listen.address.port,
                                 listen.address.path, listen.mode, listen.group});
  }
  options.description.version = std::string(kVersion);
  for (const EventTypeRoutes& type : router.event_types()) {
    const bool needs = std::ranges::any_of(type.routes, [&](const Route& route) {
      return route.enabled && route.encoding == RecordEncoding::kOpenedx &&
             schemas.Find(type.type, route.topic) == nullptr;
    });
    if (needs) options.description.need_schema.insert(type.type);
  }
  options.description.requests.max_event_bytes = config.limits.max_event_bytes;
  options.description.requests.max_events_per_request = config.limits.max_events_per_request;
  options.description.requests.max_request_bytes = config.limits.max_request_bytes;
  options.description.max_window = WindowOf(config.subscribe.max_window);
  options.description.min_lease = config.subscribe.min_lease;
  options.description.max_lease = config.subscribe.max_lease;
  options.transport_memory = config.limits.memory / 10 * 4;
  options.publish_streams.max_streams = config.limits.max_streams;
  options.publish_streams.events_in_flight = config.publish.stream_in_flight.events;
  options.publish_streams.bytes_in_flight = config.publish.stream_in_flight.bytes;
  options.max_subscribe_streams = config.limits.max_streams;
  options.max_connections = config.limits.max_connections;
  options.reflection = config.reflection;
  return options;
}

AdminRpcServerOptions AdminRpcServerOptionsOf(const Config& config) {
  AdminRpcServerOptions options;
  const Address address = config.admin_api.value_or(Address());
  options.listener.name = "admin_api";
  options.listener.host = address.host;
  options.listener.port = address.port;
  options.listener.path = address.path;
  options.reflection = config.reflection;
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
