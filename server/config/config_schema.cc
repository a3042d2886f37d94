#include "server/config/config_schema.h"

#include <fmt/format.h>

#include <vector>

#include "server/base/json_text.h"
#include "server/config/config_table.h"
#include "server/config/units.h"

namespace sidebus {
namespace {

constexpr std::string_view kDuration =
    R"("type": "string", "pattern": "^(0|[1-9][0-9]*)(ms|s|m|h)$")";
constexpr std::string_view kSize =
    R"("type": "string", "pattern": "^(0|[1-9][0-9]*)(B|KiB|MiB|GiB)$")";
constexpr std::string_view kAddress =
    R"("type": "string", "pattern": "^(unix:/.+|[^/]+:[0-9]{1,5})$")";
// The words are PyYAML's, for readers that see them as text.
constexpr std::string_view kProducerConfig =
    R"("type": "object", "additionalProperties": {"type": "object", "additionalProperties": )"
    R"({"type": "object", "properties": {"event_key_field": {"type": ["string", "null"]}, )"
    R"("enabled": {"enum": [true, false, null, "yes", "Yes", "YES", "no", "No", "NO", "on", "On", )"
    R"("ON", "off", "Off", "OFF"]}}}})";

constexpr std::string_view kRoutes =
    R"("type": "object", "additionalProperties": {"type": "object", "additionalProperties": )"
    R"({"type": "object", "additionalProperties": false, "properties": )"
    R"({"encoding": {"enum": ["cloudevents", "openedx"]}, )"
    R"("schema": {"type": "string", "minLength": 1}, )"
    R"("partitioner": {"enum": ["consistent_random"]}}}})";

std::string Quoted(const std::vector<std::string_view>& words) {
  std::string text;
  for (const std::string_view word : words) {
    text += (text.empty() ? "" : ", ") + JsonString(word);
  }
  return text;
}

// The members that say what a row's value may be.
struct TypeMembers {
  const ConfigRow& row;

  std::string operator()(const AnyField&) const {
    if (row.support == Support::kNo) return R"("not": {})";
    if (row.path == "listen[].allow_insecure") return R"("type": "boolean")";
    if (row.path == "listen[].mode") return R"("type": "string", "pattern": "^0?[0-7]{3}$")";
    if (row.path == "listen[].address") return std::string(kAddress);
    if (row.support == Support::kYes) return R"("type": "string")";
    const bool is_bool = row.default_text == "false";
    return fmt::format("\"const\": {}", is_bool ? "false" : JsonString(row.default_text));
  }
  std::string operator()(const FieldOf<bool>&) const { return R"("type": "boolean")"; }
  std::string operator()(const FieldOf<std::uint32_t>&) const {
    return fmt::format(R"("type": "integer", "minimum": {}, "maximum": {})",
                       row.min.empty() ? "0" : row.min, row.max.empty() ? "4294967295" : row.max);
  }
  std::string operator()(const FieldOf<std::uint64_t>&) const { return std::string(kSize); }
  std::string operator()(const FieldOf<Duration>&) const { return std::string(kDuration); }
  std::string operator()(const FieldOf<std::string>&) const { return R"("type": "string")"; }
  std::string operator()(const FieldOf<Address>&) const { return std::string(kAddress); }
  std::string operator()(const FieldOf<std::optional<Address>>&) const {
    return std::string(kAddress);
  }
  std::string operator()(const ChoiceField& choice) const {
    return fmt::format("\"enum\": [{}]", Quoted(choice.words));
  }
  std::string operator()(const ListenField&) const;
  std::string operator()(const PropertiesField&) const {
    return R"("type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]})";
  }
  std::string operator()(const ServersField&) const {
    return fmt::format(R"("type": "array", "minItems": 1, "items": {{{}}})", kAddress);
  }
  std::string operator()(const ProducerConfigField&) const { return std::string(kProducerConfig); }
  std::string operator()(const RoutesField&) const { return std::string(kRoutes); }
  std::string operator()(const ProducerConfigFileField&) const {
    return R"("type": "string", "minLength": 1)";
  }
};

std::string Description(const ConfigRow& row) {
  std::string text(row.help);
  if (row.support == Support::kNo) text += " Not supported by this version.";
  if (row.support == Support::kDefaultOnly) {
    text += fmt::format(" This version supports only `{}`.",
                        row.default_text.empty() ? "\"\"" : row.default_text);
  }
  if (!row.min.empty()) text += fmt::format(" At least {}.", row.min);
  if (!row.max.empty()) text += fmt::format(" At most {}.", row.max);
  return text;
}

