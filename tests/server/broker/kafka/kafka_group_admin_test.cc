// What is said of questions about groups that Kafka does not answer well: the mock cluster refuses them.

#include "server/broker/kafka/kafka_group_admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
// After it:
#include <librdkafka/rdkafka_mock.h>

#include <future>

#include "server/base/error.h"
#include "server/broker/embedded/embedded_broker.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

// Keys of Kafka's protocol.
constexpr std::int16_t kOffsetCommit = 8;

// Generous: a busy machine. Nothing waits for it to pass.
constexpr auto kLongPatience = seconds(30);

class KafkaGroupAdminTest : public testing::Test {
 protected:
  KafkaGroupAdminTest() {
    EmbeddedBrokerOptions options;
    options.topics = {"orders"};
    auto made = EmbeddedBroker::Make(std::move(options));
    EXPECT_TRUE(made.ok()) << made.status();
    broker_ = *std::move(made);
  }

  std::unique_ptr<KafkaGroupAdmin> Admin(Duration patience) {
    KafkaBrokerOptions options;
    options.bootstrap_servers = {broker_->bootstrap_servers()};
    options.describes_groups = false;
    options.moves_groups_that_had_members = false;
    return std::make_unique<KafkaGroupAdmin>(std::move(options), patience);
  }

  // Each attempt of the next moves.
  void RefuseMoves(rd_kafka_resp_err_t error) {
    const std::vector<rd_kafka_resp_err_t> errors(100, error);
    rd_kafka_mock_push_request_errors_array(broker_->cluster(), kOffsetCommit, errors.size(),
                                            errors.data());
  }

  static absl::Status Move(GroupAdmin& admin) {
    auto answer = std::make_shared<std::promise<absl::Status>>();
    auto moved = answer->get_future();
    admin.SetPositions("group", {{"orders", 0, 0}},
                       [answer](const absl::Status& status) { answer->set_value(status); });
    if (moved.wait_for(kLongPatience) != std::future_status::ready) {
      return absl::DeadlineExceededError("no answer");
    }
    return moved.get();
  }

  static absl::StatusOr<GroupDescription> Describe(GroupAdmin& admin) {
    auto answer = std::make_shared<std::promise<absl::StatusOr<GroupDescription>>>();
    auto found = answer->get_future();
    admin.Describe("group", {"orders"}, [answer](absl::StatusOr<GroupDescription> description) {
      answer->set_value(std::move(description));
    });
    if (found.wait_for(kLongPatience) != std::future_status::ready) {
      return absl::DeadlineExceededError("no answer");
    }
    return found.get();
  }

  std::unique_ptr<EmbeddedBroker> broker_;
};

TEST_F(KafkaGroupAdminTest, WhatAnotherTryCannotChangeIsSaidAtOnce) {
  const auto admin = Admin(std::chrono::hours(1));

  RefuseMoves(RD_KAFKA_RESP_ERR_INVALID_GROUP_ID);
  const absl::Status refused = Move(*admin);

  EXPECT_EQ(ReasonOf(refused), Reason::kStartInvalid) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("INVALID_GROUP_ID"));
  rd_kafka_mock_clear_request_errors(broker_->cluster(), kOffsetCommit);
  RefuseMoves(RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION);
  EXPECT_EQ(ReasonOf(Move(*admin)), Reason::kNotSupported);
}

TEST_F(KafkaGroupAdminTest, WhatWasTriedUntilItsTimeWasOverSaysWhatKafkaSaidLast) {
  const auto admin = Admin(seconds(1));
  RefuseMoves(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);

  const absl::Status late = Move(*admin);

  EXPECT_EQ(ReasonOf(late), Reason::kBrokerDown);
  EXPECT_THAT(std::string(late.message()), HasSubstr("NOT_ENOUGH_REPLICAS"));
  EXPECT_THAT(std::string(late.message()), HasSubstr("look where it stands"));
}

TEST_F(KafkaGroupAdminTest, AMoveThatWasGivenUpIsNotCarriedOutWhenTheBrokerIsBack) {
  const auto admin = Admin(seconds(1));
  rd_kafka_mock_broker_set_down(broker_->cluster(), 1);
  const absl::Status late = Move(*admin);
  EXPECT_EQ(ReasonOf(late), Reason::kBrokerDown);
  EXPECT_THAT(std::string(late.message()), HasSubstr("may have been moved"));

  rd_kafka_mock_broker_set_up(broker_->cluster(), 1);

  // As often as it takes a client to connect again and send what it has.
  const auto other = Admin(seconds(10));
  for (const auto until = std::chrono::steady_clock::now() + seconds(4);
       std::chrono::steady_clock::now() < until;) {
    EXPECT_EQ(ReasonOf(Describe(*other).status()), Reason::kGroupUnknown);
  }
  EXPECT_TRUE(Move(*admin).ok());
  EXPECT_TRUE(Describe(*other).ok());
}

TEST_F(KafkaGroupAdminTest, MembersStayWhereTheyAreStaticForASession) {
  EXPECT_EQ(Admin(seconds(1))->members_stay(), Duration(0));
  KafkaBrokerOptions options;
  options.static_member = "pod-1";
  EXPECT_EQ(KafkaGroupAdmin(options).members_stay(), seconds(45));
  options.session_timeout = seconds(6);
  EXPECT_EQ(KafkaGroupAdmin(options).members_stay(), seconds(6));
}

}  // namespace
}  // namespace sidebus
