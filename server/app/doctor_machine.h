#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sidebus {

// How many files and sockets this process may have open.
std::uint64_t OpenFilesLimit();

// What this process may use of memory, as its control group and those above it say, the least of
// them; both versions of control groups. nullopt: there is no limit, or no control group.
// `groups` and `mounts` are /proc/self/cgroup and /sys/fs/cgroup, or a test's.
std::optional<std::uint64_t> MemoryLimit(const std::string& groups, const std::string& mounts);

}  // namespace sidebus
