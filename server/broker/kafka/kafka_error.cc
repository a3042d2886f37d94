#include "server/broker/kafka/kafka_error.h"

#include <fmt/format.h>

#include <string>

#include "server/base/log.h"
#include "server/broker/kafka/kafka_handle.h"

namespace sidebus {
namespace {

std::string AdviceFor(Reason reason) {
  switch (reason) {
    case Reason::kEventTooLarge:
      return "the broker's limit is lower than the gateway's: raise max.message.bytes of the "
             "topic, or lower limits.max_event_bytes; if the event is small, lower batch.size in "
             "broker.kafka.properties, for the limit is one of whole batches";
    case Reason::kBrokerDenied:
      return "Kafka refused it: grant the gateway's Kafka user access";
    case Reason::kTopicMissing:
      return "the topic does not exist: create it";
    case Reason::kEventInvalid:
      return "the broker found the record invalid: check key, timestamp and the topic's settings";
    case Reason::kGroupProtocol:
      return "members of the group use another assignor or protocol: give all of them the same "
             "subscribe.assignor (other programs: partition.assignment.strategy) and "
             "subscribe.group_protocol";
    case Reason::kMemberFenced:
      return "another member took this one's place";
    default:
      return "the brokers cannot take it now";
  }
}

}  // namespace

Reason ReasonOfKafka(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
      return Reason::kEventTooLarge;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return Reason::kBrokerDenied;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return Reason::kTopicMissing;
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
      return Reason::kEventInvalid;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      return Reason::kMemoryBudget;
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
      return Reason::kGroupProtocol;
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__FENCED:
      return Reason::kMemberFenced;
    default:
      return Reason::kBrokerDown;
  }
}

absl::Status ErrorOfKafka(rd_kafka_resp_err_t error, std::string_view doing) {
  const Reason reason = ReasonOfKafka(error);
  return MakeError(reason,
                   fmt::format("{}: {} ({})", doing, AdviceFor(reason), rd_kafka_err2name(error)));
}

void LogKafkaError(std::string_view what, rd_kafka_error_t* error) {
  const KafkaErrorHandle owned(error);
  if (owned == nullptr) return;
  Log(LogLevel::kWarning, what, {{"error", rd_kafka_error_name(owned.get())}});
}

bool SaysTopicIsMissing(rd_kafka_resp_err_t error) {
  return ReasonOfKafka(error) == Reason::kTopicMissing;
}

bool SaysGroupHasMembers(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
         error == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP ||
         error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
         error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
         error == RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH;
}

bool SaysPositionIsGone(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
         error == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
}

DeliveryReport ReportOf(rd_kafka_msg_status_t status, rd_kafka_resp_err_t error,
                        std::int32_t partition, std::int64_t offset) {
  DeliveryReport report;
  report.partition = partition;
  switch (status) {
    case RD_KAFKA_MSG_STATUS_PERSISTED:
      report.outcome = DeliveryReport::Outcome::kWritten;
      report.offset = offset >= 0 ? offset : -1;
      return report;
    case RD_KAFKA_MSG_STATUS_NOT_PERSISTED:
      report.outcome = DeliveryReport::Outcome::kNotWritten;
      report.error = ErrorOfKafka(error, "publish");
      return report;
    case RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED:
      break;
  }
  report.outcome = DeliveryReport::Outcome::kUnknown;
  report.error = MakeError(
      Reason::kDeliveryTimeout,
      fmt::format("publish: handed to a broker that did not answer ({}): it may or may not be "
                  "written; publish it again with the same id",
                  rd_kafka_err2name(error)));
  return report;
}

}  // namespace sidebus
