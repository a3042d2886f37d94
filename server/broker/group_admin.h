#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/broker/consumer.h"
#include "server/event/event.h"

namespace sidebus {

// A member of a group, as the broker knows it.
struct GroupMember {
  std::string id;    // the broker's
  std::string name;  // what its client calls itself, and where it runs
  std::vector<std::pair<std::string, std::int32_t>> partitions;  // topics with prefix
};

struct GroupDescription {
  // nullopt: this broker cannot tell.
  std::optional<std::vector<GroupMember>> members;
  // Where the group stands; partitions without a committed position are left out.
  std::vector<Position> positions;
};

// What an operator asks a broker about groups, whoever their members are. Topics are with prefix.
//
// Thread safety: all methods may be called from any thread. None blocks, and none calls `done` from
// inside: it runs once, on a thread of the broker's, with no lock held, and must not block.
// Life: `done` is dropped, not called, when this is destroyed first.
//
// Errors of all: BROKER_DOWN (no answer in time, or too many questions wait for one), BROKER_DENIED.
class GroupAdmin {
 public:
  template <typename T>
  using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;

  virtual ~GroupAdmin() = default;

  // GROUP_UNKNOWN: it has neither members nor a position. `topics`: where to look for positions if
  // the broker cannot list all of a group's (the embedded one).
  virtual void Describe(const std::string& group, std::vector<std::string> topics,
                        Done<GroupDescription> done) = 0;

  // How long a member of this process still is one after it has left: a static one's session.
  virtual Duration members_stay() const = 0;

  // For every partition of the topics that exist: the offset that `at` means now (not kPositions).
  // NOT_SUPPORTED for a time on a broker that cannot find records by time (the embedded one).
  virtual void FindOffsets(std::vector<std::string> topics, StartPosition at,
                           Done<std::vector<Position>> done) = 0;

  // Moves the group, without sparse acks. GROUP_ACTIVE: it has members, and only they may.
  virtual void SetPositions(const std::string& group, std::vector<Position> positions,
                            absl::AnyInvocable<void(absl::Status)> done) = 0;
};

}  // namespace sidebus
