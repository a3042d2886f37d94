#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/codec/schema_registry.h"
#include "server/event/event.h"

namespace sidebus::simulation {

// Records of Open edX. Their values are of Avro's kind `fixed`, so that data as stored are just the
// data, as of all other records.

// Schemas that say the same of data, and are known or not each by itself.
inline constexpr std::uint64_t kOpenedxKinds = 4;

// What the registry has.
std::vector<SubjectSchema> OpenedxSchemas();

// `kind` nullopt: with a schema that the registry does not have.
Record OpenedxRecord(const std::string& type, const std::string& data,
                     const std::optional<std::string>& key, std::optional<std::uint64_t> kind);

}  // namespace sidebus::simulation
