#include "server/config/load_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/config/config_checks.h"
#include "server/config/config_reader.h"
#include "server/config/config_table.h"
#include "server/config/document.h"
#include "server/config/expand.h"
#include "server/config/producer_config_reader.h"
#include "server/config/suggest.h"
#include "server/event/topic_name.h"

namespace sidebus {
namespace {

constexpr std::string_view kProducerConfigVariable = "EVENT_BUS_PRODUCER_CONFIG";
constexpr std::string_view kTopicPrefixVariable = "EVENT_BUS_TOPIC_PREFIX";
constexpr std::string_view kFileVariable = "SIDEBUS_CONFIG";

ConfigNode TextNode(std::string text) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::kScalar;
  node.text = std::move(text);
  return node;
}

ConfigNode ListNode(const std::vector<std::string>& texts) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::kList;
  for (const std::string& text : texts) node.children.push_back(TextNode(text));
  return node;
}

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    parts.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

// Reads the sources in the order of their power, weakest first.
class Loader {
 public:
  explicit Loader(const ConfigSources& sources) : sources_(sources) {}

  ConfigReading Run() {
    ReadFile();
    ReadEnvironment();
    ReadFlags();
    LoadProducerConfig();
    ApplyRoutes();
    ExpandStaticMember();
    FindFiles();
    // Without the file's values everything would seem to be missing.
    if (file_is_read_) CheckConfig(draft_);
    return Result();
  }

 private:
  using Problems = std::vector<ConfigProblem>;

  const std::string* Variable(std::string_view name) const {
    const auto it = sources_.environment.find(name);
    return it == sources_.environment.end() || it->second.empty() ? nullptr : &it->second;
  }

  static std::string SourceOf(std::string_view variable) {
    return fmt::format("environment {}", variable);
  }

  // The tree in a file; nullopt with problems.
  std::optional<ConfigNode> ReadTree(const std::string& file) {
    const absl::StatusOr<std::string> text = ReadConfigFile(file);
    if (!text.ok()) {
      draft_.problems.push_back({file, 0, 0, "", std::string(text.status().message())});
      return std::nullopt;
    }
    return ParseConfigText(*text, file, draft_.problems);
  }

  void ReadFile() {
    if (sources_.file) {
      file_ = *sources_.file;
    } else if (const std::string* variable = Variable(kFileVariable)) {
      file_ = *variable;
    }
    if (file_.empty()) return;
    const auto tree = ReadTree(file_);
    file_is_read_ = tree && tree->kind == ConfigNode::Kind::kMap;
    if (tree) ConfigReader(file_, sources_.is_kafka_property, draft_).ReadFile(*tree);
  }

  // The file wins over the environment, so a variable only fills a gap.
  void ReadEnvironment() {
    const ConfigOverrides& flags = sources_.overrides;
    if (const std::string* prefix = Variable(kTopicPrefixVariable)) {
      if (flags.topic_prefix) PlaceFlag("--topic-prefix", "topic_prefix");
      if (draft_.given("topic_prefix")) {
        WarnShadowed(kTopicPrefixVariable, "topic_prefix");
      } else {
        Apply("topic_prefix", SourceOf(kTopicPrefixVariable), TextNode(*prefix));
      }
    }
    if (Variable(kProducerConfigVariable) == nullptr) return;
    if (flags.producer_config_file) PlaceFlag("--producer-config", "producer_config_file");
    for (const std::string_view path : {"producer_config", "producer_config_file"}) {
      if (draft_.given(path)) return WarnShadowed(kProducerConfigVariable, path);
    }
    const std::string source = SourceOf(kProducerConfigVariable);
    const auto tree = ParseConfigText(*Variable(kProducerConfigVariable), source, draft_.problems);
    if (!tree) return;
    draft_.places["producer_config"] = {source, 0, 0, "producer_config", ""};
    draft_.producer_config =
        ReadProducerConfig(*tree, source, "", draft_.problems, draft_.warnings);
  }

  // A flag is read last; until then this says that it will set `path`, unless the file did.
  void PlaceFlag(std::string_view flag, std::string_view path) {
    draft_.places.emplace(path, ConfigProblem{fmt::format("flag {}", flag), 0, 0, "", ""});
  }

