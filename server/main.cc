#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/commands.h"
#include "server/app/commands.h"
#include "server/config/suggest.h"

namespace {

// Whole, because the configuration may name any variable.
sidebus::Environment ConfigEnvironment() {
  sidebus::Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    const std::size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  return environment;
}

// CLI11 says only that a verb is missing. Empty when it is not that.
std::string UnknownVerb(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return "";
  const std::string verb = argv[1];
  const auto known =
      app.get_subcommands([&verb](const CLI::App* one) { return one->check_name(verb); });
  return known.empty() ? verb : "";
}

// What was probably meant; empty when nothing is like it.
std::string Hint(const CLI::App& app, const std::string& verb) {
  std::vector<std::string> verbs;
  for (const CLI::App* one : app.get_subcommands([](const CLI::App*) { return true; })) {
    verbs.push_back(one->get_name());
  }
  const std::string meant = sidebus::Nearest(verb, verbs);
  return meant.empty() ? "" : " (did you mean \"" + meant + "\"?)";
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Publish and subscribe by event type: a gRPC sidecar in front of Kafka.", "sidebus");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Print the help of every verb");
  app.footer(
      "Start here:\n"
      "  sidebus serve --broker embedded --producer-config producer.yaml\n"
      "  sidebus publish order.created '{\"order\": {\"id\": \"42\"}}'\n"
      "  sidebus subscribe order.created --group billing\n"
      "\n"
      "`sidebus VERB --help` explains each verb with an example.");

  int exit_code = 0;
  sidebus::AddServerCommands(app, ConfigEnvironment(), exit_code);
  sidebus::AddClientCommands(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (const std::string verb = UnknownVerb(app, argc, argv); !verb.empty()) {
      std::fprintf(stderr, "sidebus: there is no verb \"%s\"%s; `sidebus --help` lists them\n",
                   verb.c_str(), Hint(app, verb).c_str());
      return 2;
    }
    return app.exit(error) == 0 ? 0 : sidebus::UsageExitCode(app);
  } catch (const std::exception& error) {  // memory, or standard output cannot be written
    std::fprintf(stderr, "sidebus: %s\n", error.what());
    return 1;
  }
  return exit_code;
}
