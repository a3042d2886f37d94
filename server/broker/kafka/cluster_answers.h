#pragma once

#include <librdkafka/rdkafka.h>

#include <string>

#include "server/broker/kafka/cluster_facts.h"

namespace sidebus {

// How librdkafka's answers to KafkaInspector's questions are read: each function adds to `facts` what
// an answer says.

// Kafka's name of an error; empty for none.
std::string ErrorNameOf(rd_kafka_resp_err_t error);

// DescribeCluster; the event has no error.
void ReadCluster(rd_kafka_event_t* event, ClusterFacts& facts);

void ReadTopic(const rd_kafka_TopicDescription_t* description, TopicFacts& facts);
void ReadTopicConfigs(const rd_kafka_ConfigResource_t* resource, TopicFacts& facts);

// DescribeConsumerGroups of one group.
void ReadGroup(rd_kafka_event_t* event, GroupFacts& facts);

// What a group's coordinator answered to a commit on a topic that does not exist: it looks at the
// group first.
void ReadGroupProbe(rd_kafka_event_t* event, GroupFacts& facts);

void ReadCreation(const rd_kafka_topic_result_t* result, NewTopicFacts& facts);

}  // namespace sidebus
