#pragma once

#include <map>
#include <string>

#include "CLI/App.hpp"

namespace sidebus {

// Variables of the environment that the configuration looks at.
using Environment = std::map<std::string, std::string, std::less<>>;

// Adds the verbs that need no gateway to talk to: serve, config, doctor, version, completion. The verb
// that was chosen runs while `app` parses and leaves its exit code in `exit_code`, which must live
// until then.
void AddServerCommands(CLI::App& app, const Environment& environment, int& exit_code);

// Adds `sidebus serve`. Exit codes: 0 after a clean stop, 1 for a configuration or an address that
// cannot be used, 3 when accepted events could not be flushed at the end.
void AddServeCommand(CLI::App& app, Environment environment, int& exit_code);

// Adds `sidebus doctor`, which ends the process. Exit codes: 0 when nothing failed, else 1.
void AddDoctorCommand(CLI::App& app, Environment environment, int& exit_code);

// Adds `sidebus version` and `sidebus --version`.
void AddVersionCommand(CLI::App& app, int& exit_code);

// Adds `sidebus completion bash|zsh|fish`, which prints a script for the shell: made from the verbs
// and flags that `app` has when it parses.
void AddCompletionCommand(CLI::App& app, int& exit_code);

// That script; empty for another shell.
std::string CompletionScript(const CLI::App& app, const std::string& shell);

}  // namespace sidebus
