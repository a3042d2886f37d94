#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <string>
#include <string_view>

#include "server/config/load_config.h"

namespace CLI {
class App;
}

namespace sidebus {

// What `sidebus config` takes from the process, so that tests can give it something else.
struct ConfigCommandContext {
  std::map<std::string, std::string, std::less<>> environment;
  std::function<bool(std::string_view)> is_kafka_property;
  std::ostream& out;
  std::ostream& err;
};

// Adds --config and the flags that override the file, for every verb that loads a configuration.
// `sources` is filled when `app` parses, and must live until then.
void AddConfigFlags(CLI::App& app, ConfigSources& sources);

// Adds `config check|print|schema` to `app`. The verb runs when `app` parses it and leaves its exit
// code in `exit_code`: 0, or 1 when the configuration has problems. `context` and `exit_code` must
// live until then.
void AddConfigCommand(CLI::App& app, const ConfigCommandContext& context, int& exit_code);

// The same as a whole program, argv[1] being check, print or schema. Usage errors return 2.
int RunConfigCommand(int argc, const char* const* argv, const ConfigCommandContext& context);

}  // namespace sidebus
