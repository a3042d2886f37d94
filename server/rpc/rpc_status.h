#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/support/status.h>

#include <optional>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "server/base/clock.h"

namespace sidebus {

// A status as the API says it: code, message, ErrorInfo with domain "sidebus", RetryInfo where the
// client is to retry by itself, BadRequest where a field is to blame. One that MakeError did not
// make is a bug of ours: reason BUG.
google::rpc::Status ToRpcStatus(const absl::Status& status);

// The same as a call's status, with the details in `grpc-status-details-bin`. Messages and details
// are cut so that they fit into a client's metadata limit.
grpc::Status ToGrpcStatus(const absl::Status& status);

google::protobuf::Duration ToProto(Duration duration);
google::protobuf::Timestamp ToProto(SystemTime time);

// nullopt where nanoseconds are not 0 to 999,999,999, or where the clock's 64-bit nanoseconds
// (years 1678 to 2261) cannot hold it.
std::optional<SystemTime> TimeFromProto(const google::protobuf::Timestamp& proto);

// The nearest duration that 64-bit nanoseconds can hold (292 years); nullopt where the two parts do
// not agree in sign or nanoseconds are out of range.
std::optional<Duration> DurationFromProto(const google::protobuf::Duration& proto);

}  // namespace sidebus
