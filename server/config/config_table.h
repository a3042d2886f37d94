#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config/config.h"

namespace sidebus {

// Where a key's value lands in Config; the type of the member is the type of the value.
template <typename T>
using FieldOf = T& (*)(Config&);

// One of a few words. `later` are words of the contract that this version does not support.
struct ChoiceField {
  std::vector<std::string_view> words;
  std::vector<std::string_view> later;
  std::size_t (*get)(Config&);  // index in `words`
  void (*set)(Config&, std::size_t index);
};

// Keys with a reader of their own, and (AnyField) keys that are kept nowhere.
struct ListenField {};
struct PropertiesField {};
struct ServersField {};
struct ProducerConfigField {};
struct ProducerConfigFileField {};
struct RoutesField {};
struct AnyField {};

using ConfigField =
    std::variant<AnyField, FieldOf<bool>, FieldOf<std::uint32_t>, FieldOf<std::uint64_t>,
                 FieldOf<Duration>, FieldOf<std::string>, FieldOf<Address>,
                 FieldOf<std::optional<Address>>, ChoiceField, ListenField, PropertiesField,
                 ServersField, ProducerConfigField, ProducerConfigFileField, RoutesField>;

enum class Support : std::uint8_t {
  kYes,
  kDefaultOnly,  // AnyField: the default may be written, any other value is an error
  kNo,           // AnyField: the key is an error
};

// One key of the configuration file. The table of rows is all that the parser, the JSON Schema, the
// reference page and `sidebus config print` know about keys.
struct ConfigRow {
  std::string_view path;  // "subscribe.max_window.events"; "listen[].name" for list items
  ConfigField field;
  std::string_view default_text;  // as written in the file; empty: none
  std::string_view min;           // inclusive, in the value's own notation; empty: no bound
  std::string_view max;
  Support support = Support::kYes;
  std::string_view help;
};

// In the order of the reference page.
std::span<const ConfigRow> ConfigTable();

// Null when there is none.
const ConfigRow* FindRow(std::string_view path);

// Whether rows begin with `path` and a dot, so that its value may be a map of keys.
bool HasRowsBelow(std::string_view path);

// "duration", "size", "number", "true or false", ... for people. Empty for AnyField.
std::string_view TypeName(const ConfigRow& row);

}  // namespace sidebus
