#pragma once

#include <string>

#include "server/config/config_reader.h"

namespace sidebus {

// Why a Unix socket could not be made there; empty when it could.
std::string SocketProblem(const std::string& path);

// Adds a problem for each pair of values that contradict each other.
void CheckConfig(ConfigDraft& draft);

}  // namespace sidebus
