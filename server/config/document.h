#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/config_problem.h"

namespace sidebus {

// A YAML or JSON value, and where it was written. A plain tree: aliases are expanded.
struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  bool plain = false;  // scalar without quotes, which YAML may take for a number, bool or null
  std::string text;    // of a scalar
  std::vector<ConfigNode> children;  // of a list or map, in the order written
  std::string key;                   // of a map's child
  int line = 0;                      // from 1; of the key for a map's child
  int column = 0;
};

// What YAML takes a node for: "a map", "a list", "null", "a number", "true or false", "text".
std::string_view TypeOf(const ConfigNode& node);

// True or false as PyYAML reads plain words (yes, no, on, off, true, false in three cases); nullopt
// for anything else, also for quoted words.
std::optional<bool> PyYamlBool(const ConfigNode& node);

inline constexpr std::size_t kMaxConfigBytes = 1 << 20;

// Reads a whole file of at most kMaxConfigBytes. The message of an error does not repeat the name.
absl::StatusOr<std::string> ReadConfigFile(const std::string& path);

// Parses one document. Adds to `problems` (with `source` as their source) and returns nullopt for
// what is no text, no YAML, empty, too deep or too large once aliases are expanded. Duplicate keys
// are problems too, but the tree is returned then, with the first of them.
std::optional<ConfigNode> ParseConfigText(const std::string& text, const std::string& source,
                                          std::vector<ConfigProblem>& problems);

}  // namespace sidebus
