#include "server/app/serve.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "server/app/gateway.h"
#include "server/app/signals.h"
#include "server/base/log.h"
#include "server/broker/kafka/kafka_broker.h"
#include "server/config/load_config.h"

namespace sidebus {
namespace {

constexpr int kExitConfiguration = 1;
constexpr int kExitUnflushed = 3;

struct ServeFlags {
  std::string config;
  ConfigOverrides overrides;
};

ConfigSources SourcesOf(const ServeFlags& flags) {
  ConfigSources sources;
  if (!flags.config.empty()) sources.file = flags.config;
  sources.overrides = flags.overrides;
  for (const char* name :
       {"SIDEBUS_CONFIG", "EVENT_BUS_PRODUCER_CONFIG", "EVENT_BUS_TOPIC_PREFIX"}) {
    if (const char* value = std::getenv(name); value != nullptr) sources.environment[name] = value;
  }
  sources.is_kafka_property = IsKnownProperty;
  return sources;
}

int Serve(const ServeFlags& flags) {
  Signals signals;  // before any thread is started
  ConfigReading reading = ReadConfig(SourcesOf(flags));
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
  const std::size_t lost = (*gateway)->Stop(signals);
  if (lost > 0) std::fprintf(stderr, "sidebus: %zu accepted events could not be flushed\n", lost);
  return lost > 0 ? kExitUnflushed : 0;
}

}  // namespace

void AddServeCommand(CLI::App& app, int& exit_code) {
  CLI::App* serve = app.add_subcommand("serve", "Run the gateway until SIGTERM or SIGINT");
  auto flags = std::make_shared<ServeFlags>();
  ConfigOverrides& overrides = flags->overrides;
  serve->add_option("-c,--config", flags->config, "Configuration file (default: $SIDEBUS_CONFIG)");
  serve->add_option("--listen", overrides.listen,
                    "Address of the application API, host:port or unix:/path; may be repeated; "
                    "replaces the file's list");
  serve->add_option("--admin", overrides.admin, "Address of probes and metrics, host:port");
  serve->add_option("--admin-api", overrides.admin_api, "Address of the admin API");
  serve->add_option("--broker", overrides.broker, "Kind of broker: embedded, kafka or redis");
  serve->add_option("--bootstrap-servers", overrides.bootstrap_servers,
                    "Kafka's addresses, host:port[,host:port ...]");
  serve->add_option("--producer-config", overrides.producer_config_file,
                    "File with EVENT_BUS_PRODUCER_CONFIG, as JSON or YAML");
  serve->add_option("--topic-prefix", overrides.topic_prefix, "EVENT_BUS_TOPIC_PREFIX");
  serve->add_option("--schema-registry-url", overrides.schema_registry_url,
                    "Address of the schema registry");
  serve->add_option("--log-level", overrides.log_level, "debug, info, warning or error");
  serve->footer(
      "Examples:\n"
      "  sidebus serve --broker embedded --producer-config producer.yaml\n"
      "  sidebus serve --config /etc/sidebus/config.yaml --listen unix:/run/sidebus/sidebus.sock\n"
      "\n"
      "Prints one line when it is ready. SIGTERM lets held deliveries settle, flushes and exits 0,\n"
      "or 3 when accepted events could not be flushed; a second SIGTERM ends it at once.");
  serve->callback([flags, &exit_code] { exit_code = Serve(*flags); });
}

}  // namespace sidebus
