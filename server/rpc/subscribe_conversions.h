#pragma once

#include <span>

#include "absl/status/statusor.h"
#include "server/subscribe/subscriber.h"
#include "sidebus/v1/event_bus.pb.h"

namespace sidebus {

// What a stream asks for. START_INVALID with field for what proto cannot rule out: false bools in
// `start_from`, times and durations out of range, values of enumerations that nobody knows.
absl::StatusOr<SubscribeStart> StartFromProto(sidebus::v1::SubscribeStart&& proto);

inline constexpr std::uint64_t kMaxIds = 10'000;
absl::Status TooManyIds(std::uint64_t ids);

// The rest of the message. START_INVALID for more than kMaxIds, and for a nack that cannot be.
absl::StatusOr<SettleRequest> SettleFromProto(sidebus::v1::SubscribeRequest&& proto);

// Whether it says anything at all.
bool IsEmpty(const SettleRequest& request);

sidebus::v1::SubscribeStarted StartedToProto(const StartedInfo& started);
sidebus::v1::Revoked RevokedToProto(const Revoked& revoked);
sidebus::v1::SettleResult FailuresToProto(std::span<const SettleFailure> failures);
sidebus::v1::Heartbeat HeartbeatToProto(const Heartbeat& heartbeat);
sidebus::v1::Draining DrainingToProto(Duration grace, const std::string& reason);

}  // namespace sidebus
