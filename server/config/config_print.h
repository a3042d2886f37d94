#pragma once

#include <string>

#include "server/config/load_config.h"

namespace sidebus {

// The effective configuration as a file that would give the same one, each value with its origin in
// a comment. Secrets are shown as ***.
std::string ConfigAsYaml(const LoadedConfig& loaded);

// {"config": {...}, "origins": {"subscribe.lease": "default", ...}}; the values are written as in
// the file.
std::string ConfigAsJson(const LoadedConfig& loaded);

}  // namespace sidebus
