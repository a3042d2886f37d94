#include "server/app/schema_check.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "server/app/schemas.h"
#include "server/codec/schema_names.h"

namespace sidebus {
namespace {

constexpr std::string_view kDirectory = "schemas.directory";

// Where openedx-events keeps the schemas that its own tests compare with.
constexpr std::string_view kTestFiles = "openedx_events/event_bus/avro/tests/schemas";

// What is odd about the directory; empty: nothing.
std::string DirectoryProblem(const Config& config, const std::vector<SchemaFile>& files) {
  if (config.schemas_directory.find(kTestFiles) != std::string::npos) {
    return "these are the files of openedx-events' own tests, most of them first versions of their "
           "schemas; write those of the producing service elsewhere, with `manage.py "
           "export_event_bus_config`";
  }
  const bool has_some =
      std::ranges::any_of(files, [](const SchemaFile& file) { return file.topic.empty(); });
  if (config.schemas_directory.empty() || has_some || config.producer_config.empty()) return "";
  const std::string& type = config.producer_config.front().type;
  return fmt::format(
      "no file in it is of an event type of the producer config; that of {} would "
      "be {}",
      type, SchemaFileName(type).value_or("without a name"));
}

}  // namespace

void CheckSchemaFiles(ConfigReading& reading) {
  if (!reading.loaded.has_value()) return;
  const LoadedConfig& loaded = *reading.loaded;
  const std::vector<SchemaFile> files = ReadSchemaFiles(loaded.config);
  const auto warn = [&reading](ConfigProblem place, std::string what) {
    place.what = std::move(what);
    reading.warnings.push_back(std::move(place));
  };
  if (std::string what = DirectoryProblem(loaded.config, files); !what.empty()) {
    warn({loaded.file, 0, 0, std::string(kDirectory), ""}, std::move(what));
  }
  for (UnusableKey& key : FindUnusableKeys(loaded.config, files)) {
    const auto place = loaded.key_places.find(std::pair(key.event_type, key.topic));
    warn(place == loaded.key_places.end() ? ConfigProblem{} : place->second, std::move(key.why));
  }
  for (const SchemaFile& file : files) {
    if (file.schema.ok()) continue;
    reading.problems.push_back(
        {file.file, 0, 0, file.key, std::string(file.schema.status().message())});
  }
  if (!reading.problems.empty()) reading.loaded.reset();
}

}  // namespace sidebus
