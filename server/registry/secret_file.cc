#include "server/registry/secret_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace sidebus {
namespace {

constexpr std::size_t kMaxBytes = 4096;

absl::Status Bad(std::string_view key, std::string_view what) {
  return absl::FailedPreconditionError(fmt::format("{}: the file {}", key, what));
}

}  // namespace

absl::StatusOr<std::string> ReadSecretFile(std::string_view key, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Bad(key, "cannot be opened: check that it exists and may be read");
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return Bad(key, "cannot be read");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxBytes) return Bad(key, "is longer than 4 KiB");
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.empty()) return Bad(key, "is empty");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  if (std::ranges::any_of(text, is_control)) return Bad(key, "has more than one line of text");
  return text;
}

}  // namespace sidebus
