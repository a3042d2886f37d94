#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "server/app/commands.h"
#include "server/app/config_command.h"
#include "server/app/gateway.h"
#include "server/app/outside_check.h"
#include "server/app/signals.h"
#include "server/base/log.h"
#include "server/broker/kafka/kafka_options.h"
#include "server/config/load_config.h"

namespace sidebus {
namespace {

// For taking everything down when all is answered.
constexpr auto kEndPatience = std::chrono::milliseconds(800);

constexpr int kExitConfiguration = 1;
constexpr int kExitLeftovers = 3;

// Says what was left, too.
int ExitCodeFor(const Gateway::Leftovers& left) {
  if (left.unflushed > 0) {
    std::fprintf(stderr, "sidebus: %zu accepted events could not be flushed\n", left.unflushed);
  }
  if (left.unsettled > 0) {
    std::fprintf(stderr, "sidebus: %zu held deliver%s not settled: the groups get them again\n",
                 left.unsettled, left.unsettled == 1 ? "y was" : "ies were");
  }
  if (left.uncommitted > 0) {
    std::fprintf(stderr,
                 "sidebus: %zu ack%s could not be committed: the groups get their events again\n",
                 left.uncommitted, left.uncommitted == 1 ? "" : "s");
  }
  return left.unflushed + left.unsettled + left.uncommitted > 0 ? kExitLeftovers : 0;
}

int Serve(const ConfigSources& sources) {
  Signals signals;  // before any thread is started
  ConfigReading reading = ReadConfig(sources);
  CheckOutsideOptions(reading);
  for (const ConfigProblem& problem : reading.problems) {
    std::fprintf(stderr, "sidebus: %s\n", problem.ToString().c_str());
  }
  if (!reading.loaded.has_value()) return kExitConfiguration;
  const Config& config = reading.loaded->config;
  ConfigureLog(config.log.level, config.log.format);
  for (const ConfigProblem& warning : reading.warnings) {
    Log(LogLevel::kWarning, "configuration", {{"warning", warning.ToString()}});
  }

  auto gateway = Gateway::Start(config);
  if (!gateway.ok()) {
    std::fprintf(stderr, "sidebus: %s\n", std::string(gateway.status().message()).c_str());
    return kExitConfiguration;
  }
  std::printf("%s\n", (*gateway)->ReadyLine().c_str());
  std::fflush(stdout);

  signals.WaitForSignal();
  const int exit_code = ExitCodeFor((*gateway)->Stop(signals));
  // Everybody has their answer. Leaving the groups may take as long as the broker likes.
  if ((*gateway)->cut_short()) std::_Exit(exit_code);
  signals.ExitOnNext(exit_code);
  std::thread([exit_code] {
    std::this_thread::sleep_for(kEndPatience);
    std::_Exit(exit_code);
  }).detach();
  gateway->reset();
  std::fflush(nullptr);
  std::_Exit(exit_code);  // clients of Kafka may still be on their way out, on threads of their own
}

}  // namespace

void AddServeCommand(CLI::App& app, Environment environment, int& exit_code) {
  CLI::App* serve = app.add_subcommand("serve", "Run the gateway until SIGTERM or SIGINT");
  auto sources = std::make_shared<ConfigSources>();
  sources->environment = std::move(environment);
  sources->is_kafka_property = IsKnownProperty;
  AddConfigFlags(*serve, *sources);
  serve->footer(
      "Examples:\n"
      "  sidebus serve --broker embedded --producer-config producer.yaml\n"
      "  sidebus serve --config /etc/sidebus/config.yaml --listen unix:/run/sidebus/sidebus.sock\n"
      "\n"
      "Prints one line when it is ready. SIGTERM lets held deliveries settle, flushes and exits "
      "0,\n"
      "or 3 when something was left at the end of shutdown.grace; a second SIGTERM ends it at "
      "once.");
  serve->callback([sources, &exit_code] { exit_code = Serve(*sources); });
}

}  // namespace sidebus
