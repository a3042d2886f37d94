#include "server/broker/kafka/connection_text.h"

#include <gtest/gtest.h>

namespace sidebus {
namespace {

ConnectProblem ProblemOf(rd_kafka_resp_err_t error, std::string_view text = "") {
  return ConnectProblemOf(error, text);
}

TEST(ConnectionTextTest, TellsHowFarAConnectionCame) {
  EXPECT_EQ(ProblemOf(RD_KAFKA_RESP_ERR__RESOLVE), ConnectProblem::kUnreachable);
  EXPECT_EQ(ProblemOf(RD_KAFKA_RESP_ERR__TRANSPORT,
                      "b:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused"),
            ConnectProblem::kUnreachable);
  EXPECT_EQ(ProblemOf(RD_KAFKA_RESP_ERR__TRANSPORT,
                      "b:9092/bootstrap: Disconnected while requesting ApiVersion: might be caused "
                      "by incorrect security.protocol configuration"),
            ConnectProblem::kListener);
  EXPECT_EQ(ProblemOf(RD_KAFKA_RESP_ERR__SSL,
                      "ssl://b:9093/1: SSL handshake failed: error:0A000086:SSL routines::"
                      "certificate verify failed: broker certificate could not be verified"),
            ConnectProblem::kTls);
  EXPECT_EQ(ProblemOf(RD_KAFKA_RESP_ERR__SSL,
                      "ssl://b:9092/1: SSL handshake failed: error:0A00010B:SSL routines::wrong "
                      "version number: connecting to a PLAINTEXT broker listener?"),
            ConnectProblem::kListener);
  EXPECT_EQ(
      ProblemOf(RD_KAFKA_RESP_ERR__TRANSPORT,
                "ssl://b:9092/1: SSL handshake failed: Disconnected: SSL connection closed by "
                "peer: connecting to a PLAINTEXT broker listener?"),
      ConnectProblem::kListener);
  EXPECT_EQ(ProblemOf(RD_KAFKA_RESP_ERR__AUTHENTICATION, "SASL authentication error: no"),
            ConnectProblem::kLogin);
  EXPECT_EQ(ProblemOf(RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED), ConnectProblem::kNone);
}

TEST(ConnectionTextTest, ABrokerThatHangsUpAtTheFirstRequestWantsALogin) {
  EXPECT_TRUE(SaysOtherListener(
      "b:9092/bootstrap: Disconnected: connection closed by peer: receive 0 after "
      "POLLIN (after 55ms in state UP)"));
  EXPECT_FALSE(
      SaysOtherListener("b:9092/bootstrap: Decommissioning this broker (after 4ms in state "
                        "APIVERSION_QUERY)"));
}

TEST(ConnectionTextTest, LeavesOutWhatLibrdkafkaSaysOfItself) {
  EXPECT_EQ(
      ConnectDetailOf("sasl_plaintext://127.0.0.1:1/bootstrap: SASL authentication error: no: "
                      "really (after 3ms in state AUTH_REQ)"),
      "SASL authentication error: no: really");
  EXPECT_EQ(ConnectDetailOf("127.0.0.1:1/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused "
                            "(after 0ms in state CONNECT)"),
            "Connect to ipv4#127.0.0.1:1 failed: Connection refused");
  EXPECT_EQ(ConnectDetailOf("no broker at all"), "no broker at all");
  EXPECT_EQ(ConnectDetailOf(""), "");
}

TEST(ConnectionTextTest, ReadsWhatABrokerCanDo) {
  const auto line =
      ReadApiLine("[thrd:b:9092/1]: b:9092/1:   ApiKey Unknown-88? (88) Versions 1..13");

  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->broker, "[thrd:b:9092/1]: b:9092/1:   ");
  EXPECT_EQ(line->request, 88);
  EXPECT_EQ(line->highest, 13);
  for (const char* other : {"", "b: Broker API support:", "ApiKey ", "ApiKey A (b) Versions 1..2",
                            "ApiKey A (1) Versions 1..", "ApiKey A (1"}) {
    EXPECT_FALSE(ReadApiLine(other).has_value()) << other;
  }
}

}  // namespace
}  // namespace sidebus
