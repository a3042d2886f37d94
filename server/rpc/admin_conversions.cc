#include "server/rpc/admin_conversions.h"

#include <string>
#include <utility>

#include "server/base/error.h"
#include "server/rpc/event_conversions.h"
#include "server/rpc/rpc_status.h"

namespace sidebus {

namespace v1 = ::sidebus::v1;

namespace {

v1::PartitionState::State StateToProto(RecordState state) {
  switch (state) {
    case RecordState::kDecoding:
      return v1::PartitionState::STATE_DECODING;
    case RecordState::kReady:
      return v1::PartitionState::STATE_READY;
    case RecordState::kHeld:
      return v1::PartitionState::STATE_HELD;
    case RecordState::kWaiting:
      return v1::PartitionState::STATE_WAITING;
    case RecordState::kDeadLettering:
      return v1::PartitionState::STATE_DEAD_LETTERING;
    case RecordState::kHalted:
      return v1::PartitionState::STATE_HALTED;
  }
  return v1::PartitionState::STATE_UNSPECIFIED;
}

Position PositionFromProto(const v1::Position& proto) {
  return {proto.topic(), proto.partition(), proto.offset()};
}

}  // namespace

absl::StatusOr<SeekOrder> SeekFromProto(v1::SeekRequest&& proto) {
  SeekOrder order;
  order.group = std::move(*proto.mutable_group());
  order.topics.assign(std::make_move_iterator(proto.mutable_topics()->begin()),
                      std::make_move_iterator(proto.mutable_topics()->end()));
  order.force = proto.force();
  order.dry_run = proto.dry_run();
  switch (proto.target_case()) {
    case v1::SeekRequest::kEarliest:
      order.to.at = StartPosition::At::kEarliest;
      if (!proto.earliest()) return InvalidField("earliest", "false says nothing");
      break;
    case v1::SeekRequest::kLatest:
      order.to.at = StartPosition::At::kLatest;
      if (!proto.latest()) return InvalidField("latest", "false says nothing");
      break;
    case v1::SeekRequest::kTime: {
      const auto time = TimeFromProto(proto.time());
      if (!time.has_value()) return InvalidField("time", "out of range");
      order.to.at = StartPosition::At::kTime;
      order.to.time = *time;
      break;
    }
    case v1::SeekRequest::kPositions:
      order.to.at = StartPosition::At::kPositions;
      for (const v1::Position& item : proto.positions().items()) {
        order.to.positions.push_back(PositionFromProto(item));
      }
      break;
    case v1::SeekRequest::TARGET_NOT_SET:
      return InvalidField("target", "say one of earliest, latest, time and positions");
  }
  return order;
}

absl::StatusOr<SettleHeadOrder> SettleHeadFromProto(v1::SettleHeadRequest&& proto) {
  SettleHeadOrder order;
  if (proto.group().empty()) return InvalidField("group", "which one? It is empty");
  if (proto.position().topic().empty()) return InvalidField("position", "it names no topic");
  order.group = std::move(*proto.mutable_group());
  order.head = PositionFromProto(proto.position());
  order.reason = std::move(*proto.mutable_reason());
  switch (proto.action()) {
    case v1::Nack::ACTION_SKIP:
      order.action = Nack::Action::kSkip;
      return order;
    case v1::Nack::ACTION_REJECT:
      order.action = Nack::Action::kReject;
      return order;
    default:
      return InvalidField("action", "say reject or skip");
  }
}

RedriveOrder RedriveFromProto(v1::RedriveRequest&& proto) {
  RedriveOrder order;
  order.dead_letter_topic = std::move(*proto.mutable_dead_letter_topic());
  order.event_types.assign(proto.event_types().begin(), proto.event_types().end());
  order.max_per_second = proto.max_per_second();
  order.dry_run = proto.dry_run();
  order.limit = proto.limit();
  return order;
}

ListLettersOrder ListLettersFromProto(v1::ListDeadLettersRequest&& proto) {
  ListLettersOrder order;
  order.dead_letter_topic = std::move(*proto.mutable_dead_letter_topic());
  order.event_types.assign(proto.event_types().begin(), proto.event_types().end());
  order.limit = proto.limit();
  return order;
}

v1::RedriveResponse RedriveToProto(const RedriveProgress& progress) {
  v1::RedriveResponse proto;
  proto.set_scanned(progress.scanned);
  proto.set_redriven(progress.redriven);
  proto.set_skipped(progress.skipped);
  proto.set_done(progress.done);
  return proto;
}

v1::DeadLetter LetterToProto(const ListedLetter& letter) {
  v1::DeadLetter proto;
  EventToProto(letter.event, *proto.mutable_event());
  PositionToProto(letter.position, *proto.mutable_position());
  PositionToProto(letter.note.origin, *proto.mutable_origin());
  proto.set_group(letter.note.group);
  proto.set_reason(letter.note.reason);
  proto.set_detail(letter.note.detail);
  proto.set_attempts(letter.note.attempts);
  const EventTime time = letter.note.time;
  proto.mutable_time()->set_seconds(time.seconds);
  proto.mutable_time()->set_nanos(time.nanos);
  return proto;
}

v1::SeekResponse SeekToProto(const SeekResult& result) {
  v1::SeekResponse proto;
  for (const Position& one : result.from) PositionToProto(one, *proto.add_from());
  for (const Position& one : result.to) PositionToProto(one, *proto.add_to());
  return proto;
}

v1::GroupState GroupToProto(const GroupState& group) {
  v1::GroupState proto;
  proto.set_group(group.group);
  for (const std::string& topic : group.topics) proto.add_topics(topic);
  proto.set_streams(static_cast<std::uint32_t>(group.streams));
  proto.set_lag_events(group.lag_events);
  *proto.mutable_oldest_unsettled() = ToProto(group.oldest_unsettled);
  proto.set_held_back_keys(static_cast<std::uint32_t>(group.held_back));
  return proto;
}

v1::PartitionState PartitionToProto(const PartitionState& state) {
  v1::PartitionState proto;
  proto.set_topic(state.topic);
  proto.set_partition(state.partition);
  proto.set_owner(state.owner);
  proto.set_committed_offset(state.committed);
  proto.set_end_offset(state.end);
  proto.set_in_flight(state.held);
  proto.set_settled_out_of_order(static_cast<std::uint32_t>(state.settled_above));
  proto.set_keys_held_back(state.held_back);
  proto.set_last_error(state.trouble);
  if (state.lost.went_on_at >= 0) {
    proto.set_lost_to_retention(state.lost.events);
    PositionToProto({state.topic, state.partition, state.lost.went_on_at},
                    *proto.mutable_went_on_at());
  }
  if (!state.head.has_value()) return proto;
  *proto.mutable_oldest_unsettled() = ToProto(state.oldest_unsettled);
  PositionToProto({state.topic, state.partition, state.head->offset}, *proto.mutable_head());
  proto.set_head_attempt(state.head->attempt);
  proto.set_head_state(StateToProto(state.head->state));
  proto.set_last_error(state.head->last_error);
  return proto;
}

}  // namespace sidebus
