#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/broker/memory/memory_broker.h"
#include "server/subscribe/subscriber.h"
#include "tests/simulation/report.h"

namespace sidebus::simulation {

// What a stream remembers of a delivery, to say what became of it.
struct Ticket {
  std::string topic;  // without prefix
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  AssignmentId assignment;  // zero: its gateway had lost the partition already, and did not know

  bool stale() const { return assignment == AssignmentId(); }
};

// Who takes a delivery, and on what terms.
struct Holder {
  std::string member;    // its gateway's name in the group
  std::uint64_t id = 0;  // of the stream; never reused
  Duration lease{};
  bool lease_runs = true;  // the transport writes
  std::uint32_t max_attempts = 0;
  Exhausted on_exhausted = Exhausted::kHalt;
};

// Follows what happens to every record of one group, and reports what must not:
//
//   I4  the position, or a sparse ack, says "settled" of a record that nobody settled; a record is
//       never delivered
//   I5  a delivery without a reason: settled and committed before, or neither returned by its
//       holder nor out of lease
//   I6  a delivery that overtakes an unsettled one of its lane
//   I7  a settle counts that came from a partition which had gone; two that hold a record both
//       settle it
//   I8  a record that was rejected, or used up its attempts, is passed before it is in the
//       dead-letter topic with its bytes, or is there without a reason
//
// A settle counts when the gateway that answers it has the partition by the same assignment as at
// the delivery. When a partition is assigned anew, what was settled and is not committed is unsettled
// again. The broker is the truth about assignments and positions.
//
// Thread safety: none. Life: borrows broker and report.
class GroupChecker {
 public:
  struct Rules {
    std::string group;
    std::string prefix;  // of topics on the broker
    Ordering ordering = Ordering::kByKey;
    std::uint32_t max_interruptions = 0;
    bool exactly_once = false;  // nothing is done that could cause a second delivery
  };

  GroupChecker(Rules rules, const MemoryBroker& broker, Report& report);

  const std::string& group() const { return rules_.group; }
  Ordering ordering() const { return rules_.ordering; }

  // What is to become of a record.
  enum class Fate : std::uint8_t {
    kDelivered,  // by every gateway
    kAny,        // streams may not name its type, and it may be settled silently
    kDead,       // no stream can have it: it goes to the dead-letter topic in its turn
  };

  // A record is on the log, and its data are DataOf() its place.
  static std::string DataOf(const std::string& topic, std::int32_t partition, std::int64_t offset);
  void Published(const std::string& topic, std::int32_t partition,
                 const std::optional<std::string>& key, Fate fate);

  Ticket Delivered(const Holder& holder, const Delivery& delivery, SteadyTime now);

  // What the gateway accepted of a stream.
  void Settled(const Ticket& ticket);
  void Rejected(const Ticket& ticket);
  void Returned(const Ticket& ticket, bool counted);
  void Extended(const Ticket& ticket, SteadyTime lease_over);

  // The stream is gone, or about to: what it holds may be delivered again.
  void Gone(std::uint64_t holder);
  // The stream ended well: what it settled is committed.
  void EndedWell(const std::vector<Ticket>& settled, SteadyTime now);

  // To be called after every step. Compares what is committed with what may be.
  void CheckPositions(SteadyTime now);

  // Every wanted record was delivered, every record is settled and committed.
  bool complete() const;
  // Something is halted: only a new assignment brings it again.
  bool halted(SteadyTime now) const;
  std::uint64_t deliveries() const { return deliveries_; }

 private:
  struct Record {
    std::string lane;  // empty: none
    Fate fate = Fate::kDelivered;
    bool delivered = false;  // ever
    bool doomed = false;     // was rejected, given its last chance, or never had one, ever
    bool dead = false;       // is in the dead-letter topic
    // By the present assignment:
    bool settled = false;
    bool committed = false;  // for ever
    bool rejected = false;
    bool returned = false;              // by its holder, or with it
    std::uint64_t holder = 0;           // the last one; zero: none yet
    std::uint32_t attempt = 0;          // of the last delivery
    std::optional<bool> counted;        // returned by a nack that does, or does not, count
    bool last_chance = false;           // one more failure exhausts it
    Exhausted then = Exhausted::kHalt;  // and that is what follows
    SteadyTime lease_over{};
  };
  struct Partition {
    AssignmentId assignment;
    std::vector<Record> records;
    std::int64_t floor = 0;
    std::vector<OffsetRun> acks;
    std::map<std::string, std::set<std::int64_t>> open;  // of each lane: unsettled records
  };
  using PartitionName = std::pair<std::string, std::int32_t>;  // topic without prefix

  Partition& At(const Ticket& ticket) { return partitions_.at({ticket.topic, ticket.partition}); }
  Record& RecordAt(const Ticket& ticket);
  std::string FullName(const std::string& topic) const { return rules_.prefix + topic; }
  bool Current(const Ticket& ticket) const;
  void AssignedAnew(const PartitionName& name, Partition& partition, AssignmentId assignment,
                    SteadyTime now);
  void CheckPosition(const PartitionName& name, Partition& partition, SteadyTime now);
  void Commit(const PartitionName& name, Partition& partition, std::int64_t offset, SteadyTime now);
  void CheckReason(const Ticket& ticket, const Record& record, const Delivery& delivery,
                   SteadyTime now);
  void ReadLetters(const std::string& topic);
  void CheckLane(const Ticket& ticket, SteadyTime now);
  void Close(Partition& partition, std::int64_t offset);
  // Nobody holds the record any more.
  static bool IsBack(const Record& record, SteadyTime now);
  // The gateway may have settled the record by itself.
  bool MayBeSetAside(const std::string& topic, const Record& record, SteadyTime now);

  const Rules rules_;
  const MemoryBroker& broker_;
  Report& report_;
  std::map<PartitionName, Partition> partitions_;
  std::map<PartitionName, std::size_t> letters_;  // of a dead-letter topic that were seen
  std::uint64_t deliveries_ = 0;
  std::uint64_t checked_commits_ = 0;
};

}  // namespace sidebus::simulation
