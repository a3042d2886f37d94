#include "tests/support/kafka_topics.h"

#include <array>

#include "server/broker/kafka/kafka_handle.h"

namespace sidebus {

std::string CreateKafkaTopic(const std::string& servers, const std::string& topic, int partitions) {
  std::array<char, 512> why{};
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", servers.c_str(), why.data(), why.size());
  const KafkaClient client(rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size()));
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

}  // namespace sidebus
