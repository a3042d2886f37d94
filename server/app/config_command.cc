#include "server/app/config_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "server/app/outside_check.h"
#include "server/app/schema_check.h"
#include "server/config/config_print.h"
#include "server/config/config_schema.h"

namespace sidebus {
namespace {

using Json = nlohmann::ordered_json;

// What the command line of one verb says.
struct Invocation {
  ConfigSources sources;
  std::string format;  // of the output
};

std::string Dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json AsJson(const std::vector<ConfigProblem>& problems) {
  Json list = Json::array();
  for (const ConfigProblem& problem : problems) {
    list.push_back({{"source", problem.source},
                    {"line", problem.line},
                    {"column", problem.column},
                    {"path", problem.path},
                    {"message", problem.what}});
  }
  return list;
}

std::string Counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

struct Counts {
  std::size_t event_types = 0;
  std::size_t routes = 0;
  std::size_t enabled = 0;
};

Counts Count(const Config& config) {
  Counts counts;
  counts.event_types = config.producer_config.size();
  for (const EventTypeConfig& type : config.producer_config) {
    counts.routes += type.routes.size();
    for (const RouteConfig& route : type.routes) counts.enabled += route.enabled ? 1 : 0;
  }
  return counts;
}

void ShowProblems(const ConfigReading& reading, std::ostream& err) {
  for (const ConfigProblem& problem : reading.problems) {
    err << "error: " << problem.ToString() << "\n";
  }
  for (const ConfigProblem& warning : reading.warnings) {
    err << "warning: " << warning.ToString() << "\n";
  }
  if (!reading.problems.empty()) err << Counted(reading.problems.size(), "problem") << "\n";
}

int Check(const Invocation& invocation, const ConfigCommandContext& context) {
  ConfigReading reading = ReadConfig(invocation.sources);
  CheckOutsideOptions(reading);
  CheckSchemaFiles(reading);
  const Counts counts = reading.loaded ? Count(reading.loaded->config) : Counts{};
  if (invocation.format == "json") {
    context.out << Dump({{"ok", reading.loaded.has_value()},
                         {"event_types", counts.event_types},
                         {"routes", counts.routes},
                         {"enabled_routes", counts.enabled},
                         {"problems", AsJson(reading.problems)},
                         {"warnings", AsJson(reading.warnings)}});
    return reading.loaded ? 0 : 1;
  }
  ShowProblems(reading, context.err);
  if (!reading.loaded) return 1;
  context.out << fmt::format("OK: {}: {}, {} ({} enabled), {}\n",
                             reading.loaded->file.empty() ? "no file" : reading.loaded->file,
                             Counted(counts.event_types, "event type"),
                             Counted(counts.routes, "route"), counts.enabled,
                             Counted(reading.warnings.size(), "warning"));
  return 0;
}

int Print(const Invocation& invocation, const ConfigCommandContext& context) {
  const ConfigReading reading = ReadConfig(invocation.sources);
  ShowProblems(reading, context.err);
  if (!reading.loaded) return 1;
  context.out << (invocation.format == "json" ? ConfigAsJson(*reading.loaded)
                                              : ConfigAsYaml(*reading.loaded));
  return 0;
}

int Schema(const Invocation& invocation, const ConfigCommandContext& context) {
  context.out << (invocation.format == "markdown" ? ConfigReferencePage() : ConfigJsonSchema());
  return 0;
}

using Verb = int (*)(const Invocation&, const ConfigCommandContext&);

CLI::App* AddVerb(CLI::App& parent, const std::string& name, const std::string& help, Verb verb,
                  const std::shared_ptr<Invocation>& invocation,
                  const ConfigCommandContext& context, int& exit_code) {
  CLI::App* app = parent.add_subcommand(name, help);
  app->callback([=, &context, &exit_code] {
    invocation->sources.environment = context.environment;
    invocation->sources.is_kafka_property = context.is_kafka_property;
    exit_code = verb(*invocation, context);
  });
  return app;
}

void AddVerbs(CLI::App& parent, const ConfigCommandContext& context, int& exit_code) {
  parent.require_subcommand(1);

  const auto check = std::make_shared<Invocation>();
  CLI::App* app = AddVerb(parent, "check", "Say all that is wrong with a configuration", Check,
                          check, context, exit_code);
  AddConfigFlags(*app, check->sources);
  app->add_option("--output", check->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app->footer("Example:\n  sidebus config check --config /etc/sidebus/config.yaml");

  const auto print = std::make_shared<Invocation>();
  app = AddVerb(parent, "print", "Show the effective configuration and where each value is from",
                Print, print, context, exit_code);
  AddConfigFlags(*app, print->sources);
  app->add_option("--output", print->format, "yaml or json")
      ->check(CLI::IsMember({"yaml", "json"}));
  app->footer("Example:\n  sidebus config print --config config.yaml --topic-prefix dev");

  const auto schema = std::make_shared<Invocation>();
  app = AddVerb(parent, "schema", "Print the JSON Schema or the reference page of the file", Schema,
                schema, context, exit_code);
  app->add_option("--format,--output", schema->format, "json (JSON Schema) or markdown")
      ->check(CLI::IsMember({"json", "markdown"}));
  app->footer("Example:\n  sidebus config schema > sidebus.schema.json");
}

}  // namespace

void AddConfigFlags(CLI::App& app, ConfigSources& sources) {
  ConfigOverrides& flags = sources.overrides;
  app.add_option("--config", sources.file,
                 "Configuration file, YAML or JSON; default: the variable SIDEBUS_CONFIG")
      ->type_name("FILE");
  app.add_option("--listen", flags.listen,
                 "Address of the application API, host:port or unix:/path; may be repeated; "
                 "replaces the file's list")
      ->type_name("ADDR")
      ->allow_extra_args(false);
  app.add_option("--admin", flags.admin, "Address for probes and metrics")->type_name("ADDR");
  app.add_option("--admin-api", flags.admin_api, "Address of the admin API")->type_name("ADDR");
  app.add_option("--broker", flags.broker, "embedded or kafka")->type_name("KIND");
  app.add_option("--bootstrap-servers", flags.bootstrap_servers,
                 "Kafka brokers, host:port with commas between; means --broker kafka")
      ->type_name("LIST");
  app.add_option("--producer-config", flags.producer_config_file,
                 "File with the producer config; replaces what the configuration file says")
      ->type_name("FILE");
  app.add_option("--topic-prefix", flags.topic_prefix, "Full topic = prefix-topic")
      ->type_name("TEXT");
  app.add_option("--schema-registry-url", flags.schema_registry_url, "Schema registry")
      ->type_name("URL");
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->type_name("LEVEL");
}

void AddConfigCommand(CLI::App& app, const ConfigCommandContext& context, int& exit_code) {
  AddVerbs(*app.add_subcommand("config", "Check, show and describe the configuration"), context,
           exit_code);
}

int RunConfigCommand(int argc, const char* const* argv, const ConfigCommandContext& context) {
  CLI::App app("Check, show and describe the configuration", "sidebus config");
  int exit_code = 0;
  AddVerbs(app, context, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, context.out, context.err) == 0 ? 0 : 2;
  }
  return exit_code;
}

}  // namespace sidebus
