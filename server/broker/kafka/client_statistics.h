#pragma once

#include <optional>
#include <string_view>

#include "server/metrics/kafka_metrics.h"

namespace sidebus {

// What librdkafka's statistics say of a client (its STATISTICS.md): sums over all brokers, and the
// state of those that the cluster told of. Nothing when they cannot be read.
std::optional<KafkaClientFigures> ParseStatistics(std::string_view json);

}  // namespace sidebus