  void WarnShadowed(std::string_view variable, std::string_view path) {
    const ConfigProblem& place = draft_.places.find(path)->second;
    const std::string where =
        place.line > 0 ? fmt::format("{}:{}", place.source, place.line) : place.source;
    draft_.warnings.push_back(
        {SourceOf(variable), 0, 0, std::string(path),
         fmt::format("not used, because {} sets {}; unset one of them", where, path)});
  }

  void Apply(const std::string& path, const std::string& source, const ConfigNode& value) {
    ConfigReader(source, sources_.is_kafka_property, draft_).ReadValue(path, value);
  }

  void ApplyFlag(std::string_view flag, const std::string& path,
                 const std::optional<std::string>& value) {
    if (value) Apply(path, fmt::format("flag {}", flag), TextNode(*value));
  }

  void ReadFlags() {
    const ConfigOverrides& flags = sources_.overrides;
    if (!flags.listen.empty()) Apply("listen", "flag --listen", ListNode(flags.listen));
    ApplyFlag("--admin", "admin", flags.admin);
    ApplyFlag("--admin-api", "admin_api", flags.admin_api);
    ApplyFlag("--topic-prefix", "topic_prefix", flags.topic_prefix);
    ApplyFlag("--log-level", "log.level", flags.log_level);
    ApplyFlag("--schema-registry-url", "schema_registry.url", flags.schema_registry_url);
    if (flags.bootstrap_servers) {
      Apply("broker.kafka.bootstrap_servers", "flag --bootstrap-servers",
            ListNode(SplitAtCommas(*flags.bootstrap_servers)));
      if (!flags.broker) Apply("broker.kind", "flag --bootstrap-servers", TextNode("kafka"));
    }
    ApplyFlag("--broker", "broker.kind", flags.broker);
    if (flags.bootstrap_servers && flags.broker == "embedded") {
      draft_.AddProblem("broker.kind",
                        "the embedded broker has no bootstrap servers; remove --bootstrap-servers");
    }
    if (flags.producer_config_file) {
      draft_.producer_config.reset();
      draft_.places.erase("producer_config");
      ApplyFlag("--producer-config", "producer_config_file", flags.producer_config_file);
    }
  }

  // The path as seen from where it was written: a file's from its directory, a flag's from here.
  std::string ProducerConfigFile() const {
    const std::string& name = draft_.producer_config_file;
    return sources_.overrides.producer_config_file ? name : FromFile(name);
  }

  // A path that the file has, as seen from here.
  std::string FromFile(const std::string& name) const {
    const std::size_t slash = file_.rfind('/');
    if (name.empty() || name.starts_with('/') || slash == std::string::npos) return name;
    return file_.substr(0, slash + 1) + name;
  }

  // Only the file has these keys.
  void FindFiles() {
    Config& config = draft_.config;
    for (std::string* name :
         {&config.schema_registry.username_file, &config.schema_registry.password_file,
          &config.schema_registry.ca_file, &config.schemas_directory}) {
      *name = FromFile(*name);
    }
  }

  void LoadProducerConfig() {
    PartialProducerConfig partial;
    if (draft_.producer_config) partial = *std::move(draft_.producer_config);
    if (!draft_.producer_config_file.empty()) {
      const std::string file = ProducerConfigFile();
      if (const auto tree = ReadTree(file)) {
        partial = MergeProducerConfigs(
            std::move(partial),
            ReadProducerConfig(*tree, file, "", draft_.problems, draft_.warnings));
      }
    }
    draft_.config.producer_config =
        FinishProducerConfig(partial, draft_.config.topic_prefix, draft_.problems, draft_.warnings);
    for (const PartialEventType& type : partial) {
      for (const PartialRoute& route : type.routes) {
        key_places_.emplace(std::pair(type.type, route.topic), route.key_place);
      }
    }
    CheckPrefix();
    if (draft_.config.producer_config.empty() && draft_.problems.empty()) {
      draft_.warnings.push_back({file_, 0, 0, "producer_config",
                                 "no event types: nothing can be published, and subscribers must "
                                 "name topics"});
    }
  }

