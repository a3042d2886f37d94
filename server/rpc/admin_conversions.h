#pragma once

#include "absl/status/statusor.h"
#include "server/operate/operations.h"
#include "sidebus/v1/admin.pb.h"

namespace sidebus {

// START_INVALID for what proto cannot rule out: no target or a false one, times out of range, another
// action than reject and skip.
absl::StatusOr<SeekOrder> SeekFromProto(sidebus::v1::SeekRequest&& proto);
absl::StatusOr<SettleHeadOrder> SettleHeadFromProto(sidebus::v1::SettleHeadRequest&& proto);

RedriveOrder RedriveFromProto(sidebus::v1::RedriveRequest&& proto);
ListLettersOrder ListLettersFromProto(sidebus::v1::ListDeadLettersRequest&& proto);

sidebus::v1::RedriveResponse RedriveToProto(const RedriveProgress& progress);
sidebus::v1::DeadLetter LetterToProto(const ListedLetter& letter);
sidebus::v1::SeekResponse SeekToProto(const SeekResult& result);
sidebus::v1::GroupState GroupToProto(const GroupState& group);
sidebus::v1::PartitionState PartitionToProto(const PartitionState& state);

}  // namespace sidebus
