#pragma once

#include "server/broker/kafka/kafka_options.h"
#include "server/config/config.h"
#include "server/registry/http_registry.h"

namespace sidebus {

// How to reach what is outside, for the gateway and for whoever asks what it would find.

// The servers are empty when the broker is embedded.
KafkaBrokerOptions KafkaBrokerOptionsOf(const Config& config);

HttpRegistryOptions HttpRegistryOptionsOf(const SchemaRegistryConfig& config);

}  // namespace sidebus
