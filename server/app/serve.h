#pragma once

#include <map>
#include <string>

#include "CLI/App.hpp"

namespace sidebus {

// Variables of the environment that the configuration looks at.
using Environment = std::map<std::string, std::string, std::less<>>;

// Adds `sidebus serve`. When it was chosen, its exit code is in `exit_code`: 0 after a clean stop,
// 1 for a configuration or an address that cannot be used, 3 when accepted events could not be
// flushed at the end.
void AddServeCommand(CLI::App& app, Environment environment, int& exit_code);

}  // namespace sidebus
