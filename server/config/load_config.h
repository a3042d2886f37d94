#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/config.h"
#include "server/config/config_problem.h"

namespace sidebus {

// What the flags of `sidebus serve` say; absent: not given.
struct ConfigOverrides {
  std::vector<std::string> listen = {};       // --listen, repeated; replaces the file's list
  std::optional<std::string> admin = {};      // --admin
  std::optional<std::string> admin_api = {};  // --admin-api
  std::optional<std::string> broker = {};     // --broker
  std::optional<std::string> bootstrap_servers = {};     // --bootstrap-servers a:9092,b:9092
  std::optional<std::string> producer_config_file = {};  // --producer-config
  std::optional<std::string> topic_prefix = {};          // --topic-prefix
  std::optional<std::string> schema_registry_url = {};   // --schema-registry-url
  std::optional<std::string> log_level = {};             // --log-level
};

// Where the configuration comes from. Later ones win: defaults, environment, file, flags.
struct ConfigSources {
  std::optional<std::string> file;  // --config; absent: SIDEBUS_CONFIG, else no file
  ConfigOverrides overrides;
  // SIDEBUS_CONFIG, EVENT_BUS_PRODUCER_CONFIG, EVENT_BUS_TOPIC_PREFIX are looked at.
  std::map<std::string, std::string, std::less<>> environment;
  // Whether librdkafka knows a property of this name; empty: names are not checked.
  std::function<bool(std::string_view)> is_kafka_property;
};

struct LoadedConfig {
  Config config;
  std::string file;                     // as given; empty: no file
  std::vector<ConfigProblem> warnings;  // for the log and for `sidebus config check`
  // Where the event_key_field of a route (event type, topic) was written; `what` is empty.
  std::map<std::pair<std::string, std::string>, ConfigProblem> key_places;
  // Where each key that was given was written, by path; `what` is empty.
  std::map<std::string, ConfigProblem, std::less<>> places;
  // Key path of each row of the table -> "default", "config.yaml:3", "environment NAME" or
  // "flag --name".
  std::map<std::string, std::string, std::less<>> origins;
};

// What reading the sources gave: `loaded` exactly if there are no problems.
struct ConfigReading {
  std::optional<LoadedConfig> loaded;
  std::vector<ConfigProblem> problems;  // all of them, in the order of the sources
  std::vector<ConfigProblem> warnings;  // also when there are problems
};

// Reads and checks everything; never stops at the first problem. Does nothing but read files.
// Thread safety: may be called from any thread.
ConfigReading ReadConfig(const ConfigSources& sources);

// The same for callers that only need to say why not: INVALID_ARGUMENT with all problems, one a
// line.
absl::StatusOr<LoadedConfig> LoadConfig(const ConfigSources& sources);

}  // namespace sidebus
