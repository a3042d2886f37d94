#include "server/broker/kafka/cluster_answers.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "server/broker/kafka/kafka_error.h"

namespace sidebus {
namespace {

std::optional<KafkaOperation> OperationOf(rd_kafka_AclOperation_t operation) {
  switch (operation) {
    case RD_KAFKA_ACL_OPERATION_READ:
      return KafkaOperation::kRead;
    case RD_KAFKA_ACL_OPERATION_WRITE:
      return KafkaOperation::kWrite;
    case RD_KAFKA_ACL_OPERATION_CREATE:
      return KafkaOperation::kCreate;
    case RD_KAFKA_ACL_OPERATION_DELETE:
      return KafkaOperation::kDelete;
    case RD_KAFKA_ACL_OPERATION_ALTER:
      return KafkaOperation::kAlter;
    case RD_KAFKA_ACL_OPERATION_DESCRIBE:
      return KafkaOperation::kDescribe;
    case RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION:
      return KafkaOperation::kClusterAction;
    case RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS:
      return KafkaOperation::kDescribeConfigs;
    case RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS:
      return KafkaOperation::kAlterConfigs;
    case RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE:
      return KafkaOperation::kIdempotentWrite;
    default:
      return std::nullopt;
  }
}

// Null is "not told", a list without entries is "none".
KafkaOperations OperationsOf(const rd_kafka_AclOperation_t* operations, std::size_t count) {
  if (operations == nullptr) return std::nullopt;
  std::set<KafkaOperation> known;
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto one = OperationOf(operations[i])) known.insert(*one);
  }
  return known;
}

rd_kafka_resp_err_t ErrorCodeOf(const rd_kafka_error_t* error) {
  return error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
}

void ReadPartitions(const rd_kafka_TopicDescription_t* description, TopicFacts& facts) {
  std::size_t count = 0;
  const rd_kafka_TopicPartitionInfo_t** const partitions =
      rd_kafka_TopicDescription_partitions(description, &count);
  facts.partitions = static_cast<int>(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t replicas = 0;
    std::size_t in_sync = 0;
    rd_kafka_TopicPartitionInfo_replicas(partitions[i], &replicas);
    rd_kafka_TopicPartitionInfo_isr(partitions[i], &in_sync);
    const auto fewer = [i](int so_far, std::size_t here) {
      return i == 0 ? static_cast<int>(here) : std::min(so_far, static_cast<int>(here));
    };
    facts.replicas = fewer(facts.replicas, replicas);
    facts.in_sync = fewer(facts.in_sync, in_sync);
    const rd_kafka_Node_t* const leader = rd_kafka_TopicPartitionInfo_leader(partitions[i]);
    if (leader == nullptr || rd_kafka_Node_id(leader) < 0) ++facts.leaderless;
  }
}

rd_kafka_resp_err_t ErrorOfProbe(rd_kafka_event_t* event) {
  if (const rd_kafka_resp_err_t error = rd_kafka_event_error(event)) return error;
  std::size_t count = 0;
  const rd_kafka_group_result_t** const groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(
      rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count);
  if (count != 1) return RD_KAFKA_RESP_ERR__BAD_MSG;
  if (const rd_kafka_resp_err_t error = ErrorCodeOf(rd_kafka_group_result_error(groups[0]))) {
    return error;
  }
  const auto* const partitions = rd_kafka_group_result_partitions(groups[0]);
  return partitions != nullptr && partitions->cnt == 1 ? partitions->elems[0].err
                                                       : RD_KAFKA_RESP_ERR__BAD_MSG;
}

}  // namespace

std::string ErrorNameOf(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? "" : rd_kafka_err2name(error);
}

void ReadCluster(rd_kafka_event_t* event, ClusterFacts& facts) {
  facts.problem = ConnectProblem::kNone;
  const rd_kafka_DescribeCluster_result_t* const cluster =
      rd_kafka_event_DescribeCluster_result(event);
  if (const char* const name = rd_kafka_DescribeCluster_result_cluster_id(cluster)) {
    facts.id = name;
  }
  std::size_t count = 0;
  const rd_kafka_Node_t** const nodes = rd_kafka_DescribeCluster_result_nodes(cluster, &count);
  for (std::size_t i = 0; i < count; ++i) {
    facts.brokers.push_back(
        {rd_kafka_Node_id(nodes[i]), rd_kafka_Node_host(nodes[i]), rd_kafka_Node_port(nodes[i])});
  }
  const auto* const operations =
      rd_kafka_DescribeCluster_result_authorized_operations(cluster, &count);
  facts.operations = OperationsOf(operations, count);
}

