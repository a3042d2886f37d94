#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/strong_id.h"
#include "server/broker/sparse_acks.h"
#include "server/event/event.h"
#include "server/event/raw_headers.h"

namespace sidebus {

// One partition, from its assignment to this consumer until its revocation. Never reused.
using AssignmentId = StrongId<struct AssignmentTag, std::uint64_t>;

// Names a consumed record to the consumer that delivered it. Only the consumer looks inside: nobody
// above compares or orders tags.
struct DeliveryTag {
  AssignmentId assignment;
  std::int64_t offset = -1;
};

struct ConsumedRecord {
  DeliveryTag tag;
  std::int64_t offset = -1;  // for people and clients; topic and partition are the assignment's
  SystemTime timestamp{};    // record timestamp
  RawRecord record;
};

// How much a handler takes now.
struct Room {
  std::uint32_t events = 0;
  std::uint64_t bytes = 0;  // the record that crosses it is still handed out
};

// Which of a consumer's topics exist, as it last saw them; with prefix. One that the broker hides from
// it is missing, too.
struct TopicsSeen {
  std::vector<std::string> existing;
  std::vector<std::string> missing;

  friend bool operator==(const TopicsSeen&, const TopicsSeen&) = default;
};

// Receives what a consumer has. All methods are called on the consumer's own thread, one at a time,
// with no lock held; they must not block and must not throw.
class ConsumerHandler {
 public:
  virtual ~ConsumerHandler() = default;

  // At the start, after each SetTopics(), and whenever it changes. Missing topics are waited for; when
  // none exists, OnFailed may come instead.
  virtual void OnTopicsSeen(const TopicsSeen& /*topics*/) {}

  // A partition is ours. `topic` is with prefix.
  virtual void OnAssigned(AssignmentId assignment, const std::string& topic,
                          std::int32_t partition) = 0;

  // How much OnRecords may bring for this partition now. Zero events: none; the consumer asks again
  // after Consumer::RoomReturned().
  virtual Room RoomFor(AssignmentId assignment) = 0;

  // Records of one partition in ascending order of offset, at least one.
  virtual void OnRecords(AssignmentId assignment, std::vector<ConsumedRecord> records) = 0;

  // The partition is to be given up. Nothing of it may be handed out from now on; what is held may
  // be acked until OnRevoked(), which comes as soon as Held() says that nothing is, or at `until`:
  // ConsumerOptions::revoke_grace from the first partition that goes. Not called when the partition
  // is lost already, nor without such a grace.
  virtual void OnRevoking(AssignmentId /*assignment*/, SteadyTime /*until*/) {}

  // Records of a partition that is to be given up that somebody still holds.
  virtual std::size_t Held(AssignmentId /*assignment*/) { return 0; }

  // The partition is not ours any more: forget its tags. After it returns the consumer commits what
  // was acked (unless `lost`) and gives the partition up; later acks are stale.
  virtual void OnRevoked(AssignmentId assignment, bool lost) = 0;

  // The consumer cannot go on (TOPIC_MISSING, MEMBER_FENCED, BROKER_DENIED, GROUP_PROTOCOL, ...).
  // Nothing but OnRevoked follows; the owner closes it.
  virtual void OnFailed(const absl::Status& why) = 0;
};

// Where to begin on partitions of topics on which the group has no position.
struct StartPosition {
  enum class At : std::uint8_t { kEarliest, kLatest, kTime, kPositions };
  At at = At::kEarliest;
  SystemTime time{};                // kTime: the first record with this timestamp or a later one
  std::vector<Position> positions;  // kPositions, broadcast only; topics with prefix

