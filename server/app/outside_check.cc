#include "server/app/outside_check.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "server/app/outside_options.h"
#include "server/broker/kafka/kafka_options.h"
#include "server/registry/http_registry.h"

namespace sidebus {
namespace {

// A text that names a key first ("schema_registry.ca_file: the file ...") is about that one.
ConfigProblem ProblemOf(const absl::Status& status, std::string_view otherwise,
                        const LoadedConfig& loaded) {
  constexpr std::string_view kAfterKey = ": ";
  const std::string text(status.message());
  const std::size_t end = std::min(text.find_first_of(kAfterKey), text.size());
  const bool names_key = loaded.places.contains(text.substr(0, end));
  const std::string path = names_key ? text.substr(0, end) : std::string(otherwise);
  const auto place = loaded.places.find(path);
  ConfigProblem problem =
      place != loaded.places.end() ? place->second : ConfigProblem{loaded.file, 0, 0, "", ""};
  problem.path = path;
  problem.what =
      names_key ? text.substr(std::min(text.find_first_not_of(kAfterKey, end), text.size())) : text;
  return problem;
}

}  // namespace

void CheckOutsideOptions(ConfigReading& reading) {
  if (!reading.loaded.has_value()) return;
  const LoadedConfig& loaded = *reading.loaded;
  const absl::Status kafka = CheckProperties(KafkaBrokerOptionsOf(loaded.config));
  if (!kafka.ok()) reading.problems.push_back(ProblemOf(kafka, "broker.kafka.properties", loaded));
  if (!loaded.config.schema_registry.url.empty()) {
    const auto url = UrlOf(HttpRegistryOptionsOf(loaded.config.schema_registry));
    if (!url.ok()) {
      reading.problems.push_back(ProblemOf(url.status(), "schema_registry.url", loaded));
    }
  }
  if (!reading.problems.empty()) reading.loaded.reset();
}

}  // namespace sidebus
