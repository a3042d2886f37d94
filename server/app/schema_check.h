#pragma once

#include "server/config/load_config.h"

namespace sidebus {

// Adds what the files of `schemas.directory` and `routes` say about a configuration that is right by
// itself: a problem for each file that cannot be used (then there is no configuration any more),
// warnings for key fields that cannot be keys, and for a directory that is not the right one. Blocks.
void CheckSchemaFiles(ConfigReading& reading);

}  // namespace sidebus
