#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "server/base/clock.h"

namespace sidebus {

// How records are written where nothing else is said: CloudEvents in binary mode, or Avro as Open
// edX has it.
enum class RecordEncoding : std::uint8_t { kCloudEvents, kOpenedx };

// Who registers a schema that the registry does not know: the gateway with the first event that
// needs it; the gateway when it starts, those of its configuration only; or somebody else.
enum class RegisterSchemas : std::uint8_t { kFirstUse, kLoad, kNever };

struct SchemaRegistryConfig {
  std::string url;            // empty: there is none
  std::string username_file;  // basic authentication; both or none
  std::string password_file;
  std::string ca_file;  // certificates to trust; empty: those of the system
  Duration timeout = std::chrono::seconds(2);
  RegisterSchemas registering = RegisterSchemas::kFirstUse;  // key `register`

  friend bool operator==(const SchemaRegistryConfig&, const SchemaRegistryConfig&) = default;
};

}  // namespace sidebus
