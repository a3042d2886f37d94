#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/broker/consumer.h"
#include "server/broker/kafka/admin_requests.h"
#include "server/broker/offset_tracker.h"
#include "server/broker/sparse_acks.h"

namespace sidebus {

// The partitions that are ours, and which of their records are acked.
//
// Invariant: what an assignment commits never passes a record that was tracked and not acked; after
// Remove() no tag of it changes anything.
// Ownership: a member of KafkaConsumer.
// Thread safety: all methods may be called from any thread.
class Assignments {
 public:
  // Positions to commit, with sparse acks, and what to put back if that fails.
  struct Floor {
    AssignmentId assignment;
    PartitionOffset position;
    std::int64_t committed_before = -1;
    std::uint64_t acks = 0;  // so far; of Remove(): that are not committed
  };

  // `start`: a committed position. What is committed beside it is settled already. `topic_id`: is
  // committed with what comes; empty: not known.
  AssignmentId Add(const std::string& topic, std::int32_t partition, std::int64_t start,
                   const std::string& topic_id = "", const std::vector<OffsetRun>& settled = {});

  // What is committed from now on names this topic.
  void SetTopicId(AssignmentId assignment, const std::string& topic_id);

  // Starts tracking the records; drops those that were tracked or settled before. False: no such
  // assignment.
  bool Track(AssignmentId assignment, std::vector<ConsumedRecord>& records);

  bool Ack(const DeliveryTag& tag);

  // One past the last record tracked, or the start. -1: no such assignment.
  std::int64_t Next(AssignmentId assignment) const;

  // The log has nothing below `offset` that was not tracked (any more).
  void SkipTo(AssignmentId assignment, std::int64_t offset);

  // The same, because retention took it: AssignmentState::lost. How many events that were.
  std::uint64_t Expire(AssignmentId assignment, std::int64_t log_start);

  // Those whose floor moved, or where something was acked above it.
  std::vector<Floor> TakeMoved();
  void Committed(const std::vector<Floor>& floors);
  void CommitFailed(const std::vector<Floor>& floors);

  // Forgets the assignment; its floor and sparse acks, if they are not committed yet.
  std::optional<Floor> Remove(AssignmentId assignment);

  struct Held {
    std::string topic;
    std::int32_t partition = -1;
    std::int64_t floor = -1;
    std::size_t acks_size = 0;  // of the commit metadata, when it was last taken
  };
  std::vector<Held> held() const;

  // Without the ends of logs.
  std::vector<AssignmentState> states() const;

  // Commits whose sparse acks did not all fit.
  std::uint64_t left_out() const;

  // Acks that no commit was confirmed for.
  std::uint64_t acks_waiting() const;

 private:
  struct Entry {
    std::string topic;
    std::int32_t partition = -1;
    OffsetTracker tracker;
    std::string topic_id;
    std::int64_t committed = -1;
    std::string committed_acks;
    std::size_t acks_size = 0;
    std::uint64_t acks = 0;  // so far
    std::uint64_t acks_committed = 0;
  };

  static PartitionOffset PositionOf(const Entry& entry, std::size_t* left_out = nullptr);

  mutable Mutex mu_;
  std::unordered_map<AssignmentId, Entry> entries_ ABSL_GUARDED_BY(mu_);
  // By topic, partition and topic id.
  std::map<std::tuple<std::string, std::int32_t, std::string>, RetentionLoss> lost_
      ABSL_GUARDED_BY(mu_);
  std::uint64_t left_out_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sidebus
