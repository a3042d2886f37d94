#include "server/config/config_print.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/base/json_text.h"
#include "server/config/config_table.h"
#include "server/config/document.h"
#include "server/config/kafka_properties.h"
#include "server/config/units.h"

namespace sidebus {
namespace {

// Members of a JSON object, or items of a list, each in one line.
using Lines = std::vector<std::string>;

// A row's value: a JSON scalar, or the lines of a list or map; neither when it is not set.
struct Value {
  std::string scalar;
  Lines lines;
  char open = '\0';  // of `lines`: '[' or '{'

  bool is_set() const { return !scalar.empty() || open != '\0'; }
  std::string AsJson() const {
    if (open == '\0') return scalar;
    return fmt::format("{}{}{}", open, fmt::join(lines, ", "), open == '[' ? ']' : '}');
  }
};

std::string ListenerJson(const ListenConfig& listener) {
  std::string text =
      fmt::format("{{\"address\": {}, \"name\": {}", JsonString(listener.address.ToString()),
                  JsonString(listener.name));
  if (listener.address.is_unix()) {
    text += fmt::format(", \"mode\": \"{}\"", FormatMode(listener.mode));
  }
  if (!listener.group.empty()) text += ", \"group\": " + JsonString(listener.group);
  if (listener.allow_insecure) text += ", \"allow_insecure\": true";
  return text + "}";
}

std::string EventTypeJson(const EventTypeConfig& type) {
  Lines routes;
  for (const RouteConfig& route : type.routes) {
    routes.push_back(fmt::format("{}: {{\"event_key_field\": {}, \"enabled\": {}}}",
                                 JsonString(route.topic), JsonString(route.event_key_field),
                                 route.enabled));
  }
  return fmt::format("{}: {{{}}}", JsonString(type.type), fmt::join(routes, ", "));
}

// What `routes` says of the topics of a type; empty: nothing.
std::string RoutesJson(const EventTypeConfig& type) {
  Lines routes;
  for (const RouteConfig& route : type.routes) {
    Lines fields;
    if (route.encoding.has_value()) {
      const bool openedx = *route.encoding == RecordEncoding::kOpenedx;
      fields.push_back(openedx ? R"("encoding": "openedx")" : R"("encoding": "cloudevents")");
    }
    if (!route.schema_file.empty()) {
      fields.push_back(fmt::format("\"schema\": {}", JsonString(route.schema_file)));
    }
    if (fields.empty()) continue;
    routes.push_back(fmt::format("{}: {{{}}}", JsonString(route.topic), fmt::join(fields, ", ")));
  }
  if (routes.empty()) return "";
  return fmt::format("{}: {{{}}}", JsonString(type.type), fmt::join(routes, ", "));
}

struct ValueOf {
  const ConfigRow& row;
  Config& config;

  // Kept nowhere: what may only have its default has it; items are part of another row.
  Value operator()(const AnyField&) const {
    if (row.support != Support::kDefaultOnly) return {};
    return {row.default_text == "false" ? "false" : JsonString(row.default_text), {}};
  }
  // Shown as part of producer_config.
  Value operator()(const ProducerConfigFileField&) const { return {}; }

  Value operator()(const FieldOf<bool>& field) const {
    return {field(config) ? "true" : "false", {}};
  }
  Value operator()(const FieldOf<std::uint32_t>& field) const {
    return {std::to_string(field(config)), {}};
  }
  Value operator()(const FieldOf<std::uint64_t>& field) const {
    return {JsonString(FormatSize(field(config))), {}};
  }
  Value operator()(const FieldOf<Duration>& field) const {
    return {JsonString(FormatDuration(field(config))), {}};
  }
  Value operator()(const FieldOf<std::string>& field) const {
    return {JsonString(field(config)), {}};
  }
  Value operator()(const FieldOf<Address>& field) const {
    return {JsonString(field(config).ToString()), {}};
  }
  Value operator()(const FieldOf<std::optional<Address>>& field) const {
    if (!field(config)) return {};
    return {JsonString(field(config)->ToString()), {}};
  }
  Value operator()(const ChoiceField& choice) const {
    return {JsonString(choice.words[choice.get(config)]), {}};
  }
  Value operator()(const ListenField&) const {
    Value value{"", {}, '['};
    for (const ListenConfig& listener : config.listen)
      value.lines.push_back(ListenerJson(listener));
    return value;
  }
  Value operator()(const ServersField&) const {
    if (config.broker.bootstrap_servers.empty()) return {};
    Value value{"", {}, '['};
    for (const std::string& server : config.broker.bootstrap_servers) {
      value.lines.push_back(JsonString(server));
    }
    return value;
  }
  Value operator()(const PropertiesField&) const {
    Value value{"", {}, '{'};
    for (const auto& [name, text] : config.broker.properties) {
      value.lines.push_back(fmt::format("{}: {}", JsonString(name),
                                        JsonString(IsSecretProperty(name) ? "***" : text)));
    }
    return value;
  }
  Value operator()(const ProducerConfigField&) const {
    Value value{"", {}, '{'};
    for (const EventTypeConfig& type : config.producer_config) {
      value.lines.push_back(EventTypeJson(type));
    }
    return value;
  }
  Value operator()(const RoutesField&) const {
    Value value{"", {}, '{'};
    for (const EventTypeConfig& type : config.producer_config) {
      if (std::string line = RoutesJson(type); !line.empty()) value.lines.push_back(line);
    }
    return value.lines.empty() ? Value{} : value;
  }
};

constexpr std::string_view kOff = "\"off\"";

// A JSON string without its quotes where YAML reads the same without.
std::string Unquoted(const std::string& scalar) {
  if (scalar.size() < 3 || scalar[0] != '"') return scalar;
  const std::string inner = scalar.substr(1, scalar.size() - 2);
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '.' || c == '_' || c == ':' || c == '-';
  };
  ConfigNode plain;
  plain.kind = ConfigNode::Kind::kScalar;
  plain.plain = true;
  plain.text = inner;
  const bool reads_the_same = std::all_of(inner.begin(), inner.end(), is_word) && inner[0] != '-' &&
                              inner[0] != ':' && inner.back() != ':' && TypeOf(plain) == "text";
  return reads_the_same ? inner : scalar;
}

std::string OriginOf(const LoadedConfig& loaded, const ConfigRow& row) {
  const auto find = [&](std::string_view path) {
    const auto it = loaded.origins.find(path);
    return it == loaded.origins.end() ? std::string("default") : it->second;
  };
  std::string origin = find(row.path);
  if (row.path == "producer_config") {
    const std::string file = find("producer_config_file");
    if (file != "default") {
      origin = (origin == "default" ? "" : origin + " and ") + "producer_config_file of " + file;
    }
  }
  // A comment must not end before its line does.
  std::replace_if(
      origin.begin(), origin.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; },
      '?');
  return origin;
}

