#pragma once

#include "CLI/App.hpp"

namespace sidebus {

// Adds `sidebus serve`. When it was chosen, its exit code is in `exit_code`: 0 after a clean stop, 1
// for a configuration or an address that cannot be used, 3 when accepted events could not be
// flushed at the end.
void AddServeCommand(CLI::App& app, int& exit_code);

}  // namespace sidebus
