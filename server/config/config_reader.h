#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/config.h"
#include "server/config/document.h"
#include "server/config/producer_config_reader.h"

namespace sidebus {

struct ConfigRow;

// What `routes` says of one route.
struct RouteOverride {
  std::string event_type;
  std::string topic;
  std::optional<RecordEncoding> encoding;
  std::string schema_file;
  std::string path;  // of the key: routes.<event type>.<topic>
};

// The configuration while it is read.
struct ConfigDraft {
  Config config;
  std::optional<PartialProducerConfig> producer_config;  // inline
  std::string producer_config_file;
  std::vector<RouteOverride> routes;
  std::map<std::string, ConfigProblem, std::less<>> places;  // of each key that was given, by path
  std::vector<ConfigProblem> problems;
  std::vector<ConfigProblem> warnings;

  bool given(std::string_view path) const { return places.find(path) != places.end(); }

  bool has_problem(std::string_view path) const;

  // A problem with the value of `path`, at the place where it was given.
  void AddProblem(std::string_view path, std::string what);
};

// Puts the values of one source into a draft; a later source overwrites an earlier one.
class ConfigReader {
 public:
  using IsKafkaProperty = std::function<bool(std::string_view)>;

  // Borrows all of them.
  ConfigReader(const std::string& source, const IsKafkaProperty& is_kafka_property,
               ConfigDraft& draft)
      : source_(source), is_kafka_property_(is_kafka_property), draft_(draft) {}

  // The whole file.
  void ReadFile(const ConfigNode& root);

  // One key of the table, for flags and variables.
  void ReadValue(const std::string& path, const ConfigNode& value);

 private:
  void ReadSection(const ConfigNode& section, const std::string& prefix);
  void ReadRow(const ConfigRow& row, const ConfigNode& value);
  void ReadUnstored(const ConfigRow& row, const ConfigNode& value);
  void ReadListen(const ConfigNode& list);
  std::optional<ListenConfig> ReadListener(const ConfigNode& item, const std::string& path);
  void ReadListenerMap(const ConfigNode& map, const std::string& path, ListenConfig& listener);
  void ReadServers(const ConfigNode& list);
  void ReadProperties(const ConfigNode& map);
  void ReadRoutes(const ConfigNode& map);
  void ReadRoute(const ConfigNode& map, RouteOverride& route);

  // Null, with a problem, when the value is not of that type.
  const std::string* Text(const ConfigNode& node, const std::string& path);
  const std::string* PlainNumber(const ConfigNode& node, const std::string& path);
  std::optional<bool> Bool(const ConfigNode& node, const std::string& path);
  std::optional<Address> ReadAddress(const ConfigNode& node, const std::string& path);

  void Problem(const ConfigNode& node, std::string_view path, std::string what);

  const std::string& source_;
  const IsKafkaProperty& is_kafka_property_;
  ConfigDraft& draft_;
};

// The problem of an unknown key, with what was probably meant. `prefix` is "" or ends with a dot.
std::string UnknownKey(std::string_view prefix, std::string_view key);

}  // namespace sidebus