  friend bool operator==(const StartPosition&, const StartPosition&) = default;
};

struct ConsumerOptions {
  std::string group;                // empty: broadcast, all partitions, nothing committed
  std::vector<std::string> topics;  // with prefix; those that do not exist yet are waited for
  StartPosition start;
  std::string member;              // for the broker's logs; may be empty
  std::uint64_t buffer_bytes = 0;  // bound on what is fetched ahead, over all partitions
  Duration revoke_grace{};         // how long after OnRevoking() what is held may be acked
  // Reads to an end and goes: AssignmentState::next also passes what is no record (a transaction's
  // marker), and it is never a static member, whose membership would outlast it.
  bool reads_to_end = false;
};

// A consumer's figures. Counters only grow.
struct ConsumerStats {
  struct Topic {
    std::uint32_t partitions = 0;  // assigned
    std::uint64_t lag_events = 0;  // end offset less ack floor, over assigned partitions
  };
  std::map<std::string, Topic> topics;  // with prefix
  // Positions that were below the log start, by topic (with prefix) that ever had one.
  std::map<std::string, std::uint64_t> lost_to_retention;
  std::uint64_t assigned = 0;  // rebalances that brought partitions
  std::uint64_t revoked = 0;
  std::uint64_t lost = 0;
  std::uint64_t commits_ok = 0;
  std::uint64_t commits_failed = 0;
  std::uint64_t acks_waiting = 0;   // now, for their commit to be confirmed; not a counter
  std::uint64_t acks_lost = 0;      // in partitions that went before that
  SystemTime last_commit{};         // zero: none yet
  std::uint64_t fetch_bytes = 0;    // that may be fetched ahead now, over all partitions
  std::uint64_t acks_left_out = 0;  // commits whose sparse acks did not all fit
  std::size_t crowded = 0;          // partitions not read further until their ack floor moves
  std::size_t cut_off = 0;          // partitions not read while no coordinator answers
  std::string last_error;           // why the group gives us nothing; empty: it does
  double ack_metadata_use = 0;      // of the fullest partition; 1: there is no more room

  // Of one partition, whose sparse acks take so many bytes.
  void CountAckMetadata(std::size_t bytes) {
    if (bytes >= kCrowdedAckMetadata) ++crowded;
    ack_metadata_use = std::max(ack_metadata_use, static_cast<double>(bytes) / kMaxAckMetadata);
  }
};

// What retention took of a partition before it was read.
struct RetentionLoss {
  std::uint64_t events = 0;      // offsets that nobody had settled; compaction may have left fewer
  std::int64_t went_on_at = -1;  // the log start at the last time; -1: never

  friend bool operator==(const RetentionLoss&, const RetentionLoss&) = default;
};

// One partition that is assigned.
struct AssignmentState {
  std::string topic;  // with prefix
  std::int32_t partition = -1;
  std::int64_t committed = -1;      // -1: nothing, or broadcast
  std::int64_t next = -1;           // where it is read on
  std::int64_t end = -1;            // one past the last record, as last heard; -1: not known
  std::uint64_t settled_above = 0;  // offsets settled above the ack floor
  bool crowded = false;             // not read further until its ack floor moves
  RetentionLoss lost{};             // to this consumer, over all assignments of the partition
};

// Reads the partitions that a group assigns to this process, and commits what was acked.
//
// Positions: a start is pinned (docs: delivery.md of the design; kafka/kafka_consumer.h), the
// committed position never passes an unacked record. It is committed with what was acked above it
// (sparse_acks.h) every 0.5 s if either changed, on revocation and on Close(); who reads the
// partition next is not given again what was acked.
//
// Thread safety: all methods may be called from any thread, also from the handler's methods; none
// blocks and none calls the handler or a `done` from inside.
// Life: Close(), wait for its `done`, then destroy on any thread but the consumer's own. Destroying
// without that is like a crash: nothing more is committed.
class Consumer {
 public:
  virtual ~Consumer() = default;

  // The record is done. False for a tag that is stale (revoked) or acked already: nothing changes.
  virtual bool Ack(const DeliveryTag& tag) = 0;

  // RoomFor(assignment) may be larger than when it was last asked.
  virtual void RoomReturned(AssignmentId assignment) = 0;

  // The topics from now on (with prefix). Partitions of topics that stay are kept where the group
  // protocol allows.
  virtual void SetTopics(std::vector<std::string> topics) = 0;

  // Commits every position that moved; `done` says whether all that was acked before this call is
  // committed, but for what was lost with its partition: ConsumerStats::acks_lost. Broadcast: OK.
  virtual void Commit(absl::AnyInvocable<void(absl::Status)> done) = 0;

  // Revokes everything (OnRevoked), commits, leaves the group. `done` runs on the consumer's own
  // thread, as its last act.
  virtual void Close(absl::AnyInvocable<void(absl::Status)> done) = 0;

  virtual ConsumerStats stats() const = 0;

  // Which GroupMember this is; empty: none, or not known yet.
  virtual std::string member_id() const = 0;

  // The partitions that are assigned now, in no order.
  virtual std::vector<AssignmentState> assignments() const = 0;
};

}  // namespace sidebus
