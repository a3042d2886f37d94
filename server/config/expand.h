#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sidebus {

// `text` with each ${NAME} replaced by that variable. An error says what is wrong: a variable that
// is not set or empty, or a "${" without its end. A "$" that no "{" follows stays.
absl::StatusOr<std::string> ExpandVariables(
    std::string_view text, const std::map<std::string, std::string, std::less<>>& environment);

}  // namespace sidebus
