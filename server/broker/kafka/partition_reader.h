#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/broker/consumer.h"
#include "server/broker/kafka/kafka_handle.h"

namespace sidebus {

// One assigned partition's own queue, read only as far as there is room: that is the back-pressure
// (librdkafka stops fetching when the queue is full, and nothing that was fetched is thrown away).
//
// librdkafka hands out records by number, not by bytes; what is beyond the room waits here, at most
// kAtOnce records, in front of the queue.
//
// Ownership: the poll thread's.
// Thread safety: none.
class PartitionReader {
 public:
  static constexpr std::size_t kAtOnce = 128;

  // An error that librdkafka put between the records.
  struct Fault {
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::int64_t offset = -1;
  };

  // Takes the partition out of the consumer's queue; before it is assigned, so that no record goes
  // there. `signal` is written to when the queue is not empty any more.
  PartitionReader(rd_kafka_t* client, std::string topic, std::int32_t partition, int signal);
  PartitionReader(PartitionReader&&) = default;
  PartitionReader& operator=(PartitionReader&&) = default;
  ~PartitionReader();

  const std::string& topic() const { return topic_; }
  std::int32_t partition() const { return partition_; }

  void set_assignment(AssignmentId id) { assignment_ = id; }
  AssignmentId assignment() const { return assignment_; }

  // Of the topic that it is assigned in; empty: not known.
  void set_topic_id(std::string id) { topic_id_ = std::move(id); }
  const std::string& topic_id() const { return topic_id_; }

  // While its position is being found nothing is read.
  void set_finding(bool finding) { finding_ = finding; }
  bool finding() const { return finding_; }

  // While it is given up nothing is read.
  void set_leaving(bool leaving) { leaving_ = leaving; }
  bool leaving() const { return leaving_; }

  // While its sparse acks hardly fit beside the committed position, nothing is read.
  void set_crowded(bool crowded) { crowded_ = crowded; }
  bool crowded() const { return crowded_; }

  // Records as far as `room` goes and some are there; then `fault`, if the next thing is one.
  std::vector<ConsumedRecord> Read(const Room& room, std::optional<Fault>& fault);

  // Where the log ended when Read() came to its end, once: the offset after all that it gave, records
  // or not. Only of a client with `enable.partition.eof`.
  std::optional<std::int64_t> TakeEnd() { return std::exchange(end_, std::nullopt); }

  // Forgets what was read ahead.
  void Clear() { ahead_.clear(); }

 private:
  bool Fill(std::size_t wanted);

  std::string topic_;
  std::int32_t partition_;
  AssignmentId assignment_;
  std::string topic_id_;
  bool finding_ = false;
  bool leaving_ = false;
  bool crowded_ = false;
  std::optional<std::int64_t> end_;
  KafkaQueue queue_;
  std::deque<KafkaMessage> ahead_;
};

}  // namespace sidebus
