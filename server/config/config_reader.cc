#include "server/config/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "server/config/config_table.h"
#include "server/config/kafka_properties.h"
#include "server/config/suggest.h"
#include "server/config/units.h"

namespace sidebus {
namespace {

using Kind = ConfigNode::Kind;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

// Whether the text `min` or `max` of a row bounds `value` away. The bounds are in the same
// notation.
template <typename T, typename Parse>
std::string OutOfRange(const ConfigRow& row, std::string_view text, T value, Parse parse) {
  if (!row.min.empty() && value < *parse(row.min)) {
    return fmt::format("\"{}\" is too small; the least is {}", text, row.min);
  }
  if (!row.max.empty() && value > *parse(row.max)) {
    return fmt::format("\"{}\" is too large; the most is {}", text, row.max);
  }
  return "";
}

template <typename T, typename Parse>
std::optional<T> Quantity(const ConfigRow& row, const std::string& text, Parse parse,
                          std::string* what) {
  const absl::StatusOr<T> value = parse(text);
  if (!value.ok()) {
    *what = Message(value.status());
  } else {
    *what = OutOfRange(row, text, *value, parse);
  }
  return what->empty() ? std::optional<T>(*value) : std::nullopt;
}

std::string NotSupported(std::string_view path) {
  return fmt::format("{} is not supported by this version; remove it", path);
}

}  // namespace

bool ConfigDraft::has_problem(std::string_view path) const {
  return std::any_of(problems.begin(), problems.end(),
                     [&](const ConfigProblem& problem) { return problem.path == path; });
}

void ConfigDraft::AddProblem(std::string_view path, std::string what) {
  ConfigProblem problem;
  if (const auto it = places.find(path); it != places.end()) problem = it->second;
  problem.path = std::string(path);
  problem.what = std::move(what);
  problems.push_back(std::move(problem));
}

std::string UnknownKey(std::string_view prefix, std::string_view key) {
  std::vector<std::string> siblings;
  std::string elsewhere;
  for (const ConfigRow& row : ConfigTable()) {
    if (row.path.starts_with(prefix)) {
      const std::string_view rest = row.path.substr(prefix.size());
      siblings.emplace_back(rest.substr(0, rest.find_first_of(".[")));
    }
    const std::size_t dot = row.path.rfind('.');
    if (elsewhere.empty() && dot != std::string_view::npos && row.path.substr(dot + 1) == key) {
      elsewhere = row.path;
    }
  }
  if (const std::string near = Nearest(key, siblings); !near.empty()) {
    return fmt::format("unknown key; did you mean {}?", near);
  }
  if (!elsewhere.empty()) return fmt::format("unknown key; did you mean {}?", elsewhere);
  if (key == "<<") return "YAML's merge key is not understood; write the keys out";
  return "unknown key; `sidebus config schema --format markdown` lists all";
}

void ConfigReader::Problem(const ConfigNode& node, std::string_view path, std::string what) {
  draft_.problems.push_back({source_, node.line, node.column, std::string(path), std::move(what)});
}

void ConfigReader::ReadFile(const ConfigNode& root) {
  if (root.kind != Kind::kMap) {
    return Problem(root, "", fmt::format("expected a map of keys, found {}", TypeOf(root)));
  }
  ReadSection(root, "");
}

void ConfigReader::ReadSection(const ConfigNode& section, const std::string& prefix) {
  for (const ConfigNode& child : section.children) {
    const std::string path = prefix + child.key;
    const ConfigRow* row = FindRow(path);
    const bool has_rows_below = HasRowsBelow(path);
    if (row == nullptr && !has_rows_below) {
      Problem(child, path, UnknownKey(prefix, child.key));
    } else if (has_rows_below && child.kind == Kind::kMap &&
               (row == nullptr || !child.children.empty())) {
      draft_.places[path] = {source_, child.line, child.column, path, ""};
      ReadSection(child, path + ".");
    } else if (row != nullptr) {
      ReadRow(*row, child);
    } else {
      Problem(child, path,
              fmt::format("expected a map of keys, found {}{}", TypeOf(child),
                          child.kind == Kind::kNull ? "; remove the key or give it values" : ""));
    }
  }
}

void ConfigReader::ReadValue(const std::string& path, const ConfigNode& value) {
  ReadRow(*FindRow(path), value);
}

void ConfigReader::ReadRow(const ConfigRow& row, const ConfigNode& value) {
  const std::string path(row.path);
  draft_.places[path] = {source_, value.line, value.column, path, ""};
  Config& config = draft_.config;
  std::visit(
      [&](const auto& field) {
        using Field = std::decay_t<decltype(field)>;
        std::string what;
        if constexpr (std::is_same_v<Field, AnyField>) {
          ReadUnstored(row, value);
        } else if constexpr (std::is_same_v<Field, FieldOf<bool>>) {
          if (const auto on = Bool(value, path)) field(config) = *on;
        } else if constexpr (std::is_same_v<Field, FieldOf<std::uint32_t>>) {
          const std::string* text = PlainNumber(value, path);
          if (text == nullptr) return;
          if (const auto count = Quantity<std::uint32_t>(row, *text, ParseCount, &what)) {
            field(config) = *count;
          }
        } else if constexpr (std::is_same_v<Field, FieldOf<std::uint64_t>> ||
                             std::is_same_v<Field, FieldOf<Duration>>) {
          using Value = std::remove_reference_t<decltype(field(config))>;
          if (value.kind != Kind::kScalar) {
            return Problem(value, path,
                           fmt::format("expected a {}, found {}", TypeName(row), TypeOf(value)));
          }
          if constexpr (std::is_same_v<Value, Duration>) {
            if (const auto d = Quantity<Value>(row, value.text, ParseDuration, &what)) {
              field(config) = *d;
            }
          } else {
            if (const auto size = Quantity<Value>(row, value.text, ParseSize, &what)) {
              field(config) = *size;
            }
          }
        } else if constexpr (std::is_same_v<Field, FieldOf<std::string>>) {
          if (const std::string* text = Text(value, path)) field(config) = *text;
        } else if constexpr (std::is_same_v<Field, FieldOf<Address>> ||
                             std::is_same_v<Field, FieldOf<std::optional<Address>>>) {
          if (const auto address = ReadAddress(value, path)) field(config) = *address;
        } else if constexpr (std::is_same_v<Field, ChoiceField>) {
          const auto word = std::find(field.words.begin(), field.words.end(), value.text);
          const bool later =
              std::find(field.later.begin(), field.later.end(), value.text) != field.later.end();
          if (value.kind == Kind::kScalar && word != field.words.end()) {
            field.set(config, static_cast<std::size_t>(word - field.words.begin()));
          } else if (value.kind == Kind::kScalar && later) {
            what = fmt::format("{}: {} is not supported by this version", path, value.text);
          } else {
            what = fmt::format("expected one of {}; found {}", fmt::join(field.words, ", "),
                               value.kind == Kind::kScalar ? fmt::format("\"{}\"", value.text)
                                                           : std::string(TypeOf(value)));
          }
        } else if constexpr (std::is_same_v<Field, ListenField>) {
          ReadListen(value);
        } else if constexpr (std::is_same_v<Field, PropertiesField>) {
          ReadProperties(value);
        } else if constexpr (std::is_same_v<Field, ServersField>) {
          ReadServers(value);
        } else if constexpr (std::is_same_v<Field, RoutesField>) {
          ReadRoutes(value);
        } else if constexpr (std::is_same_v<Field, ProducerConfigField>) {
          draft_.producer_config =
              ReadProducerConfig(value, source_, path, draft_.problems, draft_.warnings);
        } else {
          static_assert(std::is_same_v<Field, ProducerConfigFileField>);
          const std::string* text = Text(value, path);
          if (text != nullptr && text->empty()) what = "expected the name of a file, found nothing";
          if (text != nullptr) draft_.producer_config_file = *text;
        }
        if (!what.empty()) Problem(value, path, std::move(what));
      },
      row.field);
}

void ConfigReader::ReadUnstored(const ConfigRow& row, const ConfigNode& value) {
  if (row.support == Support::kNo) return Problem(value, row.path, NotSupported(row.path));
  const bool is_default = value.kind == Kind::kScalar && value.text == row.default_text;
  if (is_default) return;
  const std::string found = value.kind == Kind::kScalar ? value.text : std::string(TypeOf(value));
  Problem(value, row.path,
          fmt::format("{}: {} is not supported by this version; it has only \"{}\"", row.path,
                      found, row.default_text));
}

const std::string* ConfigReader::Text(const ConfigNode& node, const std::string& path) {
  const std::string_view type = TypeOf(node);
  if (type == "text") return &node.text;
  Problem(
      node, path,
      fmt::format("expected text, found {}{}", type,
                  node.kind == Kind::kScalar && !node.text.empty() ? "; put it in quotes" : ""));
  return nullptr;
}

const std::string* ConfigReader::PlainNumber(const ConfigNode& node, const std::string& path) {
  if (node.kind == Kind::kScalar && node.plain && TypeOf(node) != "null") return &node.text;
  Problem(node, path,
          fmt::format("expected a number, found {}{}", TypeOf(node),
                      node.kind == Kind::kScalar && !node.plain ? "; remove the quotes" : ""));
  return nullptr;
}

std::optional<bool> ConfigReader::Bool(const ConfigNode& node, const std::string& path) {
  if (node.kind == Kind::kScalar && node.plain && node.text == "true") return true;
  if (node.kind == Kind::kScalar && node.plain && node.text == "false") return false;
  Problem(node, path,
          fmt::format("expected true or false, found {}",
                      node.kind == Kind::kScalar
                          ? fmt::format("\"{}\"{}", node.text, node.plain ? "" : " in quotes")
                          : std::string(TypeOf(node))));
  return std::nullopt;
}

std::optional<Address> ConfigReader::ReadAddress(const ConfigNode& node, const std::string& path) {
  if (node.kind != Kind::kScalar) {
    Problem(node, path, fmt::format("expected an address, found {}", TypeOf(node)));
    return std::nullopt;
  }
  absl::StatusOr<Address> address = ParseAddress(node.text);
  if (!address.ok()) {
    Problem(node, path, Message(address.status()));
    return std::nullopt;
  }
  return *std::move(address);
}

void ConfigReader::ReadServers(const ConfigNode& list) {
  const std::string path = "broker.kafka.bootstrap_servers";
  if (list.kind != Kind::kList) {
    return Problem(list, path,
                   fmt::format("expected a list, as in [broker-1:9092, broker-2:9092], found {}",
                               TypeOf(list)));
  }
  if (list.children.empty()) Problem(list, path, "the list is empty; name at least one broker");
  std::vector<std::string> servers;
  for (std::size_t i = 0; i < list.children.size(); ++i) {
    const std::string item_path = fmt::format("{}[{}]", path, i);
    const auto address = ReadAddress(list.children[i], item_path);
    if (!address) continue;
    if (address->is_unix() || address->port == 0) {
      Problem(list.children[i], item_path, "a broker is host:port, with a port from 1 to 65535");
    }
    servers.push_back(address->ToString());
  }
  draft_.config.broker.bootstrap_servers = std::move(servers);
}

void ConfigReader::ReadProperties(const ConfigNode& map) {
  const std::string path = "broker.kafka.properties";
  if (map.kind != Kind::kMap) {
    return Problem(
        map, path,
        fmt::format("expected a map from librdkafka property to value, found {}", TypeOf(map)));
  }
  std::map<std::string, std::string> properties;
  for (const ConfigNode& property : map.children) {
    const std::string property_path = fmt::format("{}.{}", path, property.key);
    if (property.kind != Kind::kScalar) {
      Problem(property, property_path,
              fmt::format("expected text or a number, found {}", TypeOf(property)));
    } else if (const std::string why = WhyRefused(property.key, property.text); !why.empty()) {
      Problem(property, property_path, fmt::format("may not be set here: {}", why));
    } else if (is_kafka_property_ && !is_kafka_property_(property.key)) {
      Problem(property, property_path,
              "librdkafka has no such property; see its CONFIGURATION.md for the names");
    }
    properties[property.key] = property.text;
  }
  draft_.config.broker.properties = std::move(properties);
}

}  // namespace sidebus
