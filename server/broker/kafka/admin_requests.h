#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "server/base/clock.h"
#include "server/broker/group_admin.h"
#include "server/broker/kafka/kafka_handle.h"

namespace sidebus {

// A partition with an offset, what went wrong with it, and what is committed beside it (a group's
// sparse acks). Offset -1: none.
struct PartitionOffset {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  std::string metadata{};
};

// The requests that a consumer sends to brokers by itself: what exists, where a group stands, where
// logs begin and end, commits. Each answer goes to a queue of its own, never to the consumer's
// queue, where librdkafka aborts the process on anything but a message.
//
// A request to a certain broker (Describe, Offsets) that waits while this broker is down makes
// librdkafka 2.15.1 connect again and again without a pause, a whole processor's worth, because each
// failure wakes the request, and each wake-up orders a connection at once. A request to a group's
// coordinator waits quietly. So the first kind ends after some seconds, and when no broker can be
// reached, the next of them waits for the answer to one of the second kind.
//
// A request to a coordinator may also be forgotten (2.15.1): when looking for the coordinator fails
// while connections are coming back, librdkafka waits for a change of some connection, which may never
// come. So what only reads is asked again after 10 s, then every 20 s; the first answer counts.
//
// (Also for group_admin: everything but Commit().)
//
// Ownership: the poll thread's; borrows client and queue, which outlive it.
// Thread safety: none; the poll thread calls everything, and answers run on it, in Serve().
// Invariant: a request is answered once, unless this is destroyed before.
class AdminRequests {
 public:
  struct Answer {
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;  // of the whole request
    std::vector<PartitionOffset> partitions{};
    std::map<std::string, int> topics{};  // Describe(): those that exist, with their partitions
    // And another id for each time they were made; none of brokers that have no such ids.
    std::map<std::string, std::string> topic_ids{};
    std::vector<GroupMember> members{};  // DescribeGroup(): none of a group that nobody knows
  };
  using Then = absl::AnyInvocable<void(Answer)>;

  // For Offsets(): special values of PartitionOffset::offset, or a time in ms since the epoch.
  static constexpr std::int64_t kBeginning = RD_KAFKA_OFFSET_SPEC_EARLIEST;
  static constexpr std::int64_t kEnd = RD_KAFKA_OFFSET_SPEC_LATEST;
  // Negative numbers mean something else.
  static std::int64_t SpecOf(SystemTime time);

  // `group`: the client's; empty: none.
  AdminRequests(rd_kafka_t* client, rd_kafka_queue_t* queue, std::string group)
      : client_(client), queue_(queue), group_(std::move(group)) {}

  void Describe(const std::vector<std::string>& topics, Then then);
  void DescribeGroup(const std::string& group, Then then);
  // No partitions: wherever the group stands.
  void GroupPositions(const std::string& group, const std::vector<PartitionOffset>& partitions,
                      Then then);
  // Only for a group without members.
  void SetGroupPositions(const std::string& group, const std::vector<PartitionOffset>& positions,
                         Then then);
  void Offsets(const std::vector<PartitionOffset>& wanted, Then then);
  // No broker can be reached now.
  void BrokersAreDown() { unreachable_ = true; }
  // As a member of the consumer's own group.
  void Commit(const std::vector<PartitionOffset>& positions, Then then);

  // Runs the answers that are there, and asks again what was not answered for long.
  void Serve(SteadyTime now);

  // Requests without an answer.
  std::size_t waiting() const { return waiting_.size() + held_.size(); }

 private:
  struct Waiting {
    Then then;
    std::string group{};  // GroupPositions(): what to ask again
    std::vector<PartitionOffset> partitions{};
    Duration pause{};
    SteadyTime again_at{};  // zero: not yet known, or never
  };

  std::uintptr_t Await(Then then);
  KafkaAdminOptions Options(rd_kafka_admin_op_t request, int timeout_ms, std::uintptr_t id);
  void SendGroupPositions(std::uintptr_t id);
  void AskAgain(SteadyTime now);
  void WhenReachable(absl::AnyInvocable<void()> send);
  void Probe();
  void SendDescribe(const std::vector<std::string>& topics, Then then);
  void SendOffsets(const std::vector<PartitionOffset>& wanted, Then then);
  void OnEvent(rd_kafka_event_t* event);

  rd_kafka_t* const client_;
  rd_kafka_queue_t* const queue_;
  const std::string group_;
  std::uintptr_t last_id_ = 0;
  std::map<std::uintptr_t, Waiting> waiting_;
  bool unreachable_ = false;
  std::vector<absl::AnyInvocable<void()>> held_;  // until a broker answers; at most one per caller
};

}  // namespace sidebus
