#include <gmock/gmock.h>

#include "server/base/error.h"
#include "server/broker/embedded/embedded_broker.h"
#include "tests/broker_contract/contract.h"

namespace sidebus::contract {
namespace {

class EmbeddedFixture final : public BrokerFixture {
 public:
  EmbeddedFixture() {
    auto made = EmbeddedBroker::Make({});
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    broker_ = *std::move(made);
  }

  Broker& broker() override { return *broker_; }
  void CreateTopic(const std::string& topic, int partitions) override {
    EXPECT_TRUE(broker_->CreateTopic(topic, partitions).ok());
  }
  bool AddPartitions(const std::string&, int) override { return false; }
  bool MakeAnew(const std::string&, int) override { return false; }
  bool finds_offsets_by_time() const override { return false; }
  bool describes_members() const override { return false; }
  bool moves_groups_that_had_members() const override { return false; }
  bool commits_while_rebalancing() const override { return false; }

 private:
  std::unique_ptr<EmbeddedBroker> broker_;
};

// The mock cluster keeps 5 MiB per partition.
class EmbeddedContract : public BrokerContract {};

TEST_P(EmbeddedContract, APositionThatRetentionOvertookGoesToTheLogStartAndIsCounted) {
  const std::string topic = NewTopic(1);
  const std::vector<std::string> values(20, std::string(500'000, 'x'));
  for (const std::string& value : values) PublishValues(topic, {value});
  Receiver receiver;
  StartPosition start;
  start.at = StartPosition::At::kPositions;
  start.positions = {{topic, 0, 1}};

  auto consumer = Consume("", {topic}, receiver, start);

  ASSERT_TRUE(receiver.WaitForRecords(1));
  EXPECT_GT(receiver.received()[0].record.offset, 1);
  PublishValues(topic, {"last"});
  ASSERT_TRUE(receiver.WaitUntil([](const Receiver& r) { return r.count() >= 2; }));
  EXPECT_EQ(consumer->stats().lost_to_retention.at(topic), 1u);
  const std::int64_t went_on_at = receiver.received()[0].record.offset;
  EXPECT_EQ(consumer->assignments()[0].lost,
            (RetentionLoss{static_cast<std::uint64_t>(went_on_at - 1), went_on_at}));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), testing::IsEmpty());
}

TEST_P(EmbeddedContract, AGroupThatRetentionOvertakesGoesOnAtTheLogStartAndKeepsWhatItHolds) {
  const std::string topic = NewTopic(1);
  const std::string value(500'000, 'x');
  PublishValues(topic, {value});
  Receiver receiver;
  const std::string other = NewTopic(1);
  PublishValues(other, {"held"});
  auto consumer = Consume(UnusedName("group"), {topic, other}, receiver, {}, 128 << 10);
  ASSERT_TRUE(receiver.WaitForRecords(2));
  receiver.SetRoom({0, 0});
  PublishValues(other, {"not read yet"});
  for (int i = 0; i < 30; ++i) PublishValues(topic, {value});

  receiver.SetRoom({10, 100'000'000});
  consumer->RoomReturned(receiver.assigned()[0]);

  PublishValues(topic, {"the end"});
  PublishValues(other, {"the end"});
  ASSERT_TRUE(receiver.WaitUntil([](const Receiver& r) { return r.Count("the end") == 2; }));
  EXPECT_THAT(receiver.values(), testing::Contains("not read yet"));
  EXPECT_LT(receiver.values().size(), 33u);
  EXPECT_GE(consumer->stats().lost_to_retention.at(topic), 1u);
  for (const auto& received : receiver.received()) {
    EXPECT_TRUE(consumer->Ack(received.record.tag)) << received.record.offset;
  }
  EXPECT_TRUE(CommitAll(*consumer).ok());
  EXPECT_EQ(consumer->stats().topics.at(topic).lag_events, 0u);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  EXPECT_THAT(receiver.breaches(), testing::IsEmpty());
}

TEST_P(EmbeddedContract, ASubscriptionWhosePartitionsDoNotFitIntoItsMemoryIsRefused) {
  const std::string topic = NewTopic(5);
  Receiver receiver;

  auto consumer = Consume(UnusedName("group"), {topic}, receiver, {}, 256 << 10);

  ASSERT_TRUE(receiver.WaitUntil([](const Receiver& r) { return !r.failure().ok(); }));
  EXPECT_EQ(ReasonOf(receiver.failure()), Reason::kMemoryBudget);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

INSTANTIATE_TEST_SUITE_P(Embedded, EmbeddedContract,
                         testing::Values(Backend{
                             "Embedded", [] { return std::make_unique<EmbeddedFixture>(); }, ""}),
                         NameOfBackend);
INSTANTIATE_BROKER_CONTRACT(Embedded, [] { return std::make_unique<EmbeddedFixture>(); });

}  // namespace
}  // namespace sidebus::contract
