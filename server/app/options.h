#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/codec/schema_cache.h"
#include "server/config/config.h"
#include "server/publish/publisher.h"
#include "server/routing/router.h"
#include "server/rpc/admin_rpc_server.h"
#include "server/rpc/rpc_server.h"
#include "server/subscribe/dead_letters.h"
#include "server/subscribe/live_subscriptions.h"

namespace sidebus {

// How `limits.memory` is shared out. No part borrows from another one: an application that
// publishes before it acks must never find the publish part used up by its own deliveries.
struct MemoryShares {
  std::uint64_t publish = 0;       // 30 %
  std::uint64_t subscribe = 0;     // 50 %
  std::uint64_t dead_letters = 0;  // 5 %, reserved
  std::uint64_t schemas = 0;       // 10 %, where there is a schema registry; the rest is slack
};
MemoryShares ShareMemory(std::uint64_t total);

// Of the part for schemas a half is for those of records that are read, a quarter for those that
// events bring along, and a quarter for what the registry answered and is asked.
SchemaCacheOptions SchemaCacheOptionsOf(const Config& config);

// `schemas`: of events that bring none along.
PublisherOptions PublisherOptionsOf(const Config& config, OpenedxSchemas schemas = {});
SubscribeOptions SubscribeOptionsOf(const Config& config);
DeadLetterOptions DeadLetterOptionsOf(const Config& config);
RpcServerOptions RpcServerOptionsOf(const Config& config, const Router& router,
                                    const OpenedxSchemas& schemas);
AdminRpcServerOptions AdminRpcServerOptionsOf(const Config& config);

// Every topic of the producer config, with prefix, once.
std::vector<std::string> FullTopicsOf(const Router& router);

}  // namespace sidebus