void ReadTopic(const rd_kafka_TopicDescription_t* description, TopicFacts& facts) {
  const rd_kafka_resp_err_t error = ErrorCodeOf(rd_kafka_TopicDescription_error(description));
  facts.error = ErrorNameOf(error);
  if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
    facts.presence = TopicPresence::kDenied;
  } else if (SaysTopicIsMissing(error)) {
    facts.presence = TopicPresence::kMissing;
  } else if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    facts.presence = TopicPresence::kThere;
    ReadPartitions(description, facts);
    std::size_t count = 0;
    const auto* const operations =
        rd_kafka_TopicDescription_authorized_operations(description, &count);
    facts.operations = OperationsOf(operations, count);
  }
}

void ReadTopicConfigs(const rd_kafka_ConfigResource_t* resource, TopicFacts& facts) {
  if (rd_kafka_ConfigResource_error(resource) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  std::size_t count = 0;
  const rd_kafka_ConfigEntry_t** const entries = rd_kafka_ConfigResource_configs(resource, &count);
  for (std::size_t i = 0; i < count; ++i) {
    const char* const value = rd_kafka_ConfigEntry_value(entries[i]);
    if (value == nullptr) continue;
    const std::string_view name = rd_kafka_ConfigEntry_name(entries[i]);
    if (name == "min.insync.replicas") facts.min_in_sync = std::atoll(value);
    if (name == "max.message.bytes") facts.max_message_bytes = std::atoll(value);
  }
}

void ReadGroup(rd_kafka_event_t* event, GroupFacts& facts) {
  rd_kafka_resp_err_t error = rd_kafka_event_error(event);
  std::size_t count = 0;
  const rd_kafka_ConsumerGroupDescription_t** groups = nullptr;
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    groups = rd_kafka_DescribeConsumerGroups_result_groups(
        rd_kafka_event_DescribeConsumerGroups_result(event), &count);
    error = count == 1 ? ErrorCodeOf(rd_kafka_ConsumerGroupDescription_error(groups[0]))
                       : RD_KAFKA_RESP_ERR__BAD_MSG;
  }
  if (error == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
    facts.may_describe = KafkaPermission::kGranted;
    return;
  }
  facts.error = ErrorNameOf(error);
  if (error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
    facts.may_describe = KafkaPermission::kDenied;
    facts.may_read = KafkaPermission::kDenied;
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  facts.may_describe = KafkaPermission::kGranted;
  facts.members = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
  // Brokers before Kafka 4 call a group that nobody knows dead.
  facts.exists =
      rd_kafka_ConsumerGroupDescription_state(groups[0]) != RD_KAFKA_CONSUMER_GROUP_STATE_DEAD;
  const auto* const told =
      rd_kafka_ConsumerGroupDescription_authorized_operations(groups[0], &count);
  if (const KafkaOperations operations = OperationsOf(told, count)) {
    facts.may_read = operations->contains(KafkaOperation::kRead) ? KafkaPermission::kGranted
                                                                 : KafkaPermission::kDenied;
  }
}

void ReadGroupProbe(rd_kafka_event_t* event, GroupFacts& facts) {
  const rd_kafka_resp_err_t error = ErrorOfProbe(event);
  if (error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
    facts.may_read = KafkaPermission::kDenied;
  } else if (SaysTopicIsMissing(error) || error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
    facts.may_read = KafkaPermission::kGranted;
    return;
  }
  facts.error = ErrorNameOf(error);
}

void ReadCreation(const rd_kafka_topic_result_t* result, NewTopicFacts& facts) {
  const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(result);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    facts.may_create = KafkaPermission::kGranted;
    return;
  }
  facts.error = ErrorNameOf(error);
  if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
      error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
    facts.may_create = KafkaPermission::kDenied;
  }
}

}  // namespace sidebus
