#pragma once

#include "CLI/App.hpp"

namespace sidebus {

// Adds the verbs that talk to a gateway: publish, subscribe, describe, health, bench, and those of
// operators: groups, explain, seek, settle-head, dead-letters, redrive, drain, resume. The verb that was chosen runs while `app` parses and leaves its exit code in `exit_code`, which must live until
// then.
void AddClientCommands(CLI::App& app, int& exit_code);

// The exit code of wrong usage, after `app` has failed to parse: 2, but 1 for `health`, whose codes
// are those of grpc_health_probe.
int UsageExitCode(const CLI::App& app);

namespace cli {
void AddPublishCommand(CLI::App& app, int& exit_code);
void AddSubscribeCommand(CLI::App& app, int& exit_code);
void AddDescribeCommand(CLI::App& app, int& exit_code);
void AddHealthCommand(CLI::App& app, int& exit_code);
void AddBenchCommand(CLI::App& app, int& exit_code);
void AddGroupsCommand(CLI::App& app, int& exit_code);
void AddExplainCommand(CLI::App& app, int& exit_code);
void AddDeadLettersCommand(CLI::App& app, int& exit_code);
void AddRedriveCommand(CLI::App& app, int& exit_code);
void AddSeekCommand(CLI::App& app, int& exit_code);
void AddSettleHeadCommand(CLI::App& app, int& exit_code);
void AddDrainCommand(CLI::App& app, int& exit_code);
void AddResumeCommand(CLI::App& app, int& exit_code);
}  // namespace cli

}  // namespace sidebus
