#include "server/base/error.h"

#include <array>
#include <charconv>

#include "absl/strings/cord.h"
#include "server/base/check.h"

namespace sidebus {
namespace {

using absl::StatusCode;

struct Row {
  Reason reason;
  std::string_view name;
  StatusCode code;
};

constexpr std::array kRows = {
    Row{Reason::kEventInvalid, "EVENT_INVALID", StatusCode::kInvalidArgument},
    Row{Reason::kEventTooLarge, "EVENT_TOO_LARGE", StatusCode::kInvalidArgument},
    Row{Reason::kRequestTooLarge, "REQUEST_TOO_LARGE", StatusCode::kInvalidArgument},
    Row{Reason::kKeyFieldMissing, "KEY_FIELD_MISSING", StatusCode::kInvalidArgument},
    Row{Reason::kSchemaMismatch, "SCHEMA_MISMATCH", StatusCode::kInvalidArgument},
    Row{Reason::kSchemaMissing, "SCHEMA_MISSING", StatusCode::kInvalidArgument},
    Row{Reason::kStartInvalid, "START_INVALID", StatusCode::kInvalidArgument},
    Row{Reason::kEventTypeUnknown, "EVENT_TYPE_UNKNOWN", StatusCode::kNotFound},
    Row{Reason::kTopicNotRouted, "TOPIC_NOT_ROUTED", StatusCode::kNotFound},
    Row{Reason::kGroupUnknown, "GROUP_UNKNOWN", StatusCode::kNotFound},
    Row{Reason::kDeliveryUnknown, "DELIVERY_UNKNOWN", StatusCode::kNotFound},
    Row{Reason::kRouteDisabled, "ROUTE_DISABLED", StatusCode::kFailedPrecondition},
    Row{Reason::kTopicMissing, "TOPIC_MISSING", StatusCode::kFailedPrecondition},
    Row{Reason::kGroupActive, "GROUP_ACTIVE", StatusCode::kFailedPrecondition},
    Row{Reason::kGroupConflict, "GROUP_CONFLICT", StatusCode::kFailedPrecondition},
    Row{Reason::kGroupProtocol, "GROUP_PROTOCOL", StatusCode::kFailedPrecondition},
    Row{Reason::kSchemaIncompatible, "SCHEMA_INCOMPATIBLE", StatusCode::kFailedPrecondition},
    Row{Reason::kPublishDenied, "PUBLISH_DENIED", StatusCode::kPermissionDenied},
    Row{Reason::kSubscribeDenied, "SUBSCRIBE_DENIED", StatusCode::kPermissionDenied},
    Row{Reason::kBrokerDenied, "BROKER_DENIED", StatusCode::kPermissionDenied},
    Row{Reason::kTokenMissing, "TOKEN_MISSING", StatusCode::kUnauthenticated},
    Row{Reason::kTokenInvalid, "TOKEN_INVALID", StatusCode::kUnauthenticated},
    Row{Reason::kMemoryBudget, "MEMORY_BUDGET", StatusCode::kResourceExhausted},
    Row{Reason::kQuotaRate, "QUOTA_RATE", StatusCode::kResourceExhausted},
    Row{Reason::kTooManyStreams, "TOO_MANY_STREAMS", StatusCode::kResourceExhausted},
    Row{Reason::kBrokerDown, "BROKER_DOWN", StatusCode::kUnavailable},
    Row{Reason::kRegistryDown, "REGISTRY_DOWN", StatusCode::kUnavailable},
    Row{Reason::kDraining, "DRAINING", StatusCode::kUnavailable},
    Row{Reason::kStarting, "STARTING", StatusCode::kUnavailable},
    Row{Reason::kNotSupported, "NOT_SUPPORTED", StatusCode::kUnimplemented},
    Row{Reason::kDeliveryTimeout, "DELIVERY_TIMEOUT", StatusCode::kDeadlineExceeded},
    Row{Reason::kDeliveryRevoked, "DELIVERY_REVOKED", StatusCode::kAborted},
    Row{Reason::kLeaseExpired, "LEASE_EXPIRED", StatusCode::kAborted},
    Row{Reason::kMemberFenced, "MEMBER_FENCED", StatusCode::kAborted},
    Row{Reason::kOffsetOutOfRange, "OFFSET_OUT_OF_RANGE", StatusCode::kOutOfRange},
    Row{Reason::kLogTruncated, "LOG_TRUNCATED", StatusCode::kDataLoss},
    Row{Reason::kBug, "BUG", StatusCode::kInternal},
};
static_assert(kRows.size() == static_cast<std::size_t>(Reason::kBug) + 1);

const Row& RowOf(Reason reason) {
  const Row& row = kRows.at(static_cast<std::size_t>(reason));
  SIDEBUS_CHECK(row.reason == reason);
  return row;
}

constexpr std::string_view kPayloadUrl = "sidebus.dev/error";

// Payload: reason as a decimal, then `<key length>:<key><value length>:<value>` per entry.
void AppendText(std::string& out, std::string_view text) {
  out += std::to_string(text.size());
  out += ':';
  out += text;
}

std::string_view TakeText(std::string_view& in) {
  std::size_t size = 0;
  const auto parsed = std::from_chars(in.data(), in.data() + in.size(), size);
  in.remove_prefix(static_cast<std::size_t>(parsed.ptr - in.data()) + 1);
  const std::string_view text = in.substr(0, size);
  in.remove_prefix(text.size());
  return text;
}

absl::Status Build(absl::StatusCode code, std::string_view message, const ErrorDetails& details) {
  std::string payload;
  AppendText(payload, std::to_string(static_cast<int>(details.reason)));
  for (const auto& [key, value] : details.metadata) {
    AppendText(payload, key);
    AppendText(payload, value);
  }
  absl::Status status(code, absl::string_view(message.data(), message.size()));
  status.SetPayload(absl::string_view(kPayloadUrl.data(), kPayloadUrl.size()), absl::Cord(payload));
  return status;
}

}  // namespace

std::string_view ReasonName(Reason reason) { return RowOf(reason).name; }

absl::StatusCode CodeOf(Reason reason) { return RowOf(reason).code; }

absl::Status MakeError(Reason reason, std::string_view message, const ErrorMetadata& metadata) {
  return Build(CodeOf(reason), message, ErrorDetails{reason, metadata});
}

absl::Status InvalidField(std::string_view field, std::string_view what) {
  std::string message(field);
  message.append(": ").append(what);
  return MakeError(Reason::kStartInvalid, message,
                   {{std::string(error_key::kField), std::string(field)}});
}

std::optional<ErrorDetails> DetailsOf(const absl::Status& status) {
  const auto payload = status.GetPayload(absl::string_view(kPayloadUrl.data(), kPayloadUrl.size()));
  if (!payload.has_value()) return std::nullopt;
  const std::string text(*payload);
  std::string_view rest = text;
  ErrorDetails details;
  details.reason = static_cast<Reason>(std::stoi(std::string(TakeText(rest))));
  while (!rest.empty()) {
    std::string key(TakeText(rest));
    details.metadata[std::move(key)] = TakeText(rest);
  }
  return details;
}

Reason ReasonOf(const absl::Status& status) {
  const auto details = DetailsOf(status);
  return details.has_value() ? details->reason : Reason::kBug;
}

absl::Status WithMetadata(const absl::Status& status, std::string_view key,
                          std::string_view value) {
  ErrorDetails details = DetailsOf(status).value_or(ErrorDetails{});
  details.metadata[std::string(key)] = value;
  const absl::string_view message = status.message();
  return Build(status.code(), std::string_view(message.data(), message.size()), details);
}

std::optional<Duration> RetryDelayOf(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status) && !absl::IsUnavailable(status)) return std::nullopt;
  const auto details = DetailsOf(status);
  if (!details.has_value()) return std::nullopt;
  const auto outcome = details->metadata.find(error_key::kOutcome);
  if (outcome != details->metadata.end() && outcome->second != "not_written") return std::nullopt;
  using std::chrono::milliseconds;
  // Names a key of the configuration.
  const auto limit = details->metadata.find(error_key::kLimit);
  if (limit != details->metadata.end() && limit->second.starts_with("limits.")) {
    return std::chrono::seconds(5);
  }
  return absl::IsUnavailable(status) ? milliseconds(500) : milliseconds(100);
}

}  // namespace sidebus