// A row's default as JSON; empty when it has none.
std::string DefaultJson(const ConfigRow& row) {
  if (row.default_text.empty() || row.support == Support::kNo) return "";
  if (std::holds_alternative<ListenField>(row.field)) return R"(["127.0.0.1:7420"])";
  const bool is_json = std::holds_alternative<FieldOf<std::uint32_t>>(row.field) ||
                       row.default_text == "true" || row.default_text == "false" ||
                       row.default_text[0] == '"' || row.default_text == "{}";
  return is_json ? std::string(row.default_text) : JsonString(row.default_text);
}

std::string SectionSchema(std::string_view prefix, int depth);

std::string RowSchema(const ConfigRow& row, int depth) {
  const std::string fallback = DefaultJson(row);
  std::string type = std::visit(TypeMembers{row}, row.field);
  if (HasRowsBelow(row.path)) {
    type = fmt::format("\"anyOf\": [{{{}}}, {}]", type,
                       SectionSchema(fmt::format("{}.", row.path), depth + 1));
  }
  return fmt::format("{{\"description\": {}, {}{}}}", JsonString(Description(row)), type,
                     fallback.empty() ? "" : ", \"default\": " + fallback);
}

// The object whose keys are the rows that begin with `prefix`, in the order of the table.
std::string SectionSchema(std::string_view prefix, int depth) {
  const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
  std::string properties;
  std::string last_key;
  for (const ConfigRow& row : ConfigTable()) {
    if (!row.path.starts_with(prefix)) continue;
    const std::string_view rest = row.path.substr(prefix.size());
    const std::string key(rest.substr(0, rest.find_first_of(".[")));
    if (key == last_key) continue;  // a section's rows stand together
    last_key = key;
    const bool is_row = rest == key;
    properties +=
        fmt::format("{}\n{}  {}: {}", properties.empty() ? "" : ",", indent, JsonString(key),
                    is_row ? RowSchema(row, depth)
                           : SectionSchema(fmt::format("{}{}.", prefix, key), depth + 1));
  }
  return fmt::format(
      "{{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {{{}\n{}}}}}",
      properties, indent);
}

std::string TypeMembers::operator()(const ListenField&) const {
  std::string item = SectionSchema("listen[].", 2);
  item.insert(item.size() - 1, R"(, "required": ["address"])");
  return fmt::format(R"("type": "array", "minItems": 1, "items": {{"anyOf": [{{{}}}, {}]}})",
                     kAddress, item);
}

}  // namespace

std::string ConfigJsonSchema() {
  std::string schema = SectionSchema("", 0);
  schema.insert(1,
                "\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", "
                "\"title\": \"Sidebus configuration\",\n");
  return schema + "\n";
}

std::string ConfigReferencePage() {
  std::string page =
      "# Configuration keys\n\n"
      "<!-- Generated: sidebus config schema --format markdown -->\n\n"
      "One YAML or JSON file, `--config FILE` or `SIDEBUS_CONFIG`. Durations are a whole number "
      "and `ms`, `s`, `m` or `h`; sizes a whole number and `B`, `KiB`, `MiB` or `GiB`. Flags win "
      "over the file, the file wins over the environment. Keys marked *later* are known, and an "
      "error in this version.\n\n"
      "| key | type | default | what it does |\n|---|---|---|---|\n";
  for (const ConfigRow& row : ConfigTable()) {
    std::string type(TypeName(row));
    if (const auto* choice = std::get_if<ChoiceField>(&row.field)) {
      type = fmt::format("`{}`", fmt::join(choice->words, "`, `"));
    }
    std::string help(row.help);
    if (!row.min.empty()) help += fmt::format(" At least {}.", row.min);
    if (!row.max.empty()) help += fmt::format(" At most {}.", row.max);
    if (row.support == Support::kNo) help = "*later* " + help;
    if (row.support == Support::kDefaultOnly) help += " Other values: *later*.";
    const std::string fallback =
        row.default_text.empty() ? "" : fmt::format("`{}`", row.default_text);
    page += fmt::format("| `{}` | {} | {} | {} |\n", row.path,
                        row.support == Support::kNo ? "" : type, fallback, help);
  }
  return page;
}

}  // namespace sidebus
