#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "server/avro/avro_schema.h"
#include "server/codec/openedx_headers.h"

namespace sidebus {

// The gateway's own schemas: of an event type, and of single routes of it, which win.
struct OpenedxSchemas {
  using Schema = std::shared_ptr<const AvroSchema>;

  std::map<std::string, Schema, std::less<>> by_type = {};
  std::map<std::pair<std::string, std::string>, Schema> by_route = {};  // event type, topic

  // Null: there is none.
  Schema Find(const std::string& event_type, const std::string& topic) const;
};

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
