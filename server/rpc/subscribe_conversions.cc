#include "server/rpc/subscribe_conversions.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "server/base/error.h"
#include "server/rpc/rpc_status.h"

namespace sidebus {
namespace {

absl::Status Invalid(std::string_view field, std::string_view what) {
  return MakeError(Reason::kStartInvalid, fmt::format("{}: {}", field, what),
                   {{std::string(error_key::kField), std::string(field)}});
}

// Moves the strings out of a repeated field.
template <typename Repeated>
std::vector<std::string> Strings(Repeated& field) {
  return {std::make_move_iterator(field.begin()), std::make_move_iterator(field.end())};
}

absl::Status ReadDuration(const google::protobuf::Duration& proto, std::string_view field,
                          Duration& into) {
  const auto duration = DurationFromProto(proto);
  if (!duration.has_value()) return Invalid(field, "not a valid duration");
  into = *duration;
  return absl::OkStatus();
}

absl::StatusOr<StartPosition> PositionFromProto(const sidebus::v1::StartFrom& proto) {
  StartPosition start;
  switch (proto.at_case()) {
    case sidebus::v1::StartFrom::kEarliest:
      start.at = StartPosition::At::kEarliest;
      if (!proto.earliest()) return Invalid("start_from.earliest", "false says nothing");
      break;
    case sidebus::v1::StartFrom::kLatest:
      start.at = StartPosition::At::kLatest;
      if (!proto.latest()) return Invalid("start_from.latest", "false says nothing");
      break;
    case sidebus::v1::StartFrom::kTime: {
      const auto time = TimeFromProto(proto.time());
      if (!time.has_value()) return Invalid("start_from.time", "out of range");
      start.at = StartPosition::At::kTime;
      start.time = *time;
      break;
    }
    case sidebus::v1::StartFrom::kPositions:
      start.at = StartPosition::At::kPositions;
      for (const auto& item : proto.positions().items()) {
        start.positions.push_back({item.topic(), item.partition(), item.offset()});
      }
      break;
    case sidebus::v1::StartFrom::AT_NOT_SET:
      return Invalid("start_from", "says none of earliest, latest, time and positions");
  }
  return start;
}

absl::StatusOr<RetryPolicy> RetryFromProto(const sidebus::v1::RetryPolicy& proto) {
  RetryPolicy retry;
  retry.max_attempts = proto.max_attempts();
  if (auto status = ReadDuration(proto.min_backoff(), "retry.min_backoff", retry.min_backoff);
      !status.ok()) {
    return status;
  }
  if (auto status = ReadDuration(proto.max_backoff(), "retry.max_backoff", retry.max_backoff);
      !status.ok()) {
    return status;
  }
  switch (proto.on_exhausted()) {
    case sidebus::v1::RetryPolicy::EXHAUSTED_UNSPECIFIED:
      break;
    case sidebus::v1::RetryPolicy::EXHAUSTED_DEAD_LETTER:
      retry.on_exhausted = Exhausted::kDeadLetter;
      break;
    case sidebus::v1::RetryPolicy::EXHAUSTED_SKIP:
      retry.on_exhausted = Exhausted::kSkip;
      break;
    case sidebus::v1::RetryPolicy::EXHAUSTED_HALT:
      retry.on_exhausted = Exhausted::kHalt;
      break;
    default:
      return Invalid("retry.on_exhausted", "unknown value");
  }
  return retry;
}

absl::Status ReadOrdering(sidebus::v1::Ordering proto, std::optional<Ordering>& into) {
  switch (proto) {
    case sidebus::v1::ORDERING_UNSPECIFIED:
      return absl::OkStatus();
    case sidebus::v1::ORDERING_BY_KEY:
      into = Ordering::kByKey;
      return absl::OkStatus();
    case sidebus::v1::ORDERING_BY_PARTITION:
      into = Ordering::kByPartition;
      return absl::OkStatus();
    case sidebus::v1::ORDERING_UNORDERED:
      into = Ordering::kUnordered;
      return absl::OkStatus();
    default:
      return Invalid("ordering", "unknown value");
  }
}

absl::StatusOr<Nack> NackFromProto(sidebus::v1::Nack& proto) {
  Nack nack;
  nack.delivery_id = proto.delivery_id();
  switch (proto.action()) {
    case sidebus::v1::Nack::ACTION_UNSPECIFIED:
    case sidebus::v1::Nack::ACTION_RETRY:
      nack.action = Nack::Action::kRetry;
      break;
    case sidebus::v1::Nack::ACTION_REJECT:
      nack.action = Nack::Action::kReject;
      break;
    case sidebus::v1::Nack::ACTION_SKIP:
      nack.action = Nack::Action::kSkip;
      break;
    default:
      return Invalid("nack.action", "unknown value");
  }
  if (proto.has_delay()) {
    if (auto status = ReadDuration(proto.delay(), "nack.delay", nack.delay.emplace());
        !status.ok()) {
      return status;
    }
  }
  nack.reason = std::move(*proto.mutable_reason());
  nack.not_counted = proto.not_counted();
  return nack;
}

}  // namespace

absl::StatusOr<SubscribeStart> StartFromProto(sidebus::v1::SubscribeStart&& proto) {
  SubscribeStart start;
  start.group = std::move(*proto.mutable_group());
  start.event_types = Strings(*proto.mutable_event_types());
  start.topics = Strings(*proto.mutable_topics());
  start.member = std::move(*proto.mutable_member());
  if (proto.has_start_from()) {
    auto position = PositionFromProto(proto.start_from());
    if (!position.ok()) return position.status();
    start.start = *std::move(position);
  }
  if (auto status = ReadOrdering(proto.ordering(), start.ordering); !status.ok()) return status;
  if (proto.has_window()) start.window = {proto.window().events(), proto.window().bytes()};
  if (proto.has_lease()) {
    if (auto status = ReadDuration(proto.lease(), "lease", start.lease.emplace()); !status.ok()) {
      return status;
    }
  }
  auto retry = RetryFromProto(proto.retry());
  if (!retry.ok()) return retry.status();
  start.retry = *retry;
  switch (proto.data_format()) {
    case sidebus::v1::DATA_FORMAT_UNSPECIFIED:
    case sidebus::v1::DATA_FORMAT_STORED:
      start.data_format = DataFormat::kStored;
      break;
    case sidebus::v1::DATA_FORMAT_JSON:
      start.data_format = DataFormat::kJson;
      break;
    default:
      return Invalid("data_format", "unknown value");
  }
  return start;
}

absl::Status TooManyIds(std::uint64_t ids) {
  return MakeError(
      Reason::kStartInvalid,
      fmt::format("a message settles {} deliveries, at most {} are allowed: send several", ids,
                  kMaxIds),
      {{std::string(error_key::kLimit), fmt::to_string(kMaxIds)}});
}

absl::StatusOr<SettleRequest> SettleFromProto(sidebus::v1::SubscribeRequest&& proto) {
  const auto ids =
      static_cast<std::uint64_t>(proto.ack_size() + proto.nack_size() + proto.extend_size());
  if (ids > kMaxIds) return TooManyIds(ids);
  SettleRequest request;
  request.ack.assign(proto.ack().begin(), proto.ack().end());
  request.extend.assign(proto.extend().begin(), proto.extend().end());
  request.nack.reserve(static_cast<std::size_t>(proto.nack_size()));
  for (auto& item : *proto.mutable_nack()) {
    auto nack = NackFromProto(item);
    if (!nack.ok()) return nack.status();
    request.nack.push_back(*std::move(nack));
  }
  if (proto.has_window()) request.window = {proto.window().events(), proto.window().bytes()};
  request.drain = proto.drain();
  return request;
}

bool IsEmpty(const SettleRequest& request) {
  return request.ack.empty() && request.nack.empty() && request.extend.empty() &&
         !request.window.has_value() && !request.drain;
}

sidebus::v1::SubscribeStarted StartedToProto(const StartedInfo& started) {
  sidebus::v1::SubscribeStarted proto;
  proto.set_stream_id(started.stream_id);
  proto.mutable_window()->set_events(started.window.events);
  proto.mutable_window()->set_bytes(started.window.bytes);
  *proto.mutable_lease() = ToProto(started.lease);
  auto& retry = *proto.mutable_retry();
  retry.set_max_attempts(started.retry.max_attempts);
  *retry.mutable_min_backoff() = ToProto(started.retry.min_backoff);
  *retry.mutable_max_backoff() = ToProto(started.retry.max_backoff);
  switch (started.retry.on_exhausted.value_or(Exhausted::kHalt)) {
    case Exhausted::kDeadLetter:
      retry.set_on_exhausted(sidebus::v1::RetryPolicy::EXHAUSTED_DEAD_LETTER);
      break;
    case Exhausted::kSkip:
      retry.set_on_exhausted(sidebus::v1::RetryPolicy::EXHAUSTED_SKIP);
      break;
    case Exhausted::kHalt:
      retry.set_on_exhausted(sidebus::v1::RetryPolicy::EXHAUSTED_HALT);
      break;
  }
  switch (started.ordering) {
    case Ordering::kByKey:
      proto.set_ordering(sidebus::v1::ORDERING_BY_KEY);
      break;
    case Ordering::kByPartition:
      proto.set_ordering(sidebus::v1::ORDERING_BY_PARTITION);
      break;
    case Ordering::kUnordered:
      proto.set_ordering(sidebus::v1::ORDERING_UNORDERED);
      break;
  }
  for (const std::string& topic : started.topics) proto.add_topics(topic);
  return proto;
}

sidebus::v1::Revoked RevokedToProto(const Revoked& revoked) {
  sidebus::v1::Revoked proto;
  proto.mutable_delivery_ids()->Add(revoked.delivery_ids.begin(), revoked.delivery_ids.end());
  *proto.mutable_grace() = ToProto(revoked.grace);
  return proto;
}

sidebus::v1::SettleResult FailuresToProto(std::span<const SettleFailure> failures) {
  sidebus::v1::SettleResult proto;
  for (const SettleFailure& failure : failures) {
    auto& added = *proto.add_failures();
    added.set_delivery_id(failure.delivery_id);
    *added.mutable_error() = ToRpcStatus(failure.error);
  }
  return proto;
}

sidebus::v1::Heartbeat HeartbeatToProto(const Heartbeat& heartbeat) {
  sidebus::v1::Heartbeat proto;
  *proto.mutable_now() = ToProto(heartbeat.now);
  proto.set_lag_events(heartbeat.lag_events);
  *proto.mutable_oldest_unsettled() = ToProto(heartbeat.oldest_unsettled);
  for (const std::string& topic : heartbeat.missing_topics) proto.add_missing_topics(topic);
  return proto;
}

sidebus::v1::Draining DrainingToProto(Duration grace, const std::string& reason) {
  sidebus::v1::Draining proto;
  *proto.mutable_grace() = ToProto(grace);
  proto.set_reason(reason);
  return proto;
}

}  // namespace sidebus
