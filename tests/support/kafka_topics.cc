#include "tests/support/kafka_topics.h"

#include <array>
#include <cstdlib>
#include <cstring>

#include "server/broker/kafka/kafka_handle.h"

namespace sidebus {
namespace {

using Why = std::array<char, 512>;

KafkaClient Connect(const std::string& servers, Why& why,
                    const std::string& transactional_id = "") {
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  if (!transactional_id.empty()) {
    rd_kafka_conf_set(conf, "transactional.id", transactional_id.c_str(), why.data(), why.size());
  }
  rd_kafka_conf_set(conf, "bootstrap.servers", servers.c_str(), why.data(), why.size());
  return KafkaClient(rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size()));
}

}  // namespace

std::string CreateKafkaTopic(const std::string& servers, const std::string& topic, int partitions) {
  Why why{};
  const KafkaClient client = Connect(servers, why);
  if (client == nullptr) return why.data();
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  rd_kafka_NewTopic_t* wanted =
      rd_kafka_NewTopic_new(topic.c_str(), partitions, -1, why.data(), why.size());
  const KafkaAdminOptions options(
      rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS));
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), 10'000, nullptr, 0);
  rd_kafka_CreateTopics(client.get(), &wanted, 1, options.get(), queue.get());
  rd_kafka_NewTopic_destroy(wanted);
  const KafkaEvent event(rd_kafka_queue_poll(queue.get(), 20'000));
  if (event == nullptr) return "no answer";
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  if (count != 1) return rd_kafka_event_error_string(event.get());
  const char* const error = rd_kafka_topic_result_error_string(results[0]);
  return error == nullptr ? "" : error;
}

std::string DeleteKafkaTopic(const std::string& servers, const std::string& topic) {
  Why why{};
  const KafkaClient client = Connect(servers, why);
  if (client == nullptr) return why.data();
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  rd_kafka_DeleteTopic_t* wanted = rd_kafka_DeleteTopic_new(topic.c_str());
  const KafkaAdminOptions options(
      rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_DELETETOPICS));
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), 10'000, nullptr, 0);
  rd_kafka_DeleteTopics(client.get(), &wanted, 1, options.get(), queue.get());
  rd_kafka_DeleteTopic_destroy(wanted);
  const KafkaEvent event(rd_kafka_queue_poll(queue.get(), 20'000));
  if (event == nullptr) return "no answer";
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  if (count != 1) return rd_kafka_event_error_string(event.get());
  const char* const error = rd_kafka_topic_result_error_string(results[0]);
  return error == nullptr ? "" : error;
}

std::string SetKafkaPosition(const std::string& servers, const std::string& group,
                             const std::string& topic, std::int64_t offset,
                             const std::string& metadata) {
  Why why{};
  const KafkaClient client = Connect(servers, why);
  if (client == nullptr) return why.data();
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  const KafkaPartitionList list = MakePartitionList();
  rd_kafka_topic_partition_t& entry = AddTo(list, topic, 0, offset);
  entry.metadata = std::malloc(metadata.size());  // the list frees it
  std::memcpy(entry.metadata, metadata.data(), metadata.size());
  entry.metadata_size = metadata.size();
  rd_kafka_AlterConsumerGroupOffsets_t* wanted =
      rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), list.get());
  rd_kafka_AlterConsumerGroupOffsets(client.get(), &wanted, 1, nullptr, queue.get());
  rd_kafka_AlterConsumerGroupOffsets_destroy(wanted);
  const KafkaEvent event(rd_kafka_queue_poll(queue.get(), 20'000));
  if (event == nullptr) return "no answer";
  return rd_kafka_event_error(event.get()) == RD_KAFKA_RESP_ERR_NO_ERROR
             ? ""
             : rd_kafka_event_error_string(event.get());
}

std::string WriteInTransaction(const std::string& servers, const std::string& topic,
                               const std::vector<std::string>& values, bool commit) {
  constexpr int kPatienceMs = 20'000;
  Why why{};
  const KafkaClient client = Connect(servers, why, "writer-of-" + topic);
  if (client == nullptr) return why.data();
  const auto failed = [](rd_kafka_error_t* raw) -> std::string {
    const KafkaErrorHandle error(raw);
    return error == nullptr ? "" : rd_kafka_error_string(error.get());
  };
  std::string error = failed(rd_kafka_init_transactions(client.get(), kPatienceMs));
  if (error.empty()) error = failed(rd_kafka_begin_transaction(client.get()));
  if (!error.empty()) return error;
  const KafkaTopicHandle handle(rd_kafka_topic_new(client.get(), topic.c_str(), nullptr));
  for (const std::string& value : values) {
    // The bytes are copied, not changed.
    if (rd_kafka_produce(handle.get(), 0, RD_KAFKA_MSG_F_COPY, const_cast<char*>(value.data()),
                         value.size(), nullptr, 0, nullptr) != 0) {
      return rd_kafka_err2str(rd_kafka_last_error());
    }
  }
  rd_kafka_flush(client.get(), kPatienceMs);
  return failed(commit ? rd_kafka_commit_transaction(client.get(), kPatienceMs)
                       : rd_kafka_abort_transaction(client.get(), kPatienceMs));
}

std::string AddKafkaPartitions(const std::string& servers, const std::string& topic,
                               int partitions) {
  Why why{};
  const KafkaClient client = Connect(servers, why);
  if (client == nullptr) return why.data();
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  rd_kafka_NewPartitions_t* wanted = rd_kafka_NewPartitions_new(
      topic.c_str(), static_cast<std::size_t>(partitions), why.data(), why.size());
  const KafkaAdminOptions options(
      rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_CREATEPARTITIONS));
  rd_kafka_CreatePartitions(client.get(), &wanted, 1, options.get(), queue.get());
  rd_kafka_NewPartitions_destroy(wanted);
  const KafkaEvent event(rd_kafka_queue_poll(queue.get(), 20'000));
  if (event == nullptr) return "no answer";
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results = rd_kafka_CreatePartitions_result_topics(
      rd_kafka_event_CreatePartitions_result(event.get()), &count);
  if (count != 1) return rd_kafka_event_error_string(event.get());
  const char* const error = rd_kafka_topic_result_error_string(results[0]);
  return error == nullptr ? "" : error;
}

}  // namespace sidebus
