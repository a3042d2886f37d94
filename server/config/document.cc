#include "server/config/document.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/cleanup/cleanup.h"

namespace sidebus {
namespace {

constexpr std::array<std::string_view, 9> kTrueWords{"yes",  "Yes", "YES", "true", "True",
                                                     "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 9> kFalseWords{"no",    "No",  "NO",  "false", "False",
                                                      "FALSE", "off", "Off", "OFF"};

template <std::size_t N>
bool IsOneOf(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Whether YAML takes the plain word for a number: decimal, hexadecimal, octal, fraction, .inf.
bool LooksLikeNumber(std::string_view word) {
  if (!word.empty() && (word[0] == '-' || word[0] == '+')) word.remove_prefix(1);
  if (word == ".inf" || word == ".Inf" || word == ".INF" || word == ".nan" || word == ".NaN") {
    return true;
  }
  const std::string_view prefix = word.substr(0, 2);
  if (prefix == "0x" || prefix == "0o" || prefix == "0b") {
    return word.size() > 2 &&
           word.find_first_not_of("0123456789abcdefABCDEF_", 2) == std::string_view::npos;
  }
  const bool starts =
      !word.empty() && ((word[0] >= '0' && word[0] <= '9') ||
                        (word[0] == '.' && word.size() > 1 && word[1] >= '0' && word[1] <= '9'));
  if (!starts || word.find_first_not_of("0123456789._eE+-") != std::string_view::npos) return false;
  return std::count(word.begin(), word.end(), '.') <= 1 && word.back() != '-' &&
         word.back() != '+' && word.find('-') == word.find_last_of('-') &&
         (word.find('-') == std::string_view::npos ||
          word.find_first_of("eE") + 1 == word.find('-'));
}

}  // namespace

std::string_view TypeOf(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return "null";
    case ConfigNode::Kind::kList:
      return "a list";
    case ConfigNode::Kind::kMap:
      return "a map";
    case ConfigNode::Kind::kScalar:
      break;
  }
  if (!node.plain) return "text";
  if (node.text.empty() || node.text == "~" || node.text == "null" || node.text == "Null" ||
      node.text == "NULL") {
    return "null";
  }
  if (PyYamlBool(node)) return "true or false";
  return LooksLikeNumber(node.text) ? "a number" : "text";
}

std::optional<bool> PyYamlBool(const ConfigNode& node) {
  if (node.kind != ConfigNode::Kind::kScalar || !node.plain) return std::nullopt;
  if (IsOneOf(node.text, kTrueWords)) return true;
  if (IsOneOf(node.text, kFalseWords)) return false;
  return std::nullopt;
}

absl::StatusOr<std::string> ReadConfigFile(const std::string& path) {
  // Non-blocking, so that a named pipe does not hang the start.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return absl::NotFoundError(fmt::format("cannot be read: {}", std::strerror(errno)));
  }
  const absl::Cleanup close = [fd] { ::close(fd); };
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(S_ISDIR(info.st_mode) ? "is a directory; name a file in it"
                                                            : "is not a regular file");
  }
  std::string text;
  std::array<char, 16 * 1024> chunk;
  while (text.size() <= kMaxConfigBytes) {
    const ssize_t count = ::read(fd, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return absl::NotFoundError(fmt::format("cannot be read: {}", std::strerror(errno)));
    if (count == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  return absl::InvalidArgumentError("is larger than 1 MiB, the most that is read");
}

}  // namespace sidebus
