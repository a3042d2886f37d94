#include "client/cli/commands.h"

namespace sidebus {

void AddClientCommands(CLI::App& app, int& exit_code) {
  cli::AddPublishCommand(app, exit_code);
  cli::AddSubscribeCommand(app, exit_code);
  cli::AddDescribeCommand(app, exit_code);
  cli::AddHealthCommand(app, exit_code);
  cli::AddBenchCommand(app, exit_code);
}

}  // namespace sidebus
