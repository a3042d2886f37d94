#include "server/config/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace sidebus {
namespace {

constexpr std::string_view kHowTo = "write host:port or unix:/absolute/path";

absl::Status NoAddress(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("\"{}\" is no address: {}", text, what));
}

bool IsHostName(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

bool IsV6(const std::string& host) {
  in6_addr parsed{};
  return ::inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

absl::StatusOr<Address> ParseSocket(std::string_view text) {
  std::string_view path = text.substr(std::string_view("unix:").size());
  if (path.substr(0, 3) == "///") path.remove_prefix(2);
  if (path.size() < 2 || path[0] != '/' || path[1] == '/') {
    return NoAddress(text, "the path of a Unix socket is absolute, as in unix:/run/sidebus.sock");
  }
  if (path.back() == '/') return NoAddress(text, "it names a directory; add a file name");
  if (path.find('\0') != std::string_view::npos) return NoAddress(text, "it contains a zero byte");
  if (path.size() > kMaxSocketPath) {
    return NoAddress(text,
                     fmt::format("the path has {} bytes, a Unix socket's at most {}; choose a "
                                 "shorter one",
                                 path.size(), kMaxSocketPath));
  }
  Address address;
  address.path = std::string(path);
  return address;
}

}  // namespace

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  if (text.substr(0, 5) == "unix:") return ParseSocket(text);
  if (text.find("://") != std::string_view::npos) {
    return NoAddress(text, fmt::format("it has a scheme; {}", kHowTo));
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return NoAddress(text, fmt::format("no port; {}", kHowTo));

  Address address;
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    address.host = std::string(host.substr(1, host.size() - 2));
    if (!IsV6(address.host)) return NoAddress(text, "no IPv6 address in the brackets");
  } else if (host.find(':') != std::string_view::npos) {
    return NoAddress(text, "write an IPv6 address in brackets, as in [::1]:7420");
  } else if (!IsHostName(host)) {
    return NoAddress(text, host.empty()
                               ? "no host; 127.0.0.1 is this machine, 0.0.0.0 every interface"
                               : fmt::format("no such host name can be; {}", kHowTo));
  } else {
    address.host = std::string(host);
  }

  const std::string_view port = text.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number > 65535) {
    return NoAddress(text, "the port is a number from 0 to 65535");
  }
  address.port = static_cast<std::uint16_t>(number);
  return address;
}

bool Address::is_loopback() const {
  if (is_unix() || host == "localhost") return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string Address::ToString() const {
  if (is_unix()) return "unix:" + path;
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

}  // namespace sidebus
