#include "client/cli/endpoint.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <charconv>
#include <cstdlib>

#include "fmt/format.h"

namespace sidebus::cli {
namespace {

absl::Status Malformed(std::string_view endpoint, std::string_view what) {
  return absl::InvalidArgumentError(
      fmt::format("endpoint `{}`: {}; write host:port, for example 127.0.0.1:7420, or "
                  "unix:/path/of/socket",
                  endpoint, what));
}

}  // namespace

absl::StatusOr<std::string> TargetOf(std::string_view endpoint) {
  constexpr std::string_view kUnix = "unix:";
  if (endpoint.starts_with(kUnix)) {
    std::string_view path = endpoint.substr(kUnix.size());
    if (path.starts_with("///")) path.remove_prefix(2);
    if (!path.starts_with('/') || path.starts_with("//")) {
      return Malformed(endpoint, "the path of a Unix socket begins with /");
    }
    return fmt::format("unix:{}", path);
  }
  const std::size_t colon = endpoint.rfind(':');
  if (endpoint.find("://") != std::string_view::npos) return Malformed(endpoint, "it has a scheme");
  if (colon == std::string_view::npos) return Malformed(endpoint, "no port");
  const std::string_view host = endpoint.substr(0, colon);
  if (host.empty()) return Malformed(endpoint, "no host");
  if (host.find(':') != std::string_view::npos && !(host.front() == '[' && host.back() == ']')) {
    return Malformed(endpoint, "an IPv6 address is written in brackets, as in [::1]:7420");
  }
  const std::string_view digits = endpoint.substr(colon + 1);
  int port = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || port < 1 ||
      port > 65535) {
    return Malformed(endpoint, "the port is a number from 1 to 65535");
  }
  return fmt::format("dns:///{}", endpoint);
}

std::string ChooseEndpoint(const std::optional<std::string>& flag, const char* environment,
                           std::string_view otherwise) {
  if (flag.has_value()) return *flag;
  if (environment != nullptr && *environment != '\0') return environment;
  return std::string(otherwise);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::optional<std::string>& flag,
                                                       Retries retries) {
  return ConnectTo(ChooseEndpoint(flag, std::getenv("SIDEBUS_ENDPOINT")), retries);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(std::string_view endpoint,
                                                         Retries retries) {
  const auto target = TargetOf(endpoint);
  if (!target.ok()) return target.status();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, retries == Retries::kOn ? 1 : 0);
  // People wait for it: a gateway that comes up late is to be seen soon.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(*target, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace sidebus::cli
