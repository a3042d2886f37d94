#include "server/app/commands.h"

#include <iostream>
#include <memory>

#include "server/app/config_command.h"
#include "server/broker/kafka/kafka_options.h"

namespace sidebus {

void AddServerCommands(CLI::App& app, const Environment& environment, int& exit_code) {
  AddServeCommand(app, environment, exit_code);
  // Lives as long as the process: the verb runs while `app` parses.
  static const ConfigCommandContext context{environment, IsKnownProperty, std::cout, std::cerr};
  AddConfigCommand(app, context, exit_code);
  AddDoctorCommand(app, environment, exit_code);
  AddVersionCommand(app, exit_code);
  AddCompletionCommand(app, exit_code);
}

}  // namespace sidebus
