#include "server/broker/kafka/partition_reader.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace sidebus {
namespace {

std::optional<std::string> Bytes(const void* data, std::size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string(static_cast<const char*>(data), size);
}

// A record whose headers cannot be read has none, as with rd_kafka_message_headers().
RawHeaders HeadersOf(const rd_kafka_message_t& message) {
  std::size_t size = 0;
  const void* const bytes = rd_kafka_message_raw_headers(&message, &size);
  if (bytes == nullptr) return {};
  return RawHeaders::Parse({static_cast<const char*>(bytes), size}).value_or(RawHeaders());
}

ConsumedRecord ConsumedRecordOf(const rd_kafka_message_t& message, AssignmentId assignment) {
  ConsumedRecord record;
  record.tag = {assignment, message.offset};
  record.offset = message.offset;
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t timestamp = rd_kafka_message_timestamp(&message, &type);
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) {
    record.timestamp = SystemTime(std::chrono::milliseconds(timestamp));
  }
  record.record.key = Bytes(message.key, message.key_len);
  record.record.value = Bytes(message.payload, message.len);
  record.record.headers = HeadersOf(message);
  return record;
}

}  // namespace

PartitionReader::PartitionReader(rd_kafka_t* client, std::string topic, std::int32_t partition,
                                 int signal)
    : topic_(std::move(topic)),
      partition_(partition),
      queue_(rd_kafka_queue_get_partition(client, topic_.c_str(), partition)) {
  static constexpr std::uint64_t kOne = 1;
  rd_kafka_queue_forward(queue_.get(), nullptr);
  rd_kafka_queue_io_event_enable(queue_.get(), signal, &kOne, sizeof(kOne));
}

PartitionReader::~PartitionReader() {
  if (queue_ != nullptr) rd_kafka_queue_io_event_enable(queue_.get(), -1, nullptr, 0);
}

bool PartitionReader::Fill(std::size_t wanted) {
  if (!ahead_.empty()) return true;
  std::array<rd_kafka_message_t*, kAtOnce> messages;
  const ssize_t count = rd_kafka_consume_batch_queue(queue_.get(), 0, messages.data(),
                                                     std::min(wanted, messages.size()));
  for (ssize_t i = 0; i < count; ++i) ahead_.emplace_back(messages[static_cast<std::size_t>(i)]);
  return count > 0;
}

std::vector<ConsumedRecord> PartitionReader::Read(const Room& room, std::optional<Fault>& fault) {
  std::vector<ConsumedRecord> records;
  std::uint64_t bytes = 0;
  while (records.size() < room.events && (records.empty() || bytes < room.bytes)) {
    if (!Fill(room.events - records.size())) break;
    const rd_kafka_message_t& message = *ahead_.front();
    if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      end_ = message.offset;
      ahead_.pop_front();
      continue;
    }
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      fault = Fault{message.err, message.offset};
      ahead_.pop_front();
      break;
    }
    if (records.empty()) records.reserve(std::min<std::size_t>(room.events, ahead_.size()));
    records.push_back(ConsumedRecordOf(message, assignment_));
    bytes += SizeOf(records.back().record);
    ahead_.pop_front();
  }
  return records;
}

}  // namespace sidebus
