#include "server/config/expand.h"

#include <fmt/format.h>

namespace sidebus {

absl::StatusOr<std::string> ExpandVariables(
    std::string_view text, const std::map<std::string, std::string, std::less<>>& environment) {
  std::string expanded;
  for (;;) {
    const std::size_t start = text.find("${");
    expanded += text.substr(0, start);
    if (start == std::string_view::npos) return expanded;
    const std::size_t end = text.find('}', start);
    if (end == std::string_view::npos) {
      return absl::InvalidArgumentError("\"${\" has no \"}\"");
    }
    const std::string_view name = text.substr(start + 2, end - start - 2);
    const auto variable = environment.find(name);
    if (variable == environment.end() || variable->second.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("the environment variable {} is {}; set it, or write the name itself", name,
                      variable == environment.end() ? "not set" : "empty"));
    }
    expanded += variable->second;
    text.remove_prefix(end + 1);
  }
}

}  // namespace sidebus
