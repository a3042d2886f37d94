#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sidebus::cli {

inline constexpr std::string_view kDefaultEndpoint = "127.0.0.1:7420";
inline constexpr std::string_view kDefaultAdminEndpoint = "unix:/run/sidebus/admin.sock";

// What gRPC calls an endpoint that people write: `host:port`, `unix:/abs/path` or
// `unix:///abs/path`. The error says how to write it.
absl::StatusOr<std::string> TargetOf(std::string_view endpoint);

// The endpoint to use: the flag if it was given, else the environment's (null or empty: not set),
// else the default.
std::string ChooseEndpoint(const std::optional<std::string>& flag, const char* environment,
                           std::string_view otherwise = kDefaultEndpoint);

// Whether gRPC makes calls again whose connection went away before the server saw them. Not while
// measuring: what is counted is to be what was called.
enum class Retries { kOn, kOff };

// A channel to an endpoint. Does not connect yet.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(std::string_view endpoint,
                                                         Retries retries = Retries::kOn);

// The same, chosen by the flag and SIDEBUS_ENDPOINT.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::optional<std::string>& flag,
                                                       Retries retries = Retries::kOn);

}  // namespace sidebus::cli
