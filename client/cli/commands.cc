#include "client/cli/commands.h"

namespace sidebus {

void AddClientCommands(CLI::App& app, int& exit_code) {
  cli::AddPublishCommand(app, exit_code);
  cli::AddSubscribeCommand(app, exit_code);
  cli::AddDescribeCommand(app, exit_code);
  cli::AddHealthCommand(app, exit_code);
  cli::AddBenchCommand(app, exit_code);
  cli::AddGroupsCommand(app, exit_code);
  cli::AddExplainCommand(app, exit_code);
  cli::AddSeekCommand(app, exit_code);
  cli::AddDeadLettersCommand(app, exit_code);
  cli::AddRedriveCommand(app, exit_code);
  cli::AddSettleHeadCommand(app, exit_code);
  cli::AddDrainCommand(app, exit_code);
  cli::AddResumeCommand(app, exit_code);
}

int UsageExitCode(const CLI::App& app) {
  const auto begun = app.get_subcommands();  // those that the words so far have chosen
  return !begun.empty() && begun.front()->get_name() == "health" ? 1 : 2;
}

}  // namespace sidebus
