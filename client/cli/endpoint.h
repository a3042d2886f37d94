#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sidebus::cli {

inline constexpr std::string_view kDefaultEndpoint = "127.0.0.1:7420";

// What gRPC calls an endpoint that people write: `host:port`, `unix:/abs/path` or
// `unix:///abs/path`. The error says how to write it.
absl::StatusOr<std::string> TargetOf(std::string_view endpoint);

// The endpoint to use: the flag if it was given, else SIDEBUS_ENDPOINT (null or empty: not set),
// else the default.
std::string ChooseEndpoint(const std::optional<std::string>& flag, const char* environment);

// A channel to it. Does not connect yet.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::optional<std::string>& flag);

}  // namespace sidebus::cli
