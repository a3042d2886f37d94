// What the memory broker has beyond the contract of all brokers: steps, faults, manual time.

#include "server/broker/memory/memory_broker.h"

#include <gmock/gmock.h>

#include "server/base/error.h"
#include "tests/support/manual_time.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;
using testing::SizeIs;

class Handler final : public ConsumerHandler {
 public:
  void OnAssigned(AssignmentId id, const std::string&, std::int32_t partition) override {
    assigned[id] = partition;
  }
  Room RoomFor(AssignmentId) override { return room; }
  void OnRecords(AssignmentId, std::vector<ConsumedRecord> batch) override {
    for (ConsumedRecord& one : batch) records.push_back(std::move(one));
  }
  void OnRevoked(AssignmentId id, bool lost) override {
    assigned.erase(id);
    revoked.push_back(lost);
  }
  void OnFailed(const absl::Status& why) override { failed = why; }

  std::vector<std::int64_t> Offsets() const {
    std::vector<std::int64_t> offsets;
    for (const ConsumedRecord& one : records) offsets.push_back(one.offset);
    return offsets;
  }

  Room room{100, 1 << 20};
  std::map<AssignmentId, std::int32_t> assigned;
  std::vector<ConsumedRecord> records;
  std::vector<bool> revoked;
  absl::Status failed;
};

class Sent final : public PendingRecord {
 public:
  void OnReport(const DeliveryReport& report) override { reports.push_back(report); }
  std::vector<DeliveryReport> reports;
};

class Listener final : public ProducerListener {
 public:
  void OnReadinessChanged() override { ++changes; }
  int changes = 0;
};

class MemoryBrokerTest : public testing::Test {
 protected:
  MemoryBrokerTest() { broker_.CreateTopic("t", 2); }

  std::unique_ptr<Consumer> Consume(Handler& handler, const std::string& group = "g") {
    auto made = broker_.MakeConsumer(
        {.group = group, .topics = {"t"}, .start = {}, .member = "", .buffer_bytes = 0}, handler);
    return *std::move(made);
  }
  std::unique_ptr<Producer> Produce() { return *broker_.MakeProducer(listener_); }
  static Record ValueOf(const std::string& value) {
    return Record{.key = std::nullopt, .value = value, .headers = {}};
  }

  ManualTime time_;
  MemoryBroker broker_{time_};
  Listener listener_;
};

TEST_F(MemoryBrokerTest, NothingHappensWithoutAStep) {
  broker_.Append("t", 0, ValueOf("a"));
  Handler handler;
  const auto consumer = Consume(handler);

  EXPECT_THAT(handler.assigned, IsEmpty());
  EXPECT_GT(broker_.RunUntilIdle(), 0u);

  EXPECT_THAT(handler.assigned, SizeIs(2));
  EXPECT_THAT(handler.Offsets(), ElementsAre(0));
  EXPECT_FALSE(broker_.Step());
}

TEST_F(MemoryBrokerTest, CommitsHalfASecondAfterAnAck) {
  broker_.Append("t", 0, ValueOf("a"));
  Handler handler;
  const auto consumer = Consume(handler);
  broker_.RunUntilIdle();

  EXPECT_TRUE(consumer->Ack(handler.records[0].tag));
  broker_.RunUntilIdle();
  EXPECT_THAT(broker_.Committed("g", "t", 0), Optional(0));

  time_.Advance(milliseconds(500));
  broker_.RunUntilIdle();
  EXPECT_THAT(broker_.Committed("g", "t", 0), Optional(1));
}

TEST_F(MemoryBrokerTest, ARevokedPartitionIsCommittedAndAssignedAnew) {
  for (int i = 0; i < 3; ++i) broker_.Append("t", 0, ValueOf("a"));
  Handler handler;
  const auto consumer = Consume(handler);
  broker_.RunUntilIdle();
  const DeliveryTag old = handler.records[1].tag;
  consumer->Ack(handler.records[0].tag);

  broker_.Revoke("g", false);
  broker_.RunUntilIdle();

  EXPECT_THAT(handler.revoked, ElementsAre(false, false));
  EXPECT_THAT(handler.Offsets(), ElementsAre(0, 1, 2, 1, 2));
  EXPECT_FALSE(consumer->Ack(old));
}

TEST_F(MemoryBrokerTest, ALostPartitionIsNotCommitted) {
  broker_.Append("t", 0, ValueOf("a"));
  Handler handler;
  const auto consumer = Consume(handler);
  broker_.RunUntilIdle();
  consumer->Ack(handler.records[0].tag);

  broker_.Revoke("g", true);
  broker_.RunUntilIdle();

  EXPECT_THAT(handler.revoked, ElementsAre(true, true));
  EXPECT_THAT(handler.Offsets(), ElementsAre(0, 0));
}

TEST_F(MemoryBrokerTest, AFailedCommitSaysSoAndIsMadeUpFor) {
  broker_.Append("t", 0, ValueOf("a"));
  Handler handler;
  const auto consumer = Consume(handler);
  broker_.RunUntilIdle();
  consumer->Ack(handler.records[0].tag);
  std::vector<absl::Status> results;
  const auto keep = [&](const absl::Status& result) { results.push_back(result); };
  broker_.FailCommits(1);

  consumer->Commit(keep);
  broker_.RunUntilIdle();
  consumer->Commit(keep);
  broker_.RunUntilIdle();

  ASSERT_THAT(results, SizeIs(2));
  EXPECT_FALSE(results[0].ok());
  EXPECT_TRUE(results[1].ok());
  EXPECT_THAT(broker_.Committed("g", "t", 0), Optional(1));
}