  void ApplyRoutes() {
    for (const RouteOverride& wanted : draft_.routes) {
      RouteConfig* const route = FindRoute(wanted);
      if (route == nullptr) continue;
      route->encoding = wanted.encoding;
      route->schema_file = FromFile(wanted.schema_file);
    }
  }

  // Null, with a problem: the producer config has no such route.
  RouteConfig* FindRoute(const RouteOverride& wanted) {
    ProducerConfig& config = draft_.config.producer_config;
    std::vector<std::string> names;
    for (EventTypeConfig& type : config) {
      if (type.type != wanted.event_type) {
        names.push_back(type.type);
        continue;
      }
      names.clear();
      for (RouteConfig& route : type.routes) {
        if (route.topic == wanted.topic) return &route;
        names.push_back(route.topic);
      }
      AddNoRoute(wanted.path, "topic of this event type", Nearest(wanted.topic, names));
      return nullptr;
    }
    AddNoRoute(wanted.path, "event type", Nearest(wanted.event_type, names));
    return nullptr;
  }

  void AddNoRoute(const std::string& path, std::string_view what, const std::string& near) {
    draft_.AddProblem(path, fmt::format("the producer config has no such {}; {}", what,
                                        near.empty() ? "remove it, or add it there"
                                                     : fmt::format("did you mean {}?", near)));
  }

  void ExpandStaticMember() {
    std::string& member = draft_.config.subscribe.static_member;
    absl::StatusOr<std::string> expanded = ExpandVariables(member, sources_.environment);
    if (!expanded.ok()) {
      draft_.AddProblem("subscribe.static_member", std::string(expanded.status().message()));
      return;
    }
    member = *std::move(expanded);
    if (member.size() <= kMaxTopicLength && HasTopicCharactersOnly(member)) return;
    draft_.AddProblem("subscribe.static_member",
                      fmt::format("expected at most {} letters, digits, '.', '_' and '-'; found "
                                  "\"{}\"",
                                  kMaxTopicLength, member));
  }

  void CheckPrefix() {
    if (HasTopicCharactersOnly(draft_.config.topic_prefix)) return;
    draft_.AddProblem("topic_prefix", "a topic's name has letters, digits, '.', '_' and '-' only");
  }

  ConfigReading Result() {
    ConfigReading reading;
    reading.problems = std::move(draft_.problems);
    reading.warnings = std::move(draft_.warnings);
    // Merged sources may each have said the same of one key.
    reading.problems.erase(std::unique(reading.problems.begin(), reading.problems.end()),
                           reading.problems.end());
    if (!reading.problems.empty()) return reading;
    LoadedConfig& loaded = reading.loaded.emplace();
    loaded.config = std::move(draft_.config);
    loaded.file = file_;
    loaded.warnings = reading.warnings;
    loaded.key_places = std::move(key_places_);
    for (const ConfigRow& row : ConfigTable()) {
      const auto it = draft_.places.find(row.path);
      std::string origin = "default";
      if (it != draft_.places.end()) {
        origin = it->second.line > 0 ? fmt::format("{}:{}", it->second.source, it->second.line)
                                     : it->second.source;
      }
      loaded.origins.emplace(row.path, std::move(origin));
    }
    loaded.places = std::move(draft_.places);
    return reading;
  }

  const ConfigSources& sources_;
  std::string file_;
  bool file_is_read_ = true;  // also when there is none
  ConfigDraft draft_;
  std::map<std::pair<std::string, std::string>, ConfigProblem> key_places_;
};

}  // namespace

ConfigReading ReadConfig(const ConfigSources& sources) { return Loader(sources).Run(); }

absl::StatusOr<LoadedConfig> LoadConfig(const ConfigSources& sources) {
  ConfigReading reading = ReadConfig(sources);
  if (reading.loaded) return *std::move(reading.loaded);
  std::string text;
  for (const ConfigProblem& problem : reading.problems) {
    text += (text.empty() ? "" : "\n") + problem.ToString();
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace sidebus
