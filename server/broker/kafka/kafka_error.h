#pragma once

#include <librdkafka/rdkafka.h>

#include <string_view>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/broker/producer.h"

namespace sidebus {

// The reason that the API gives for an error of librdkafka or a broker about something that was
// surely not done. Transport, time-outs and everything that passes by itself: kBrokerDown.
Reason ReasonOfKafka(rd_kafka_resp_err_t error);

// MakeError(ReasonOfKafka(error)) with a message that names what was done. Never broker addresses, so
// never librdkafka's own text of the moment; and no topic: here only full names are known, and the
// API says them without prefix.
absl::Status ErrorOfKafka(rd_kafka_resp_err_t error, std::string_view doing);

// Logs what librdkafka refuses to do, and frees it. Null: nothing.
void LogKafkaError(std::string_view what, rd_kafka_error_t* error);

// Whether the error says that a topic or partition does not exist (any more).
bool SaysTopicIsMissing(rd_kafka_resp_err_t error);

// Whether the error says that a group has members, or is being changed: only they may write its
// positions.
bool SaysGroupHasMembers(rd_kafka_resp_err_t error);

// Whether the error says that a log does not have the position it was read from.
bool SaysPositionIsGone(rd_kafka_resp_err_t error);

// What became of a record. The status alone decides the outcome: a record that is in the log is
// written, whatever `error` says, and one that a broker was given and did not answer is unknown.
DeliveryReport ReportOf(rd_kafka_msg_status_t status, rd_kafka_resp_err_t error,
                        std::int32_t partition, std::int64_t offset);

}  // namespace sidebus
