#include "tests/simulation/group_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/manual_time.h"

namespace sidebus::simulation {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

// Takes everything, and keeps it.
class Everything final : public ConsumerHandler {
 public:
  void OnAssigned(AssignmentId, const std::string&, std::int32_t) override {}
  Room RoomFor(AssignmentId) override { return {100, 1 << 20}; }
  void OnRecords(AssignmentId, std::vector<ConsumedRecord> records) override {
    for (const ConsumedRecord& record : records) tags.push_back(record.tag);
  }
  void OnRevoked(AssignmentId, bool) override {}
  void OnFailed(const absl::Status&) override {}

  std::vector<DeliveryTag> tags;
};

// A group with one member and one partition with three records, the first two of one key. The test
// says what is delivered and settled, and sees whether the checker minds.
class GroupCheckerTest : public testing::Test {
 protected:
  GroupCheckerTest() {
    broker_.CreateTopic("t-orders", 1);
    for (const char* key : {"A", "A", "B"}) {
      broker_.Append("t-orders", 0, {});
      checker_.Published("orders", 0, key, GroupChecker::Fate::kDelivered);
    }
    consumer_ = *broker_.MakeConsumer(
        {.group = "g", .topics = {"t-orders"}, .start = {}, .member = "m"}, handler_);
    broker_.RunUntilIdle();
  }

  Ticket Deliver(std::int64_t offset, std::uint32_t attempt = 1, std::uint64_t stream = 1) {
    Delivery delivery;
    delivery.attempt = attempt;
    delivery.topic = std::make_shared<const std::string>("orders");
    delivery.partition = 0;
    delivery.offset = offset;
    Holder holder{.member = "m", .id = stream, .lease = seconds(60), .max_attempts = 5};
    return checker_.Delivered(holder, delivery, time_.Now());
  }

  // The gateway's part of a settle.
  void Commit(std::int64_t offset) {
    consumer_->Ack(handler_.tags.at(static_cast<std::size_t>(offset)));
    time_.Advance(seconds(1));
    broker_.RunUntilIdle();
    checker_.CheckPositions(time_.Now());
  }

  ManualTime time_;
  MemoryBroker broker_{time_};
  Report report_;
  GroupChecker checker_{{.group = "g", .prefix = "t-", .max_interruptions = 10}, broker_, report_};
  Everything handler_;
  std::unique_ptr<Consumer> consumer_;
};

TEST_F(GroupCheckerTest, HasNothingToSayOfWhatIsRight) {
  const Ticket first = Deliver(0);
  const Ticket other = Deliver(2);
  checker_.Returned(other, true);
  checker_.Settled(first);
  Commit(0);
  const Ticket second = Deliver(1);
  checker_.Settled(Deliver(2, 2));
  Commit(2);
  EXPECT_FALSE(checker_.complete());
  checker_.Settled(second);
  Commit(1);

  EXPECT_TRUE(checker_.complete());
  EXPECT_THAT(report_.violation(), IsEmpty());
}

TEST_F(GroupCheckerTest, FindsAPositionThatPassesARecordNobodySettled) {
  Deliver(0);
  Commit(0);

  EXPECT_THAT(report_.violation(), HasSubstr("orders/0@0 is committed as settled"));
}

TEST_F(GroupCheckerTest, FindsASparseAckOfARecordNobodySettled) {
  Deliver(2);
  Commit(2);

  EXPECT_THAT(report_.violation(), HasSubstr("orders/0@2 is committed as settled"));
}

TEST_F(GroupCheckerTest, FindsARejectedRecordThatIsPassed) {
  checker_.Rejected(Deliver(0));
  Commit(0);

  EXPECT_THAT(report_.violation(), HasSubstr("orders/0@0 is committed as settled"));
}

TEST_F(GroupCheckerTest, FindsADeliveryWithoutAReason) {
  Deliver(0);
  Deliver(0, 1, 2);

  EXPECT_THAT(report_.violation(), HasSubstr("came again while it was held"));
}

TEST_F(GroupCheckerTest, FindsThatASettledRecordComesAgain) {
  checker_.Settled(Deliver(0));
  Deliver(0);

  EXPECT_THAT(report_.violation(), HasSubstr("was settled, and came again"));
}

TEST_F(GroupCheckerTest, FindsAnAttemptThatIsNotCounted) {
  checker_.Returned(Deliver(0), true);
  Deliver(0, 1);

  EXPECT_THAT(report_.violation(), HasSubstr("came as attempt 1 after attempt 1"));
}

TEST_F(GroupCheckerTest, FindsARecordThatOvertakes) {
  Deliver(1);

  EXPECT_THAT(report_.violation(), HasSubstr("orders/0@1 is out together with, or overtook, 0"));
}

TEST_F(GroupCheckerTest, FindsTwoSettlesOfOneRecord) {
  const Ticket first = Deliver(0);
  checker_.Gone(1);
  const Ticket second = Deliver(0, 1, 2);
  checker_.Settled(first);
  checker_.Settled(second);

  EXPECT_THAT(report_.violation(), HasSubstr("was settled twice"));
}

TEST_F(GroupCheckerTest, ASettleFromALostPartitionDoesNotCount) {
  const Ticket before = Deliver(0);
  broker_.Revoke("g", true);
  broker_.RunUntilIdle();
  checker_.Settled(before);
  Deliver(0);

  EXPECT_THAT(report_.violation(), IsEmpty());
  Deliver(1);
  EXPECT_THAT(report_.violation(), HasSubstr("overtook, 0"));
}

TEST_F(GroupCheckerTest, FindsAnEndThatIsNotTrue) {
  const Ticket settled = Deliver(0);
  checker_.Settled(settled);
  checker_.EndedWell({settled}, time_.Now());

  EXPECT_THAT(report_.violation(), HasSubstr("not committed: orders/0@0"));
}

}  // namespace
}  // namespace sidebus::simulation
