#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/base/mutex.h"
#include "server/broker/consumer.h"
#include "server/broker/kafka/admin_requests.h"
#include "server/broker/offset_tracker.h"

namespace sidebus {

// The partitions that are ours, and which of their records are acked.
//
// Invariant: what an assignment commits never passes a record that was tracked and not acked; after
// Remove() no tag of it changes anything.
// Ownership: a member of KafkaConsumer.
// Thread safety: all methods may be called from any thread.
class Assignments {
 public:
  // Positions to commit, and what to put back if that fails.
  struct Floor {
    AssignmentId assignment;
    PartitionOffset position;
    std::int64_t committed_before = -1;
  };

  AssignmentId Add(const std::string& topic, std::int32_t partition, std::int64_t start);

  // Starts tracking the records; drops those that were tracked before. False: no such assignment.
  bool Track(AssignmentId assignment, std::vector<ConsumedRecord>& records);

  bool Ack(const DeliveryTag& tag);

  // One past the last record tracked, or the start. -1: no such assignment.
  std::int64_t Next(AssignmentId assignment) const;

  // What the log had below `offset` is gone.
  void SkipTo(AssignmentId assignment, std::int64_t offset);

  // The floors that moved.
  std::vector<Floor> TakeMoved();
  void Committed(const std::vector<Floor>& floors);
  void CommitFailed(const std::vector<Floor>& floors);

  // Forgets the assignment; its floor, if that is not committed yet.
  std::optional<Floor> Remove(AssignmentId assignment);

  struct Held {
    std::string topic;
    std::int32_t partition = -1;
    std::int64_t floor = -1;
  };
  std::vector<Held> held() const;

 private:
  struct Entry {
    std::string topic;
    std::int32_t partition = -1;
    OffsetTracker tracker;
    std::int64_t committed = -1;
  };

  mutable Mutex mu_;
  std::unordered_map<AssignmentId, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
