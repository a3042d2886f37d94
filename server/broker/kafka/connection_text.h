#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/broker/kafka/cluster_facts.h"

namespace sidebus {

// What librdkafka says of its connections only as text, read for people who look for a mistake.
// Nothing else depends on it.

// kNone: it is not about a connection.
ConnectProblem ConnectProblemOf(rd_kafka_resp_err_t error, std::string_view text);

// Whether the text says that somebody is there who speaks another protocol: another `security.protocol`,
// or none of Kafka's.
bool SaysOtherListener(std::string_view text);

// The text without what librdkafka says of itself: "ssl://b:9093/1: SSL handshake failed: why (after
// 3ms in state SSL_HANDSHAKE)" is "SSL handshake failed: why".
std::string ConnectDetailOf(std::string_view text);

// A line of the log, of facility APIVERSION, about one request that a broker can answer.
struct ApiLine {
  std::string broker;  // whatever tells one from another
  std::int16_t request = 0;
  std::int16_t highest = 0;  // version
};
// nullopt: another line.
std::optional<ApiLine> ReadApiLine(std::string_view text);

}  // namespace sidebus
