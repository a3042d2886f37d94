#pragma once

#include "server/config/config_reader.h"

namespace sidebus {

// Adds a problem for each pair of values that contradict each other.
void CheckConfig(ConfigDraft& draft);

}  // namespace sidebus
