#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sidebus {

// Where to listen: `host:port` (TCP) or an absolute path (Unix socket).
struct Address {
  std::string host;  // TCP: a name or an IP address, IPv6 without brackets
  std::uint16_t port = 0;
  std::string path;  // Unix socket; empty for TCP

  bool is_unix() const { return !path.empty(); }

  // Whether only this machine can reach it: a Unix socket, 127.0.0.0/8, ::1 or localhost.
  bool is_loopback() const;

  // As written in the configuration: "127.0.0.1:7420", "[::1]:7420", "unix:/run/x.sock".
  std::string ToString() const;

  friend bool operator==(const Address&, const Address&) = default;
};

// Longest path of a Unix socket: sockaddr_un::sun_path less its terminating zero.
inline constexpr std::size_t kMaxSocketPath = 107;

// Understands `host:port`, `[v6]:port`, `unix:/abs/path` and `unix:///abs/path`. Port 0 means "any
// free one". The message of an error says what is wrong and how to write it; nothing on disk is
// looked at.
absl::StatusOr<Address> ParseAddress(std::string_view text);

}  // namespace sidebus
