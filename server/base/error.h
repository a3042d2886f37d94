#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/base/clock.h"

namespace sidebus {

// What went wrong, as the API says it (ErrorInfo.reason). Each reason has one status code.
enum class Reason : std::uint8_t {
  // INVALID_ARGUMENT
  kEventInvalid,
  kEventTooLarge,
  kRequestTooLarge,
  kKeyFieldMissing,
  kSchemaMismatch,
  kSchemaMissing,
  kStartInvalid,
  // NOT_FOUND
  kEventTypeUnknown,
  kTopicNotRouted,
  kGroupUnknown,
  kDeliveryUnknown,
  // FAILED_PRECONDITION
  kRouteDisabled,
  kTopicMissing,
  kGroupActive,
  kGroupConflict,
  kGroupProtocol,
  kSchemaIncompatible,
  // PERMISSION_DENIED
  kPublishDenied,
  kSubscribeDenied,
  kBrokerDenied,
  // UNAUTHENTICATED
  kTokenMissing,
  kTokenInvalid,
  // RESOURCE_EXHAUSTED
  kMemoryBudget,
  kQuotaRate,
  kTooManyStreams,
  // UNAVAILABLE
  kBrokerDown,
  kRegistryDown,
  kDraining,
  kStarting,
  // UNIMPLEMENTED
  kNotSupported,
  // DEADLINE_EXCEEDED
  kDeliveryTimeout,
  // ABORTED
  kDeliveryRevoked,
  kLeaseExpired,
  kMemberFenced,
  // OUT_OF_RANGE
  kOffsetOutOfRange,
  // DATA_LOSS
  kLogTruncated,
  // INTERNAL
  kBug,
};

// The keys of Error::metadata that the API promises.
namespace error_key {
inline constexpr std::string_view kEventType = "event_type";
inline constexpr std::string_view kTopic = "topic";
inline constexpr std::string_view kField = "field";
inline constexpr std::string_view kOutcome = "outcome";
inline constexpr std::string_view kLimit = "limit";
inline constexpr std::string_view kFailedTopics = "failed_topics";
inline constexpr std::string_view kUnknownTopics = "unknown_topics";
}  // namespace error_key

using ErrorMetadata = std::map<std::string, std::string, std::less<>>;

// The API's name of a reason, for example "EVENT_INVALID".
std::string_view ReasonName(Reason reason);

// The reason's status code.
absl::StatusCode CodeOf(Reason reason);

// A status with the reason's code, a message for people (what, where, how to fix; no addresses,
// payloads or secrets) and details for programs.
absl::Status MakeError(Reason reason, std::string_view message, const ErrorMetadata& metadata = {});

// START_INVALID of a field of a request, which is in the metadata, too.
absl::Status InvalidField(std::string_view field, std::string_view what);

// What MakeError put in. nullopt for a status made elsewhere.
struct ErrorDetails {
  Reason reason = Reason::kBug;
  ErrorMetadata metadata;
};
std::optional<ErrorDetails> DetailsOf(const absl::Status& status);

// The reason of a status; kBug for one made elsewhere. Only for a status that is not OK.
Reason ReasonOf(const absl::Status& status);

// The same error with one more (or another) metadata value.
absl::Status WithMetadata(const absl::Status& status, std::string_view key, std::string_view value);

// How long a client should wait before it retries by itself; nullopt where it must not: present
// exactly for RESOURCE_EXHAUSTED and UNAVAILABLE, except where a publish's outcome is unknown or
// partial. Long where a limit of the configuration is in the way (metadata `limit`): others may end
// and make room, but waiting alone mends nothing.
std::optional<Duration> RetryDelayOf(const absl::Status& status);

}  // namespace sidebus
