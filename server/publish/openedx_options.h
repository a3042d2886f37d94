#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "server/avro/avro_schema.h"
#include "server/codec/openedx_headers.h"

namespace sidebus {

// Schemas by event type.
using OpenedxSchemas = std::map<std::string, std::shared_ptr<const AvroSchema>, std::less<>>;

// Which schemas the gateway registers that the registry does not know: all with the first event that
// needs them, its own (those of the options), or none. The events of others are refused.
enum class Registering : std::uint8_t { kAll, kOwn, kNone };

// How events are written as Open edX does.
struct OpenedxOptions {
  OpenedxDefaults defaults;
  OpenedxSchemas schemas;  // of events that bring none along
  Registering registering = Registering::kAll;
  std::size_t schema_bytes = 4 << 20;  // of the schemas that events bring along
};

}  // namespace sidebus
