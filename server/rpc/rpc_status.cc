#include "server/rpc/rpc_status.h"

#include <grpcpp/support/error_details.h>

#include <algorithm>
#include <limits>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "server/base/error.h"
#include "server/base/utf8.h"

namespace sidebus {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kMaxSeconds = std::numeric_limits<std::int64_t>::max() / kNanosPerSecond - 1;
// A client takes 8 KiB of metadata by default: message, message once more in the details (which
// travel as base64), reason, values.
constexpr std::size_t kMaxErrorText = 1024;
constexpr std::size_t kMaxValue = 512;

// Longer texts are cut.
struct TextLimits {
  std::size_t message = std::numeric_limits<std::size_t>::max();
  std::size_t value = std::numeric_limits<std::size_t>::max();
};

google::rpc::Status Convert(const absl::Status& status, const TextLimits& limits) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  if (status.ok()) return proto;
  const std::string_view message(status.message().data(), status.message().size());
  proto.set_message(std::string(CutUtf8(message, limits.message)));

  // A plain gRPC status (a cancellation, a health check's answer) has none of our details; but an
  // internal one that says nothing more is a bug, and says so.
  const std::optional<ErrorDetails> known = DetailsOf(status);
  if (!known.has_value() && !absl::IsInternal(status) && !absl::IsUnknown(status)) return proto;
  const ErrorDetails details = known.value_or(ErrorDetails{});
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(ReasonName(details.reason)));
  info.set_domain("sidebus");
  for (const auto& [key, value] : details.metadata) {
    (*info.mutable_metadata())[key] = CutUtf8(value, limits.value);
  }
  proto.add_details()->PackFrom(info);

  if (const auto delay = RetryDelayOf(status); delay.has_value()) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = ToProto(*delay);
    proto.add_details()->PackFrom(retry);
  }
  if (const auto field = details.metadata.find(error_key::kField);
      field != details.metadata.end()) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(std::string(CutUtf8(field->second, limits.value)));
    violation->set_description(proto.message());
    proto.add_details()->PackFrom(bad_request);
  }
  return proto;
}

}  // namespace

// Nothing is cut: it travels in a message, and `failed_topics` must be whole.
google::rpc::Status ToRpcStatus(const absl::Status& status) { return Convert(status, {}); }

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  if (absl::IsCancelled(status)) return grpc::Status::CANCELLED;
  grpc::Status result;
  grpc::SetErrorDetails(Convert(status, {.message = kMaxErrorText, .value = kMaxValue}), &result);
  return result;
}

google::protobuf::Duration ToProto(Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(duration.count() / kNanosPerSecond);
  proto.set_nanos(static_cast<std::int32_t>(duration.count() % kNanosPerSecond));
  return proto;
}

google::protobuf::Timestamp ToProto(SystemTime time) {
  std::int64_t seconds = time.time_since_epoch().count() / kNanosPerSecond;
  std::int64_t nanos = time.time_since_epoch().count() % kNanosPerSecond;
  if (nanos < 0) {
    nanos += kNanosPerSecond;
    --seconds;
  }
  google::protobuf::Timestamp proto;
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<std::int32_t>(nanos));
  return proto;
}

std::optional<SystemTime> TimeFromProto(const google::protobuf::Timestamp& proto) {
  if (proto.nanos() < 0 || proto.nanos() >= kNanosPerSecond) return std::nullopt;
  if (proto.seconds() > kMaxSeconds || proto.seconds() < -kMaxSeconds) return std::nullopt;
  return SystemTime(std::chrono::seconds(proto.seconds()) +
                    std::chrono::nanoseconds(proto.nanos()));
}

std::optional<Duration> DurationFromProto(const google::protobuf::Duration& proto) {
  if (proto.nanos() <= -kNanosPerSecond || proto.nanos() >= kNanosPerSecond) return std::nullopt;
  if ((proto.seconds() < 0 && proto.nanos() > 0) || (proto.seconds() > 0 && proto.nanos() < 0)) {
    return std::nullopt;
  }
  const std::int64_t seconds = std::clamp(proto.seconds(), -kMaxSeconds, kMaxSeconds);
  return std::chrono::seconds(seconds) + std::chrono::nanoseconds(proto.nanos());
}

}  // namespace sidebus
