#include "server/app/doctor_machine.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <string_view>

namespace sidebus {
namespace {

// Version 1 has a number near 2^63 where there is no limit.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

std::optional<std::uint64_t> ReadLimit(const std::string& file) {
  std::ifstream stream(file);
  std::uint64_t bytes = 0;
  if (!(stream >> bytes) || bytes >= kNoLimit) return std::nullopt;  // "max", or no file
  return bytes;
}

// The least limit of a group and those above it.
std::optional<std::uint64_t> LeastLimit(const std::string& mount, std::string path,
                                        const std::string& name) {
  std::optional<std::uint64_t> least;
  while (true) {
    // Inside a container the path may be that of the host, and the mount its own group.
    const auto limit = ReadLimit(mount + path + "/" + name);
    if (limit.has_value()) least = std::min(least.value_or(*limit), *limit);
    const std::size_t slash = path.rfind('/');
    if (path.empty() || slash == std::string::npos) return least;
    path.resize(slash);
  }
}

}  // namespace

std::uint64_t OpenFilesLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::optional<std::uint64_t> MemoryLimit(const std::string& groups, const std::string& mounts) {
  // "0::/path" of version 2, "9:memory:/path" of version 1.
  std::optional<std::uint64_t> least;
  std::ifstream stream(groups);
  for (std::string line; std::getline(stream, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    std::optional<std::uint64_t> limit;
    if (controllers == ",,") {
      limit = LeastLimit(mounts, path, "memory.max");
    } else if (controllers.find(",memory,") != std::string::npos) {
      limit = LeastLimit(mounts + "/memory", path, "memory.limit_in_bytes");
    }
    if (limit.has_value()) least = std::min(least.value_or(*limit), *limit);
  }
  return least;
}

}  // namespace sidebus
