#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/broker/consumer.h"
#include "server/codec/dead_letter.h"
#include "server/event/event.h"
#include "server/subscribe/group_state.h"
#include "server/subscribe/subscriber.h"

namespace sidebus {

// Move a group. Topics are without prefix.
struct SeekOrder {
  std::string group;
  std::vector<std::string> topics;  // empty: all on which the group stands, or those of positions
  StartPosition to;
  bool force = false;
  bool dry_run = false;
};

// Partitions of `from` that had no position have offset -1.
struct SeekResult {
  std::vector<Position> from;
  std::vector<Position> to;
};

// Skip or reject the one record that holds a partition back.
struct SettleHeadOrder {
  std::string group;
  Position head;
  Nack::Action action = Nack::Action::kSkip;
  std::string reason;
};

// Publish dead letters again. Topics are without prefix.
struct RedriveOrder {
  std::string dead_letter_topic;
  std::vector<std::string> event_types;  // empty: all
  std::uint32_t max_per_second = 0;      // 0: as fast as the broker takes them
  bool dry_run = false;
  std::uint64_t limit = 0;  // 0: all
};

// Totals so far.
struct RedriveProgress {
  std::uint64_t scanned = 0;
  std::uint64_t redriven = 0;
  std::uint64_t skipped = 0;  // passed over, and left for another time
  bool done = false;
};

// Show what is in a dead-letter topic. Topics are without prefix.
struct ListLettersOrder {
  std::string dead_letter_topic;
  std::vector<std::string> event_types;  // empty: all
  std::uint32_t limit = 0;               // 0: 100; at most 1,000
};

struct ListedLetter {
  Event event;  // of what is no event, key and data alone
  Position position;
  DeadLetterNote note;  // origin without prefix, where it has ours
};

// What operators ask of the gateway: what EventBusAdmin serves.
//
// Thread safety: all methods may be called from any thread. None blocks, and none calls `done` from
// inside: it runs once, on any thread, with no lock held, and must not block; it is dropped when the
// gateway ends first.
class Operations {
 public:
  template <typename T>
  using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;

  virtual ~Operations() = default;

  // The groups that have a subscription in this process, by name.
  virtual std::vector<GroupState> ListGroups() = 0;

  // Every partition of the topics that the group reads, by topic and partition: those of this
  // process from inside, the others as the broker tells. Without a broker only the former.
  // GROUP_UNKNOWN, BROKER_DOWN, BROKER_DENIED.
  virtual void ExplainGroup(const std::string& group, Done<GroupExplanation> done) = 0;

  // GROUP_UNKNOWN: this process does not have the group. OFFSET_OUT_OF_RANGE: the record is not the
  // head, or the partition is not here. NOT_SUPPORTED: rejected, but there is nowhere to put it.
  virtual absl::Status SettleHead(const SettleHeadOrder& order) = 0;

  // START_INVALID, GROUP_UNKNOWN, GROUP_ACTIVE, TOPIC_MISSING, OFFSET_OUT_OF_RANGE, NOT_SUPPORTED,
  // BROKER_DOWN, BROKER_DENIED.
  virtual void Seek(SeekOrder order, Done<SeekResult> done) = 0;

  // Calls `on_progress` after each batch, one call at a time, the last with `done` or an error. The
  // result ends it: what was published by then is committed, and nothing is told any more.
  // START_INVALID, TOPIC_MISSING, GROUP_ACTIVE (another redrive of the topic), GROUP_CONFLICT (more
  // was passed over than a position can name), MEMORY_BUDGET, DRAINING, BROKER_DOWN, BROKER_DENIED.
  using OnRedriveProgress = Done<RedriveProgress>;
  virtual absl::AnyInvocable<void()> Redrive(RedriveOrder order, OnRedriveProgress on_progress) = 0;

  // The oldest of the topic, the oldest first; as many as fit into 1 MiB. The result ends it, and
  // nothing is told any more. START_INVALID, TOPIC_MISSING, MEMORY_BUDGET, DRAINING, BROKER_DOWN,
  // BROKER_DENIED.
  virtual absl::AnyInvocable<void()> ListDeadLetters(ListLettersOrder order,
                                                     Done<std::vector<ListedLetter>> done) = 0;

  // LiveSubscriptions::Drain(), until Resume(). Without a grace: the configured one. `done` gets the
  // number of deliveries that were never settled.
  virtual void Drain(std::optional<Duration> grace, std::string reason,
                     absl::AnyInvocable<void(std::size_t)> done) = 0;
  virtual absl::Status Resume() = 0;
};

}  // namespace sidebus
