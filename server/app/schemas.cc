#include "server/app/schemas.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fmt/format.h"
#include "server/app/outside_options.h"
#include "server/avro/field_path.h"
#include "server/codec/schema_names.h"
#include "server/config/document.h"
#include "server/config/suggest.h"
#include "server/registry/http_registry.h"

namespace sidebus {
namespace {

// A path that can be the key, and is the most like `path`; empty: there is none.
std::string KeyFieldLike(const std::string& path, const AvroSchema& schema) {
  constexpr std::size_t kMost = 1000;
  const std::vector<std::string> paths = AvroFieldPath::All(schema, kMost);
  const auto inside = std::find_if(paths.begin(), paths.end(), [&](const std::string& one) {
    return one.starts_with(path + ".");
  });
  if (inside != paths.end()) return *inside;
  std::string near = Nearest(path, paths);
  return near.empty() && !paths.empty() ? paths.front() : near;
}

// Why it cannot be the key; empty: it can.
std::string KeyProblem(const std::string& path, const SchemaFile& file) {
  const auto& schema = *file.schema;
  const absl::Status key = AvroFieldPath::Find(schema, path).status();
  if (key.ok()) return "";
  const std::string like = KeyFieldLike(path, *schema);
  return fmt::format("{} ({}); events will be refused (KEY_FIELD_MISSING). {}",
                     std::string(key.message()), file.file,
                     like.empty() ? "Write \"\" for no key"
                                  : fmt::format("Write for example {}, or \"\" for no key", like));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SchemaCache>> MakeSchemaCache(const SchemaRegistryConfig& config,
                                                             SchemaCacheOptions cache,
                                                             Metrics& metrics) {
  if (config.url.empty()) return nullptr;
  const SchemaMetrics counters(metrics);
  auto registry = HttpRegistry::Make(HttpRegistryOptionsOf(config), counters);
  if (!registry.ok()) return registry.status();
  return std::make_unique<SchemaCache>(*std::move(registry), Clock::Real(), cache, counters);
}

std::vector<SchemaFile> ReadSchemaFiles(const Config& config) {
  std::vector<SchemaFile> files;
  const auto read = [&files](std::string key, const EventTypeConfig& type, const std::string& topic,
                             const std::string& file) {
    const auto text = ReadConfigFile(file);
    files.push_back({std::move(key), type.type, topic, file,
                     text.ok() ? AvroSchema::Parse(*text) : text.status()});
  };
  for (const EventTypeConfig& type : config.producer_config) {
    for (const RouteConfig& route : type.routes) {
      if (route.schema_file.empty()) continue;
      read(fmt::format("routes.{}.{}.schema", type.type, route.topic), type, route.topic,
           route.schema_file);
    }
  }
  if (config.schemas_directory.empty()) return files;
  for (const EventTypeConfig& type : config.producer_config) {
    const auto name = SchemaFileName(type.type);
    if (!name.has_value()) continue;
    const std::string file = config.schemas_directory + "/" + *name;
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0 && errno == ENOENT) continue;
    read("schemas.directory", type, "", file);
  }
  return files;
}

absl::StatusOr<OpenedxSchemas> SchemasOf(const std::vector<SchemaFile>& files) {
  OpenedxSchemas schemas;
  for (const SchemaFile& file : files) {
    if (!file.schema.ok()) {
      return absl::InvalidArgumentError(fmt::format("{}: {}: {}", file.key, file.file,
                                                    std::string(file.schema.status().message())));
    }
    if (file.topic.empty()) {
      schemas.by_type.emplace(file.event_type, *file.schema);
    } else {
      schemas.by_route.emplace(std::pair(file.event_type, file.topic), *file.schema);
    }
  }
  return schemas;
}

std::vector<UnusableKey> FindUnusableKeys(const Config& config,
                                          const std::vector<SchemaFile>& files) {
  std::vector<UnusableKey> unusable;
  for (const EventTypeConfig& type : config.producer_config) {
    for (const RouteConfig& route : type.routes) {
      const bool openedx = config.EncodingOf(route) == RecordEncoding::kOpenedx;
      if (!openedx || !route.enabled || route.event_key_field.empty()) continue;
      // Those of routes come first.
      const auto file = std::ranges::find_if(files, [&](const SchemaFile& one) {
        return one.event_type == type.type && (one.topic.empty() || one.topic == route.topic);
      });
      if (file == files.end() || !file->schema.ok()) continue;
      std::string why = KeyProblem(route.event_key_field, *file);
      if (!why.empty()) unusable.push_back({type.type, route.topic, std::move(why)});
    }
  }
  return unusable;
}

}  // namespace sidebus
