#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "server/admin/admin_server.h"
#include "server/app/commands.h"
#include "server/app/version.h"
#include "server/broker/kafka/kafka_options.h"
#include "server/rpc/rpc_server.h"

namespace sidebus {
namespace {

// What it is made of, in the order shown.
std::vector<std::pair<std::string, std::string>> Parts() {
  return {{"version", std::string(kVersion)},   {"commit", std::string(kRevision)},
          {"compiler", std::string(kCompiler)}, {"librdkafka", KafkaLibraryVersion()},
          {"grpc", RpcLibraryVersion()},        {"protobuf", ProtobufLibraryVersion()},
          {"civetweb", AdminLibraryVersion()}};
}

void PrintVersion(const std::string& output) {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : Parts()) {
    json[name] = value;
    if (output != "json") fmt::print("{} {}\n", name == "version" ? "sidebus" : name, value);
  }
  if (output == "json") fmt::print("{}\n", json.dump());
}

}  // namespace

void AddVersionCommand(CLI::App& app, int& exit_code) {
  app.set_version_flag("--version", fmt::format("sidebus {} ({})", kVersion, kRevision));
  CLI::App* version =
      app.add_subcommand("version", "Show the version, the commit and the libraries inside");
  const auto output = std::make_shared<std::string>("text");
  version->add_option("--output", *output, "text or json")->check(CLI::IsMember({"text", "json"}));
  version->footer("Example:\n  sidebus version --output json");
  version->callback([output, &exit_code] {
    PrintVersion(*output);
    exit_code = 0;
  });
}

}  // namespace sidebus
