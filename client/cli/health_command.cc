#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/commands.h"
#include "client/cli/duration.h"
#include "client/cli/endpoint.h"
#include "client/cli/output.h"
#include "fmt/format.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/base/json_text.h"

namespace sidebus::cli {
namespace {

namespace health = ::grpc::health::v1;
using std::chrono::steady_clock;

// As grpc_health_probe has them.
enum HealthExit { kHealthy = 0, kUsage = 1, kNoConnection = 2, kCallFailed = 3, kNotServing = 4 };

struct HealthFlags {
  std::optional<std::string> endpoint;
  std::string service;
  std::chrono::milliseconds wait{0};
  std::string output = "text";
};

struct Probe {
  HealthExit exit = kCallFailed;
  std::string text;
};

Probe Ask(grpc::Channel& channel, health::Health::Stub& stub, const std::string& endpoint,
          const std::string& service) {
  const bool connected =
      channel.WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(1));
  health::HealthCheckRequest request;
  request.set_service(service);
  health::HealthCheckResponse response;
  grpc::ClientContext context;
  const auto patience = std::chrono::milliseconds(connected ? 3000 : 100);  // else: why it is not
  context.set_deadline(std::chrono::system_clock::now() + patience);
  const grpc::Status status = stub.Check(&context, request, &response);
  if (!status.ok() && !connected) {
    const bool says_why = status.error_code() == grpc::StatusCode::UNAVAILABLE;
    return {kNoConnection, fmt::format("cannot connect to {}: {}", endpoint,
                                       says_why ? Describe(status) : std::string(kNoGateway))};
  }
  if (!status.ok()) return {kCallFailed, Describe(status)};
  const bool serving = response.status() == health::HealthCheckResponse::SERVING;
  return {serving ? kHealthy : kNotServing,
          health::HealthCheckResponse::ServingStatus_Name(response.status())};
}

int CheckHealth(const HealthFlags& flags) {
  const std::string endpoint = ChooseEndpoint(flags.endpoint, std::getenv("SIDEBUS_ENDPOINT"));
  auto channel = ConnectTo(endpoint);
  if (!channel.ok()) {
    PrintError("health", std::string(channel.status().message()));
    return kUsage;
  }
  const auto stub = health::Health::NewStub(*channel);
  const auto end = steady_clock::now() + flags.wait;
  Probe probe = Ask(**channel, *stub, endpoint, flags.service);
  while (probe.exit != kHealthy && steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    probe = Ask(**channel, *stub, endpoint, flags.service);
  }
  if (flags.output == "json") {
    fmt::print("{{\"status\":{},\"exit\":{}}}\n", JsonString(probe.text),
               static_cast<int>(probe.exit));
  } else if (probe.exit == kHealthy) {
    fmt::print("{}\n", probe.text);
  }
  if (probe.exit != kHealthy) PrintError("health", probe.text);
  return probe.exit;
}

}  // namespace

void AddHealthCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("health", "Ask the gateway whether it serves");
  auto flags = std::make_shared<HealthFlags>();
  command->add_option("--service", flags->service, "gRPC service (default: the whole gateway)");
  command->add_option_function<std::string>(
      "--wait",
      [flags](const std::string& text) {
        const auto wait = ParseDuration(text);
        if (!wait) throw CLI::ValidationError("--wait", "write a duration like 30s");
        flags->wait = *wait;
      },
      "Keep asking until it is healthy, for so long, for example 30s");
  command->add_option("--output", flags->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_option("--endpoint", flags->endpoint,
                      "Gateway, host:port or unix:/path (default: $SIDEBUS_ENDPOINT, else "
                      "127.0.0.1:7420)");
  command->footer(
      "Exit codes: 0 healthy, 1 bad arguments, 2 cannot connect, 3 the call failed, 4 not "
      "serving.\n"
      "\n"
      "Example:\n  sidebus health --wait 30s");
  command->callback([flags, &exit_code] { exit_code = CheckHealth(*flags); });
}

}  // namespace sidebus::cli
