#pragma once

#include "server/config/load_config.h"

namespace sidebus {

// Adds what librdkafka and the client of the schema registry refuse of a configuration that is right
// by itself: values that they do not take, and files of the registry that cannot be read. With a problem
// there is no configuration any more. `serve` begins with it, and `config check` calls the same, so
// that the two cannot differ. Nobody is connected to. Blocks.
void CheckOutsideOptions(ConfigReading& reading);

}  // namespace sidebus
