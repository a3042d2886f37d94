#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "server/broker/kafka/kafka_handle.h"

namespace sidebus {

// A partition with an offset, and what went wrong with it. Offset -1: none.
struct PartitionOffset {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
};

// The requests that a consumer sends to brokers by itself: what exists, where a group stands, where
// logs begin and end, commits. Each answer goes to a queue of its own, never to the consumer's
// queue, where librdkafka aborts the process on anything but a message.
//
// Ownership: the poll thread's; borrows client and queue, which outlive it.
// Thread safety: none; the poll thread calls everything, and answers run on it, in Serve().
// Invariant: a request is answered once, or dropped by Clear().
class AdminRequests {
 public:
  struct Answer {
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;  // of the whole request
    std::vector<PartitionOffset> partitions;
    std::map<std::string, int> topics;  // Describe(): those that exist, with their partitions
  };
  using Then = absl::AnyInvocable<void(Answer)>;

  // For Offsets(): special values of PartitionOffset::offset, or a time in ms since the epoch.
  static constexpr std::int64_t kBeginning = RD_KAFKA_OFFSET_SPEC_EARLIEST;
  static constexpr std::int64_t kEnd = RD_KAFKA_OFFSET_SPEC_LATEST;

  AdminRequests(rd_kafka_t* client, rd_kafka_queue_t* queue) : client_(client), queue_(queue) {}

  void Describe(const std::vector<std::string>& topics, Then then);
  void GroupPositions(const std::string& group, const std::vector<PartitionOffset>& partitions,
                      Then then);
  // Only for a group without members.
  void SetGroupPositions(const std::string& group, const std::vector<PartitionOffset>& positions,
                         Then then);
  void Offsets(const std::vector<PartitionOffset>& wanted, Then then);
  // As a member of the consumer's own group.
  void Commit(const std::vector<PartitionOffset>& positions, Then then);

  // Runs the answers that are there.
  void Serve();

  // Drops what is not answered yet.
  void Clear() { waiting_.clear(); }

 private:
  KafkaAdminOptions Options(rd_kafka_admin_op_t request, Then then);
  void OnEvent(rd_kafka_event_t* event);

  rd_kafka_t* const client_;
  rd_kafka_queue_t* const queue_;
  std::uintptr_t last_id_ = 0;
  std::map<std::uintptr_t, Then> waiting_;
};

}  // namespace sidebus