TEST_F(MemoryBrokerTest, ACrashedConsumerCommitsNothingAndItsPartitionsMoveOn) {
  broker_.Append("t", 0, ValueOf("a"));
  Handler first;
  auto consumer = Consume(first);
  broker_.RunUntilIdle();
  consumer->Ack(first.records[0].tag);
  consumer.reset();
  Handler second;

  consumer = Consume(second);
  broker_.RunUntilIdle();

  EXPECT_THAT(second.Offsets(), ElementsAre(0));
  EXPECT_EQ(broker_.Members("g"), 1u);
}

TEST_F(MemoryBrokerTest, AFailureIsSaidOnce) {
  Handler handler;
  const auto consumer = Consume(handler);
  broker_.RunUntilIdle();

  broker_.FailConsumers("g", MakeError(Reason::kMemberFenced, "replaced"));
  broker_.RunUntilIdle();

  EXPECT_EQ(ReasonOf(handler.failed), Reason::kMemberFenced);
  EXPECT_THAT(handler.assigned, IsEmpty());
}

TEST_F(MemoryBrokerTest, WhileUnreachableNothingIsFetchedOrWritten) {
  Handler handler;
  const auto consumer = Consume(handler);
  const auto producer = Produce();
  broker_.RunUntilIdle();
  broker_.SetReachable(false);
  broker_.Append("t", 0, ValueOf("a"));
  Sent sent;
  ASSERT_TRUE(producer->Produce(producer->Topic("t"), sent).ok());

  broker_.RunUntilIdle();
  EXPECT_EQ(producer->Topic("t").readiness(), TopicReadiness::kWaiting);
  EXPECT_FALSE(producer->condition().reachable);
  EXPECT_THAT(sent.reports, IsEmpty());
  EXPECT_THAT(handler.records, IsEmpty());

  broker_.SetReachable(true);
  broker_.RunUntilIdle();
  EXPECT_THAT(sent.reports, SizeIs(1));
  EXPECT_THAT(handler.records, SizeIs(2));
}

TEST_F(MemoryBrokerTest, ProducesFailAsTold) {
  using Outcome = DeliveryReport::Outcome;
  const auto producer = Produce();
  Sent sent;
  const auto produce = [&](Outcome outcome) {
    broker_.FailProduces(outcome == Outcome::kWritten ? 0 : 1, outcome);
    ASSERT_TRUE(producer->Produce(producer->Topic("t"), sent).ok());
    broker_.RunUntilIdle();
    EXPECT_EQ(sent.reports.back().outcome, outcome);
    EXPECT_EQ(sent.reports.back().error.ok(), outcome == Outcome::kWritten);
  };
  const auto written = [&] { return broker_.Read("t", 0).size() + broker_.Read("t", 1).size(); };

  produce(Outcome::kNotWritten);
  EXPECT_EQ(written(), 0u);
  produce(Outcome::kUnknown);
  EXPECT_EQ(written(), 1u);
  produce(Outcome::kWritten);
  EXPECT_EQ(written(), 2u);
  broker_.DuplicateProduces(1);
  produce(Outcome::kWritten);
  EXPECT_EQ(written(), 4u);
}

TEST_F(MemoryBrokerTest, HeldReportsComeLaterAndAPurgeMakesThemUnknown) {
  const auto producer = Produce();
  Sent sent;
  broker_.HoldReports(true);
  ASSERT_TRUE(producer->Produce(producer->Topic("t"), sent).ok());
  broker_.RunUntilIdle();
  EXPECT_THAT(sent.reports, IsEmpty());
  EXPECT_FALSE(producer->Flush(time_.Now()));

  producer->Purge();
  broker_.RunUntilIdle();

  ASSERT_THAT(sent.reports, SizeIs(1));
  EXPECT_EQ(sent.reports[0].outcome, DeliveryReport::Outcome::kUnknown);
}

TEST_F(MemoryBrokerTest, AListenerHearsOfNewTopicsAndOfTheBroker) {
  const auto producer = Produce();
  broker_.RunUntilIdle();
  const int before = listener_.changes;

  broker_.CreateTopic("new", 1);
  broker_.RunUntilIdle();
  broker_.SetReachable(false);
  broker_.RunUntilIdle();

  EXPECT_EQ(listener_.changes, before + 2);
}

TEST_F(MemoryBrokerTest, TheSameSeedGivesTheSameSteps) {
  const auto run = [](std::uint64_t seed) {
    ManualTime time;
    MemoryBroker broker(time, seed);
    broker.CreateTopic("t", 4);
    for (int i = 0; i < 40; ++i) broker.Append("t", i % 4, ValueOf("a"));
    std::vector<Handler> handlers(3);
    std::vector<std::unique_ptr<Consumer>> consumers;
    std::vector<std::size_t> trace;
    for (Handler& handler : handlers) {
      handler.room = {1, 1};
      consumers.push_back(*broker.MakeConsumer(
          {.group = "g", .topics = {"t"}, .start = {}, .member = "", .buffer_bytes = 0}, handler));
    }
    while (broker.Step()) {
      for (const Handler& handler : handlers) trace.push_back(handler.records.size());
    }
    return trace;
  };

  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

}  // namespace
}  // namespace sidebus
