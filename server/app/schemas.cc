#include "server/app/schemas.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "fmt/format.h"
#include "server/avro/field_path.h"
#include "server/base/log.h"
#include "server/codec/schema_names.h"
#include "server/config/document.h"
#include "server/registry/http_registry.h"

namespace sidebus {
namespace {

void WarnOfKeys(const EventTypeRoutes& type, const std::shared_ptr<const AvroSchema>& schema) {
  for (const Route& route : type.routes) {
    if (!route.enabled || !route.key_path.has_value()) continue;
    const auto key = AvroFieldPath::Find(schema, route.key_path->text());
    if (key.ok()) continue;
    Log(LogLevel::kWarning, "events of this type cannot be published: their key is no key",
        {{"event_type", type.type},
         {"topic", route.topic},
         {"why", std::string(key.status().message())}});
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<SchemaCache>> MakeSchemaCache(const SchemaRegistryConfig& config,
                                                             Metrics& metrics) {
  if (config.url.empty()) return nullptr;
  const SchemaMetrics counters(metrics);
  HttpRegistryOptions options;
  options.url = config.url;
  options.http.timeout = config.timeout;
  options.http.ca_file = config.ca_file;
  options.http.username_file = config.username_file;
  options.http.password_file = config.password_file;
  auto registry = HttpRegistry::Make(options, counters);
  if (!registry.ok()) return registry.status();
  return std::make_unique<SchemaCache>(*std::move(registry), Clock::Real(), SchemaCacheOptions(),
                                       counters);
}

absl::StatusOr<OpenedxSchemas> ReadSchemaFiles(const std::string& directory, const Router& router) {
  OpenedxSchemas schemas;
  if (directory.empty()) return schemas;
  for (const EventTypeRoutes& type : router.event_types()) {
    const auto name = SchemaFileName(type.type);
    if (!name.has_value()) continue;
    const std::string file = directory + "/" + *name;
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0 && errno == ENOENT) continue;
    const auto text = ReadConfigFile(file);
    const auto schema = text.ok() ? AvroSchema::Parse(*text) : text.status();
    if (!schema.ok()) {
      return absl::InvalidArgumentError(
          fmt::format("schemas.directory: {}: {}", file, std::string(schema.status().message())));
    }
    WarnOfKeys(type, *schema);
    schemas.emplace(type.type, *schema);
  }
  return schemas;
}

}  // namespace sidebus