// Calls `section(key, depth)` where a section begins and `value(row, key, depth, value)` for each
// row that is set.
template <typename OnSection, typename OnValue>
void Walk(const LoadedConfig& loaded, OnSection on_section, OnValue on_value) {
  Config config = loaded.config;
  std::vector<std::string> open;
  std::string off;  // the section that is switched off
  for (const ConfigRow& row : ConfigTable()) {
    if (!off.empty() && row.path.starts_with(off)) continue;
    const Value value = std::visit(ValueOf{row, config}, row.field);
    if (!value.is_set()) continue;
    if (HasRowsBelow(row.path)) {
      // A section or the one word that switches it off.
      if (value.scalar != kOff) continue;
      off = fmt::format("{}.", row.path);
    }
    std::vector<std::string> sections;
    std::string_view key = row.path;
    for (std::size_t dot = key.find('.'); dot != std::string_view::npos; dot = key.find('.')) {
      sections.emplace_back(key.substr(0, dot));
      key.remove_prefix(dot + 1);
    }
    std::size_t same = 0;
    while (same < open.size() && same < sections.size() && open[same] == sections[same]) ++same;
    for (std::size_t i = same; i < sections.size(); ++i) on_section(sections[i], i);
    open = sections;
    on_value(row, key, sections.size(), value);
  }
}

}  // namespace

std::string ConfigAsYaml(const LoadedConfig& loaded) {
  std::string text;
  Walk(
      loaded,
      [&](const std::string& key, std::size_t depth) {
        text += fmt::format("{:{}}{}:\n", "", depth * 2, key);
      },
      [&](const ConfigRow& row, std::string_view key, std::size_t depth, const Value& value) {
        const std::string origin = OriginOf(loaded, row);
        const std::string indent(depth * 2, ' ');
        if (value.open == '\0' || value.lines.empty()) {
          text += fmt::format("{}{}: {}  # {}\n", indent, key,
                              value.open == '\0' ? Unquoted(value.scalar) : value.AsJson(), origin);
          return;
        }
        text += fmt::format("{}{}:  # {}\n", indent, key, origin);
        for (const std::string& line : value.lines) {
          text += fmt::format("{}  {}{}\n", indent, value.open == '[' ? "- " : "", line);
        }
      });
  return text;
}

std::string ConfigAsJson(const LoadedConfig& loaded) {
  std::string config;
  std::string origins;
  std::size_t open = 0;
  bool first = true;
  const auto separate = [&](std::size_t depth) {
    for (; open > depth; --open) {
      config += "}";
      first = false;
    }
    if (!first) config += ", ";
    first = false;
  };
  Walk(
      loaded,
      [&](const std::string& key, std::size_t depth) {
        separate(depth);
        config += JsonString(key) + ": {";
        open = depth + 1;
        first = true;
      },
      [&](const ConfigRow& row, std::string_view key, std::size_t depth, const Value& value) {
        separate(depth);
        config += fmt::format("{}: {}", JsonString(key), value.AsJson());
        origins += fmt::format("{}{}: {}", origins.empty() ? "" : ", ", JsonString(row.path),
                               JsonString(OriginOf(loaded, row)));
      });
  separate(0);
  config.resize(config.size() - 2);  // the separator for what does not come
  return fmt::format("{{\"config\": {{{}}}, \"origins\": {{{}}}}}\n", config, origins);
}

}  // namespace sidebus
