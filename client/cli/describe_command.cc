#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/commands.h"
#include "client/cli/endpoint.h"
#include "client/cli/output.h"
#include "fmt/format.h"
#include "sidebus/v1/event_bus.grpc.pb.h"

namespace sidebus::cli {
namespace {

namespace v1 = ::sidebus::v1;

struct DescribeFlags {
  std::optional<std::string> endpoint;
  std::vector<std::string> types;
  std::string output = "text";
};

void Print(const v1::DescribeResponse& response) {
  const v1::Condition& condition = response.condition();
  fmt::print("sidebus {}: broker {} for {} s{}\n", response.version(),
             condition.broker_reachable() ? "reachable" : "out of reach",
             condition.broker_state_age().seconds(), condition.draining() ? ", draining" : "");
  const v1::Limits& limits = response.limits();
  fmt::print("limits: event {} B, request {} B and {} events, window {} events and {} B\n",
             limits.max_event_bytes(), limits.max_request_bytes(), limits.max_events_per_request(),
             limits.max_window().events(), limits.max_window().bytes());
  for (const v1::EventTypeInfo& type : response.event_types()) {
    fmt::print("{}  ({}{}{})\n", type.type(),
               type.encoding().empty() ? "no route" : type.encoding(),
               type.can_publish() ? ", publish" : "", type.can_subscribe() ? ", subscribe" : "");
    for (const v1::Route& route : type.routes()) {
      fmt::print("  -> {} ({}){}{}\n", route.topic(), route.full_topic(),
                 route.event_key_field().empty() ? "" : "  key " + route.event_key_field(),
                 route.enabled() ? "" : "  disabled");
    }
  }
}

int RunDescribe(const DescribeFlags& flags) {
  auto channel = Connect(flags.endpoint);
  if (!channel.ok()) {
    PrintError("describe", std::string(channel.status().message()));
    return 2;
  }
  v1::DescribeRequest request;
  for (const std::string& type : flags.types) request.add_event_types(type);
  v1::DescribeResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const grpc::Status status =
      v1::EventBus::NewStub(*channel)->Describe(&context, request, &response);
  if (!status.ok()) {
    PrintError("describe", Describe(status));
    return 1;
  }
  if (flags.output == "json") {
    fmt::print("{}\n", ToJson(response));
  } else {
    Print(response);
  }
  return 0;
}

}  // namespace

void AddDescribeCommand(CLI::App& app, int& exit_code) {
  CLI::App* describe =
      app.add_subcommand("describe", "Show event types, routes, limits and the broker's state");
  auto flags = std::make_shared<DescribeFlags>();
  describe->add_option("types", flags->types, "Event types (default: all)");
  describe->add_option("--output", flags->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  describe->add_option("--endpoint", flags->endpoint,
                       "Gateway, host:port or unix:/path (default: $SIDEBUS_ENDPOINT, else "
                       "127.0.0.1:7420)");
  describe->footer("Example:\n  sidebus describe order.created --output json");
  describe->callback([flags, &exit_code] { exit_code = RunDescribe(*flags); });
}

}  // namespace sidebus::cli
