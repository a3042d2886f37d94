#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/commands.h"
#include "server/app/config_command.h"
#include "server/app/serve.h"
#include "server/app/version.h"
#include "server/broker/kafka/kafka_broker.h"

int main(int argc, char** argv) {
  CLI::App app("Publish and subscribe by event type: a gRPC sidecar in front of Kafka.", "sidebus");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Print the help of every verb");
  app.footer(
      "Start here:\n"
      "  sidebus serve --broker embedded --producer-config producer.yaml\n"
      "  sidebus publish order.created '{\"id\": \"42\"}'\n"
      "  sidebus subscribe order.created --group billing\n"
      "\n"
      "`sidebus VERB --help` explains each verb with an example.");

  int exit_code = 0;
  sidebus::AddServeCommand(app, exit_code);
  sidebus::AddConfigCommand(app, exit_code);
  sidebus::AddClientCommands(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}
