#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/codec/schema_cache.h"
#include "server/config/schema_registry_config.h"
#include "server/metrics/metrics.h"
#include "server/publish/openedx_options.h"
#include "server/routing/router.h"

namespace sidebus {

// The cache in front of the registry that is configured; null when none is. Never waits for the
// registry. The error says which key is wrong.
absl::StatusOr<std::unique_ptr<SchemaCache>> MakeSchemaCache(const SchemaRegistryConfig& config,
                                                             Metrics& metrics);

// The schemas of the router's event types that have a file in `directory` (SchemaFileName());
// none when it is empty. Logs a warning for each key field that cannot be a key. Blocks.
// INVALID_ARGUMENT: a file cannot be read, or is no schema; says which.
absl::StatusOr<OpenedxSchemas> ReadSchemaFiles(const std::string& directory, const Router& router);

}  // namespace sidebus
