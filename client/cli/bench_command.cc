#include <cstdio>
#include <memory>
#include <string>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/bench_publish.h"
#include "client/cli/bench_subscribe.h"
#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "fmt/format.h"

namespace sidebus::cli {
namespace {

int Tell(const absl::StatusOr<BenchReport>& report, const std::string& output) {
  if (!report.ok()) {
    PrintError("bench", std::string(report.status().message()));
    return 2;
  }
  fmt::print("{}\n", output == "json" ? report->ToJson() : report->ToText());
  return report->errors.empty() && report->events > 0 ? 0 : 1;
}

constexpr char kEndpointHelp[] =
    "Gateway, host:port or unix:/path (default: $SIDEBUS_ENDPOINT, else 127.0.0.1:7420)";

void AddBenchPublish(CLI::App& bench, int& exit_code) {
  CLI::App* publish = bench.add_subcommand("publish", "Publish as fast as the gateway answers");
  auto options = std::make_shared<BenchPublishOptions>();
  auto output = std::make_shared<std::string>("text");
  publish->add_option("type", options->type, "Event type")->required();
  publish->add_option("--mode", options->mode, "stream, unary or bulk")
      ->check(CLI::IsMember({"stream", "unary", "bulk"}))
      ->capture_default_str();
  publish->add_option("--size", options->size, "Bytes of data per event")->capture_default_str();
  publish->add_option("--batch", options->batch, "Events per message; unary: 1")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  publish->add_option("--in-flight", options->in_flight, "Messages without an answer at most")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  publish->add_option("--seconds", options->seconds, "Length of the measurement")
      ->capture_default_str();
  publish->add_option("--warmup", options->warmup, "Seconds before it")->capture_default_str();
  publish->add_option("--keys", options->keys, "Different keys; 0: no key")->capture_default_str();
  publish->add_option("--gateway-pid", options->gateway_pid,
                      "Process whose CPU and memory are told");
  publish->add_option("--output", *output, "text or json")->check(CLI::IsMember({"text", "json"}));
  publish->add_option("--endpoint", options->endpoint, kEndpointHelp);
  publish->footer(
      "Example:\n  sidebus bench publish order.created --mode stream --batch 100 --seconds 5");
  publish->callback(
      [options, output, &exit_code] { exit_code = Tell(BenchPublish(*options), *output); });
}

void AddBenchSubscribe(CLI::App& bench, int& exit_code) {
  CLI::App* subscribe = bench.add_subcommand("subscribe", "Receive and ack as fast as it goes");
  auto options = std::make_shared<BenchSubscribeOptions>();
  auto output = std::make_shared<std::string>("text");
  subscribe->add_option("type", options->type, "Event type")->required();
  subscribe->add_option("--group", options->group, "Consumer group")->required();
  subscribe->add_option("--events", options->events, "End after so many events");
  subscribe->add_option("--seconds", options->seconds, "End after so long")->capture_default_str();
  subscribe->add_option("--window", options->window, "Events to hold at most")
      ->capture_default_str();
  subscribe->add_option("--work", options->work, "Time each event takes, all held ones at once")
      ->capture_default_str();
  subscribe->add_option("--gateway-pid", options->gateway_pid,
                        "Process whose CPU and memory are told");
  subscribe->add_option("--output", *output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  subscribe->add_option("--endpoint", options->endpoint, kEndpointHelp);
  subscribe->footer(
      "Example:\n  sidebus bench subscribe order.created --group bench --events 100000");
  subscribe->callback(
      [options, output, &exit_code] { exit_code = Tell(BenchSubscribe(*options), *output); });
}

}  // namespace

void AddBenchCommand(CLI::App& app, int& exit_code) {
  CLI::App* bench = app.add_subcommand("bench", "Load a gateway and measure it");
  bench->require_subcommand(1);
  AddBenchPublish(*bench, exit_code);
  AddBenchSubscribe(*bench, exit_code);
}

}  // namespace sidebus::cli
