#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>

#include "server/base/c_deleter.h"

namespace sidebus {

// Like a crash for a consumer: no commit, no leaving of the group. A consumer that was closed has
// done both already.
inline void DestroyClientAtOnce(rd_kafka_t* client) {
  rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

using KafkaClient = std::unique_ptr<rd_kafka_t, CDeleter<DestroyClientAtOnce>>;
using KafkaConf = std::unique_ptr<rd_kafka_conf_t, CDeleter<rd_kafka_conf_destroy>>;
using KafkaTopicHandle = std::unique_ptr<rd_kafka_topic_t, CDeleter<rd_kafka_topic_destroy>>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, CDeleter<rd_kafka_queue_destroy>>;
using KafkaEvent = std::unique_ptr<rd_kafka_event_t, CDeleter<rd_kafka_event_destroy>>;
using KafkaMessage = std::unique_ptr<rd_kafka_message_t, CDeleter<rd_kafka_message_destroy>>;
using KafkaErrorHandle = std::unique_ptr<rd_kafka_error_t, CDeleter<rd_kafka_error_destroy>>;
using KafkaHeaders = std::unique_ptr<rd_kafka_headers_t, CDeleter<rd_kafka_headers_destroy>>;
using KafkaPartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                           CDeleter<rd_kafka_topic_partition_list_destroy>>;
using KafkaAdminOptions =
    std::unique_ptr<rd_kafka_AdminOptions_t, CDeleter<rd_kafka_AdminOptions_destroy>>;

inline KafkaPartitionList MakePartitionList() {
  return KafkaPartitionList(rd_kafka_topic_partition_list_new(0));
}

inline rd_kafka_topic_partition_t& AddTo(const KafkaPartitionList& list, const std::string& topic,
                                         std::int32_t partition, std::int64_t offset) {
  rd_kafka_topic_partition_t* const entry =
      rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
  entry->offset = offset;
  return *entry;
}

}  // namespace sidebus
