#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/avro/avro_schema.h"
#include "server/codec/schema_cache.h"
#include "server/config/config.h"
#include "server/metrics/metrics.h"
#include "server/publish/openedx_options.h"

namespace sidebus {

// The cache in front of the registry that is configured; null when none is. Never waits for the
// registry. The error says which key is wrong.
absl::StatusOr<std::unique_ptr<SchemaCache>> MakeSchemaCache(const SchemaRegistryConfig& config,
                                                             SchemaCacheOptions options,
                                                             Metrics& metrics);

// A file of `schemas.directory` or of `routes`.
struct SchemaFile {
  std::string key;  // that names it
  std::string event_type;
  std::string topic;  // empty: of all routes of the type that have no file of their own
  std::string file;
  absl::StatusOr<std::shared_ptr<const AvroSchema>> schema;  // or why it cannot be used
};

// Those of `routes`, and those that the directory has (SchemaFileName()) of the producer config's event
// types. Blocks.
std::vector<SchemaFile> ReadSchemaFiles(const Config& config);

// The schemas of the files. INVALID_ARGUMENT: one cannot be used; says which.
absl::StatusOr<OpenedxSchemas> SchemasOf(const std::vector<SchemaFile>& files);

// An enabled route that is written as Open edX does, whose events will be refused for their key.
struct UnusableKey {
  std::string event_type;
  std::string topic;
  std::string why;  // and what to do
};

// As far as the files tell.
std::vector<UnusableKey> FindUnusableKeys(const Config& config,
                                          const std::vector<SchemaFile>& files);

}  // namespace sidebus
