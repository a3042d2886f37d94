#pragma once

#include <map>
#include <memory>
#include <string>

#include "server/avro/avro_schema.h"
#include "server/codec/openedx_headers.h"

namespace sidebus {

// Schemas by event type.
using OpenedxSchemas = std::map<std::string, std::shared_ptr<const AvroSchema>, std::less<>>;

// How events are written as Open edX does.
struct OpenedxOptions {
  OpenedxDefaults defaults;
  OpenedxSchemas schemas;  // of events that bring none along
  // Whether a schema that the registry does not know is registered; false: its events are refused.
  bool registers = true;
};

}  // namespace sidebus
