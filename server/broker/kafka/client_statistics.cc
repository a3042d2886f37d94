#include "server/broker/kafka/client_statistics.h"

#include <algorithm>
#include <cstdint>

#include "simdjson.h"

namespace sidebus {
namespace {

constexpr double kMicrosecond = 1e-6;
constexpr double kMillisecond = 1e-3;

using Found = simdjson::simdjson_result<simdjson::dom::element>;

// What is not there counts nothing.
std::int64_t NumberOf(const Found& found) {
  std::int64_t number = 0;
  return found.get(number) == simdjson::SUCCESS ? number : 0;
}

std::string_view TextOf(const Found& found) {
  std::string_view text;
  return found.get(text) == simdjson::SUCCESS ? text : std::string_view();
}

std::uint64_t CountOf(simdjson::dom::element broker, const char* name) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(NumberOf(broker[name]), 0));
}

double WindowOf(simdjson::dom::element broker, const char* window, const char* value) {
  return static_cast<double>(NumberOf(broker[window][value]));
}

void AddBroker(simdjson::dom::element broker, KafkaClientFigures& figures) {
  figures.requests += CountOf(broker, "tx");
  figures.send_errors += CountOf(broker, "txerrs");
  figures.receive_errors += CountOf(broker, "rxerrs");
  figures.timeouts += CountOf(broker, "req_timeouts");
  figures.retries += CountOf(broker, "txretries");
  figures.round_trip_p99 =
      std::max(figures.round_trip_p99, WindowOf(broker, "rtt", "p99") * kMicrosecond);
  figures.throttle_max =
      std::max(figures.throttle_max, WindowOf(broker, "throttle", "max") * kMillisecond);
  // The others are an address to begin with, or stand for whoever coordinates the group.
  if (TextOf(broker["source"]) != "learned") return;
  const std::string_view state = TextOf(broker["state"]);
  figures.brokers[static_cast<std::int32_t>(CountOf(broker, "nodeid"))] =
      state == "UP" || state == "UPDATE";
}

}  // namespace

std::optional<KafkaClientFigures> ParseStatistics(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::object brokers;
  if (parser.parse(json.data(), json.size())["brokers"].get(brokers) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  KafkaClientFigures figures;
  for (const auto& [name, broker] : brokers) AddBroker(broker, figures);
  return figures;
}

}  // namespace sidebus
