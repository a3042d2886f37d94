#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/clock.h"
#include "server/broker/consumer.h"
#include "server/broker/kafka/admin_requests.h"

namespace sidebus {

// Finds where a group, or a broadcast, begins, and pins it: so that a group that starts at the end
// does not lose what comes while none of its members runs.
//
//   Pin()     before joining:     what topics exist? -> where does the group stand on them?
//             -> on topics where it stands nowhere: resolve `start`, write it as the group's
//             position. Refused, because the group has members: somebody else did it; what still
//             has no position then is *open*.
//   Locate()  when partitions are assigned: the group's positions -> the topics' ids; without a
//             position: `start` on an open topic (committed before anything is delivered), else the
//             beginning, because the topic or partition is new.
//
// What is written has the id of the topic beside it (sparse_acks.h).
//
// Errors that pass by themselves are retried every 0.5 s for as long as it takes; a pin begins anew,
// because a topic may have gone meanwhile.
//
// Ownership: the poll thread's; borrows the requests.
// Thread safety: none; everything on the poll thread.
class StartFinder {
 public:
  // A failure is final (BROKER_DENIED, because of `error`); everything else is waited out.
  struct Pinned {
    absl::Status status;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::map<std::string, int> existing;  // topics, with their partitions
  };
  struct Located {
    absl::Status status;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::vector<PartitionOffset> positions;
    std::map<std::string, std::string> topic_ids;  // now; of a group, where the brokers have ids
  };
  using ThenPinned = absl::AnyInvocable<void(Pinned)>;
  using ThenLocated = absl::AnyInvocable<void(Located)>;

  // Without a group nothing is read or written: Locate() resolves `start`.
  StartFinder(std::string group, StartPosition start, AdminRequests& requests);

  // One at a time; a second call drops the first.
  void Pin(std::vector<std::string> topics, ThenPinned then);

  // One at a time; a second call drops the first. `at_beginning`: broadcast, and the partitions
  // were found after the start.
  void Locate(std::vector<PartitionOffset> partitions, bool at_beginning, ThenLocated then);

  // Topics on which the group had members and no position, with the partitions they had then. A
  // finder that takes over from another one gets them from it.
  const std::map<std::string, int>& open() const { return open_; }
  void set_open(std::map<std::string, int> open) { open_ = std::move(open); }

  void CancelLocate() { locate_ = {}; }

  // Runs the retries that are due.
  void Tick(SteadyTime now);

 private:
  using Partitions = std::vector<PartitionOffset>;
  using Answer = AdminRequests::Answer;
  enum class Job : std::uint8_t { kPin, kLocate };

  struct PinJob {
    std::uint64_t id = 0;
    std::vector<std::string> topics{};
    std::map<std::string, int> existing{};
    std::map<std::string, std::string> topic_ids{};
    bool refused = false;  // the group has members
    ThenPinned then{};
    std::uint64_t writes = 0;  // odd: one waits for its answer
  };
  struct LocateJob {
    std::uint64_t id = 0;
    Partitions partitions;
    bool at_beginning = false;
    ThenLocated then;
    std::map<std::string, std::string> topic_ids{};
  };
  struct Retry {
    SteadyTime at{};
    absl::AnyInvocable<void()> run;
  };

  void Describe();
  void ReadGroup();
  void OnGroup(const Partitions& positions);
  void WriteGroup(Partitions positions);
  void FinishPin(absl::Status status, rd_kafka_resp_err_t error = {});

  void ReadAssigned();
  void DescribeAssigned();
  void ResolveAssigned();
  void CommitOpen(const Partitions& open);
  void FinishLocate(absl::Status status, rd_kafka_resp_err_t error = {});

  // Replaces special offsets by real ones.
  void Resolve(Job job, Partitions wanted, absl::AnyInvocable<void(Partitions)> then);
  void ResolveEnds(Job job, Partitions resolved, absl::AnyInvocable<void(Partitions)> then);
  bool IsOpen(const PartitionOffset& partition) const;
  std::int64_t StartOf(const PartitionOffset& partition) const;

  // Wraps an answer: dropped when the job is over; errors fail the job or are retried by `again`.
  AdminRequests::Then On(Job job, void (StartFinder::*again)(),
                         absl::AnyInvocable<void(Answer)> good);
  std::uint64_t IdOf(Job job) const { return job == Job::kPin ? pin_.id : locate_.id; }
  void Again(Job job, absl::AnyInvocable<void()> run);
  void Fail(Job job, rd_kafka_resp_err_t error, std::string_view doing);

  const std::string group_;
  const StartPosition start_;
  AdminRequests& requests_;
  std::uint64_t last_job_ = 0;
  PinJob pin_;
  LocateJob locate_;
  std::map<std::string, int> open_;
  std::vector<Retry> retries_;
};

}  // namespace sidebus
