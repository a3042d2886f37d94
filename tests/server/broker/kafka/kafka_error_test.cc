#include "server/broker/kafka/kafka_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Outcome = DeliveryReport::Outcome;

struct ReasonCase {
  rd_kafka_resp_err_t error;
  Reason reason;
};

class KafkaReasonTest : public ::testing::TestWithParam<ReasonCase> {};

TEST_P(KafkaReasonTest, EachErrorOfKafkaHasOneReason) {
  EXPECT_EQ(ReasonName(ReasonOfKafka(GetParam().error)), ReasonName(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(
    Errors, KafkaReasonTest,
    ::testing::Values(
        ReasonCase{RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Reason::kEventTooLarge},
        ReasonCase{RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, Reason::kEventTooLarge},
        ReasonCase{RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, Reason::kEventTooLarge},
        ReasonCase{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Reason::kBrokerDenied},
        ReasonCase{RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Reason::kBrokerDenied},
        ReasonCase{RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, Reason::kBrokerDenied},
        ReasonCase{RD_KAFKA_RESP_ERR__AUTHENTICATION, Reason::kBrokerDenied},
        ReasonCase{RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, Reason::kBrokerDenied},
        ReasonCase{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Reason::kTopicMissing},
        ReasonCase{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID, Reason::kTopicMissing},
        ReasonCase{RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, Reason::kTopicMissing},
        ReasonCase{RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, Reason::kTopicMissing},
        ReasonCase{RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, Reason::kTopicMissing},
        ReasonCase{RD_KAFKA_RESP_ERR_INVALID_RECORD, Reason::kEventInvalid},
        ReasonCase{RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, Reason::kEventInvalid},
        ReasonCase{RD_KAFKA_RESP_ERR__QUEUE_FULL, Reason::kMemoryBudget},
        ReasonCase{RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, Reason::kGroupProtocol},
        ReasonCase{RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, Reason::kMemberFenced},
        ReasonCase{RD_KAFKA_RESP_ERR__FENCED, Reason::kMemberFenced},
        ReasonCase{RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, Reason::kBrokerDown},
        ReasonCase{RD_KAFKA_RESP_ERR__TRANSPORT, Reason::kBrokerDown},
        ReasonCase{RD_KAFKA_RESP_ERR__PURGE_QUEUE, Reason::kBrokerDown},
        ReasonCase{RD_KAFKA_RESP_ERR__FATAL, Reason::kBrokerDown},
        ReasonCase{RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, Reason::kBrokerDown},
        ReasonCase{RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, Reason::kBrokerDown}),
    [](const auto& test) { return std::string(rd_kafka_err2name(test.param.error)); });

TEST(KafkaErrorTest, NamesWhatWasDoneAndTheError) {
  const absl::Status error =
      ErrorOfKafka(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "subscribe");

  EXPECT_EQ(ReasonOf(error), Reason::kBrokerDenied);
  EXPECT_THAT(std::string(error.message()), StartsWith("subscribe: "));
  EXPECT_THAT(std::string(error.message()), HasSubstr("TOPIC_AUTHORIZATION_FAILED"));
}

TEST(KafkaReportTest, APersistedRecordIsWrittenWhateverTheErrorSays) {
  const DeliveryReport report =
      ReportOf(RD_KAFKA_MSG_STATUS_PERSISTED, RD_KAFKA_RESP_ERR__TIMED_OUT, 3, 7);

  EXPECT_EQ(report.outcome, Outcome::kWritten);
  EXPECT_TRUE(report.error.ok());
  EXPECT_EQ(report.partition, 3);
  EXPECT_EQ(report.offset, 7);
}

TEST(KafkaReportTest, APersistedRecordOfAnUnknownOffsetSaysMinusOne) {
  const DeliveryReport report = ReportOf(RD_KAFKA_MSG_STATUS_PERSISTED, RD_KAFKA_RESP_ERR_NO_ERROR,
                                         0, RD_KAFKA_OFFSET_INVALID);

  EXPECT_EQ(report.offset, -1);
}

TEST(KafkaReportTest, ARecordThatIsNotPersistedIsNotWrittenForTheErrorsReason) {
  const DeliveryReport report =
      ReportOf(RD_KAFKA_MSG_STATUS_NOT_PERSISTED, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 0, -1);

  EXPECT_EQ(report.outcome, Outcome::kNotWritten);
  EXPECT_EQ(ReasonOf(report.error), Reason::kEventTooLarge);
  EXPECT_THAT(std::string(report.error.message()), Not(HasSubstr("topic \"")));
}

TEST(KafkaReportTest, ARecordThatMayBePersistedIsUnknownWhateverTheErrorSays) {
  for (const rd_kafka_resp_err_t error :
       {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
        RD_KAFKA_RESP_ERR__FATAL, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART}) {
    const DeliveryReport report =
        ReportOf(RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED, error, 0, RD_KAFKA_OFFSET_INVALID);

    EXPECT_EQ(report.outcome, Outcome::kUnknown) << rd_kafka_err2name(error);
    EXPECT_EQ(ReasonOf(report.error), Reason::kDeliveryTimeout);
  }
}

}  // namespace
}  // namespace sidebus
