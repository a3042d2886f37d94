#include <array>
#include <cstring>

#include "tests/bench/direct.h"
#include "tests/bench/report.h"

namespace sidebus::bench {
namespace {

using Queue = std::unique_ptr<rd_kafka_queue_t, Deleter<rd_kafka_queue_destroy>>;
using Topics = std::unique_ptr<rd_kafka_topic_partition_list_t,
                               Deleter<rd_kafka_topic_partition_list_destroy>>;

// The bytes of the headers, which say what the event is: an application has to look at them.
std::uint64_t ReadHeaders(const rd_kafka_message_t& message) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return 0;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    bytes += std::strlen(name) + size;
  }
  return bytes;
}

// Takes up to a batch; returns how many records came, and adds the bytes of their data to `bytes`.
std::uint64_t ReadBatch(rd_kafka_queue_t* queue, std::uint64_t& bytes) {
  std::array<rd_kafka_message_t*, 1000> batch{};
  const ssize_t got = rd_kafka_consume_batch_queue(queue, 10, batch.data(), batch.size());
  std::uint64_t records = 0;
  for (ssize_t i = 0; i < got; ++i) {
    rd_kafka_message_t* message = batch[static_cast<std::size_t>(i)];
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++records;
      if (ReadHeaders(*message) == 0) throw std::runtime_error("a record without headers");
      bytes += message->len;
    }
    rd_kafka_message_destroy(message);
  }
  return records;
}

}  // namespace

std::string DirectConsume(const DirectOptions& options) {
  const Client client = MakeClient(RD_KAFKA_CONSUMER, options.properties);
  rd_kafka_poll_set_consumer(client.get());
  const Topics topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), options.topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (rd_kafka_subscribe(client.get(), topics.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("subscribe failed");
  }
  const Queue queue(rd_kafka_queue_get_consumer(client.get()));

  // Joining the group is not what is measured: the clock starts with the first batch.
  std::uint64_t bytes = 0;
  std::uint64_t before = 0;
  while (before == 0) before = ReadBatch(queue.get(), bytes);
  Report report;
  bytes = 0;
  std::uint64_t records = 0;
  while (before + records < options.count) records += ReadBatch(queue.get(), bytes);
  const std::string result = report.Finish(records, bytes / records);
  rd_kafka_consumer_close(client.get());
  return result;
}

}  // namespace sidebus::bench
