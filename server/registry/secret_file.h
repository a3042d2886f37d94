#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sidebus {

// The one line of a file that holds a secret, without the line's end. Blocks, for as long as a
// small file takes. `key` is the file's key in the configuration: errors name it, never the
// content.
// Errors, FAILED_PRECONDITION: it cannot be read, is empty, longer than 4 KiB, or more than a line.
absl::StatusOr<std::string> ReadSecretFile(std::string_view key, const std::string& path);

}  // namespace sidebus
