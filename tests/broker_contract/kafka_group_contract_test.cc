// Groups of Kafka: its protocols and assignors, static members.

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <optional>
#include <thread>

#include "server/base/error.h"
#include "tests/broker_contract/asking.h"
#include "tests/broker_contract/kafka_fixture.h"

namespace sidebus::contract {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::UnorderedElementsAreArray;

class KafkaGroupContract : public BrokerContract {
 protected:
  const KafkaFixture& kafka() const { return static_cast<const KafkaFixture&>(*fixture_); }

  // A broker of its own for one member. It lives as long as the test.
  std::unique_ptr<Consumer> ConsumeAs(KafkaBrokerOptions options, const std::string& group,
                                      const std::string& topic, Receiver& receiver) {
    brokers_.push_back(std::make_unique<KafkaBroker>(std::move(options)));
    ConsumerOptions wanted;
    wanted.group = group;
    wanted.topics = {topic};
    wanted.buffer_bytes = 8 << 20;
    auto made = brokers_.back()->MakeConsumer(wanted, receiver);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    return *std::move(made);
  }

  KafkaBrokerOptions OptionsOf(const std::string& static_member) const {
    KafkaBrokerOptions options = KafkaOptionsFor(kafka().servers(), kafka().membership());
    options.static_member = static_member;
    return options;
  }

  // Some to each of many keys, so that every partition gets some.
  void PublishToAll(const std::string& topic, int from, int to) {
    for (int key = 0; key < 20; ++key) {
      PublishValues(topic,
                    Numbers(from + key * (to - from) / 20, from + (key + 1) * (to - from) / 20),
                    std::to_string(key));
    }
  }

  std::vector<std::unique_ptr<KafkaBroker>> brokers_;
};

// Offsets of what was received under one assignment.
std::vector<std::int64_t> OffsetsOf(Receiver& receiver, AssignmentId assignment) {
  std::vector<std::int64_t> offsets;
  for (const auto& one : receiver.received()) {
    if (one.record.tag.assignment == assignment) offsets.push_back(one.record.offset);
  }
  return offsets;
}

TEST_P(KafkaGroupContract, APartitionThatStaysIsReadOnWithoutAGapAndWithoutADouble) {
  if (!kafka().membership().keeps_partitions()) GTEST_SKIP() << "a rebalance takes all of them";
  const std::string topic = NewTopic(4);
  const std::string group = UnusedName("group");
  PublishToAll(topic, 0, 4000);
  Receiver first;
  first.SetRoom({10, 1'000'000});  // so that more is fetched ahead than was handed out
  auto one = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(200));
  const auto before = first.assigned();
  Receiver second;

  auto two = Consume(group, {topic}, second);
  ASSERT_TRUE(second.WaitForAssigned(2));
  PublishToAll(topic, 4000, 5000);
  ASSERT_TRUE(first.WaitForAssigned(2));

  const auto kept = first.assigned();
  EXPECT_THAT(before, IsSupersetOf(kept)) << "the same assignments as before";
  const auto all = [&] {
    std::set<std::string> values;
    for (const std::string& value : first.values()) values.insert(value);
    for (const std::string& value : second.values()) values.insert(value);
    return values.size();
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (all() < 5000 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(all(), 5000u);
  for (const AssignmentId assignment : kept) {
    const std::vector<std::int64_t> offsets = OffsetsOf(first, assignment);
    ASSERT_FALSE(offsets.empty());
    EXPECT_EQ(offsets.front(), 0);
    EXPECT_EQ(offsets.back() + 1, static_cast<std::int64_t>(offsets.size())) << "a gap or a double";
  }
  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
  EXPECT_THAT(first.breaches(), IsEmpty());
  EXPECT_THAT(second.breaches(), IsEmpty());
}

TEST_P(KafkaGroupContract, AMemberWithoutPartitionsTakesOverWhenAnotherLeaves) {
  const std::string topic = NewTopic(2);
  const std::string group = UnusedName("group");
  std::array<Receiver, 3> receivers;
  std::vector<std::unique_ptr<Consumer>> members;
  members.push_back(Consume(group, {topic}, receivers[0]));
  ASSERT_TRUE(receivers[0].WaitForAssigned(2));
  members.push_back(Consume(group, {topic}, receivers[1]));
  ASSERT_TRUE(receivers[1].WaitForAssigned(1));
  members.push_back(Consume(group, {topic}, receivers[2]));
  const auto shares = [&] {
    std::vector<std::size_t> counts;
    for (Receiver& receiver : receivers) counts.push_back(receiver.assigned().size());
    return counts;
  };
  const auto idle = [&] {
    const auto counts = shares();
    return static_cast<std::size_t>(std::find(counts.begin(), counts.end(), 0u) - counts.begin());
  };
  // Until the third has been given nothing, or what was another's.
  const auto settled = [&] {
    const auto counts = shares();
    return counts[0] + counts[1] + counts[2] == 2 && idle() < 3;
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while ((!settled() || members[2]->stats().last_error != "") &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  ASSERT_TRUE(settled());
  const std::size_t last = idle();

  const std::size_t leaves = last == 0 ? 1 : 0;
  EXPECT_TRUE(CloseAndWait(std::move(members[leaves])).ok());

  EXPECT_TRUE(receivers[last].WaitForAssigned(1));
  for (auto& member : members) {
    if (member != nullptr) {
      EXPECT_TRUE(CloseAndWait(std::move(member)).ok());
    }
  }
}

// Two members of a group on one partition, with sessions that nothing here waits for the end of.
class KafkaIdleMember : public KafkaGroupContract {
 protected:
  void SetUp() override {
    KafkaGroupContract::SetUp();
    if (IsSkipped()) return;
    topic_ = NewTopic(1);
    group_ = UnusedName("group");
    options_ = OptionsOf("");
    options_.session_timeout = kPatience + std::chrono::seconds(5);
    asking_.emplace(broker());
    busy_ = ConsumeAs(options_, group_, topic_, busy_receiver_);
    ASSERT_TRUE(busy_receiver_.WaitForAssigned(1));
    idle_ = ConsumeAs(options_, group_, topic_, idle_receiver_);
    ASSERT_TRUE(asking_->WaitForMembers(group_, topic_, 2));
  }

  void TearDown() override {
    if (busy_ != nullptr) {
      EXPECT_TRUE(CloseAndWait(std::move(busy_)).ok());
    }
    asking_.reset();
    KafkaGroupContract::TearDown();
  }

  // Until both know what they are given. With range either may be the one that is given nothing.
  bool WaitUntilBothHaveJoined() {
    // The coordinator of the consumer protocol does not say "nothing".
    if (kafka().membership().protocol == GroupProtocol::kConsumer) return true;
    const auto joined = [this] {
      return !idle_->member_id().empty() &&
             busy_receiver_.assigned().size() + idle_receiver_.assigned().size() == 1;
    };
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!joined() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    if (!idle_receiver_.assigned().empty()) std::swap(idle_, busy_);
    return joined();
  }

  std::string topic_;
  std::string group_;
  KafkaBrokerOptions options_;
  std::optional<Asking> asking_;
  Receiver busy_receiver_;
  Receiver idle_receiver_;
  std::unique_ptr<Consumer> busy_;
  std::unique_ptr<Consumer> idle_;
};

TEST_P(KafkaIdleMember, LeavesItsGroupWhenItIsClosed) {
  ASSERT_TRUE(WaitUntilBothHaveJoined());

  EXPECT_TRUE(CloseAndWait(std::move(idle_)).ok());

  EXPECT_TRUE(asking_->WaitForMembers(group_, topic_, 1));
}

TEST_P(KafkaIdleMember, LeavesItsGroupWhenItIsClosedBeforeItWasGivenAnything) {
  EXPECT_TRUE(CloseAndWait(std::move(idle_)).ok());

  EXPECT_TRUE(asking_->WaitForMembers(group_, topic_, 1));
}

TEST_P(KafkaGroupContract, MembersWithDifferentAssignorsAreToldSo) {
  if (kafka().membership().protocol != GroupProtocol::kClassic) {
    GTEST_SKIP() << "the coordinator assigns";
  }
  const std::string topic = NewTopic(2);
  const std::string group = UnusedName("group");
  Receiver first;
  auto one = Consume(group, {topic}, first);
  ASSERT_TRUE(first.WaitForAssigned(2));
  KafkaBrokerOptions other = OptionsOf("");
  other.assignor =
      other.assignor == Assignor::kRange ? Assignor::kCooperativeSticky : Assignor::kRange;
  Receiver second;

  auto two = ConsumeAs(other, group, topic, second);

  ASSERT_TRUE(second.WaitUntil([](const Receiver& r) { return !r.failure().ok(); }));
  EXPECT_EQ(ReasonOf(second.failure()), Reason::kGroupProtocol);
  EXPECT_EQ(second.failure().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.failure().message()), HasSubstr("subscribe.assignor"));
  EXPECT_EQ(first.assigned().size(), 2u);
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());
}

TEST_P(KafkaGroupContract, AStaticMemberThatRestartsKeepsItsPartitionsAndMovesNoOthers) {
  const std::string topic = NewTopic(2);
  const std::string group = UnusedName("group");
  Receiver first;
  auto one = ConsumeAs(OptionsOf("pod-1"), group, topic, first);
  ASSERT_TRUE(first.WaitForAssigned(2));
  Receiver second;
  auto two = ConsumeAs(OptionsOf("pod-2"), group, topic, second);
  ASSERT_TRUE(second.WaitForAssigned(1));
  ASSERT_TRUE(first.WaitForAssigned(1));
  const std::vector<AssignmentId> others = second.assigned();
  const std::uint64_t rebalances = two->stats().assigned;

  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());
  Receiver third;
  auto again = ConsumeAs(OptionsOf("pod-1"), group, topic, third);

  ASSERT_TRUE(third.WaitForAssigned(1));
  PublishToAll(topic, 0, 100);
  ASSERT_TRUE(third.WaitUntil([](const Receiver& r) { return r.count() > 0; }));
  EXPECT_EQ(second.assigned(), others);
  EXPECT_EQ(two->stats().assigned, rebalances);
  EXPECT_EQ(two->stats().revoked + two->stats().lost, 0u);
  EXPECT_TRUE(CloseAndWait(std::move(again)).ok());
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
}

TEST_P(KafkaGroupContract, ASecondMemberOfAStaticNameTakesThePlaceOfTheFirstOrWaitsForIt) {
  const std::string topic = NewTopic(2);
  const std::string group = UnusedName("group");
  Receiver first;
  auto one = ConsumeAs(OptionsOf("pod-1"), group, topic, first);
  ASSERT_TRUE(first.WaitForAssigned(2));
  Receiver second;

  auto two = ConsumeAs(OptionsOf("pod-1"), group, topic, second);

  if (kafka().membership().protocol == GroupProtocol::kConsumer) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (two->stats().last_error.empty() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    EXPECT_THAT(two->stats().last_error, HasSubstr("UNRELEASED_INSTANCE_ID"));
    EXPECT_EQ(first.assigned().size(), 2u);
    EXPECT_TRUE(CloseAndWait(std::move(one)).ok());
    EXPECT_TRUE(second.WaitForAssigned(2));
    EXPECT_EQ(two->stats().last_error, "");
    EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
    return;
  }
  ASSERT_TRUE(second.WaitForAssigned(2));
  ASSERT_TRUE(first.WaitUntil([](const Receiver& r) { return !r.failure().ok(); }));
  EXPECT_EQ(ReasonOf(first.failure()), Reason::kMemberFenced);
  EXPECT_EQ(first.failure().code(), absl::StatusCode::kAborted);
  (void)CloseAndWait(std::move(one));
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
}

const auto kGroupBackends =
    testing::Values(KafkaAt("Range", kKafka), KafkaAt("Sticky", kKafka, kStickyMembers),
                    KafkaAt("Consumer", kKafka, kConsumerMembers), KafkaAt("Range39", kKafka39),
                    KafkaAt("Sticky39", kKafka39, kStickyMembers));

INSTANTIATE_TEST_SUITE_P(Kafka, KafkaGroupContract, kGroupBackends, NameOfBackend);
INSTANTIATE_TEST_SUITE_P(Kafka, KafkaIdleMember, kGroupBackends, NameOfBackend);

// `auto` and `consumer` on brokers that have the consumer protocol, and on those that have not.
class KafkaProtocolContract : public KafkaGroupContract {
 protected:
  bool broker_is_old() const {
    const char* const old = std::getenv(kKafka39);
    return old != nullptr && kafka().servers() == old;
  }
};

TEST_P(KafkaProtocolContract, AutoReadsAGroupAlsoWhereTheConsumerProtocolIsMissing) {
  const std::string topic = NewTopic(2);
  PublishValues(topic, Numbers(0, 100));
  Receiver first;
  auto one = Consume(UnusedName("group"), {topic}, first);
  ASSERT_TRUE(first.WaitForRecords(100));
  Receiver second;

  auto two = Consume(UnusedName("group"), {topic}, second);

  ASSERT_TRUE(second.WaitForRecords(100));
  EXPECT_THAT(second.values(), UnorderedElementsAreArray(Numbers(0, 100)));
  EXPECT_EQ(one->stats().last_error, "");
  EXPECT_EQ(two->stats().lost, 0u);
  EXPECT_TRUE(CloseAndWait(std::move(one)).ok());
  EXPECT_TRUE(CloseAndWait(std::move(two)).ok());
}

TEST_P(KafkaProtocolContract, TheConsumerProtocolIsRefusedWhereItIsMissing) {
  if (!broker_is_old()) GTEST_SKIP() << "it is there";
  const std::string topic = NewTopic(1);
  KafkaBrokerOptions options = OptionsOf("");
  options.group_protocol = GroupProtocol::kConsumer;
  Receiver receiver;

  auto consumer = ConsumeAs(options, UnusedName("group"), topic, receiver);

  ASSERT_TRUE(receiver.WaitUntil([](const Receiver& r) { return !r.failure().ok(); }));
  EXPECT_EQ(ReasonOf(receiver.failure()), Reason::kGroupProtocol);
  EXPECT_THAT(std::string(receiver.failure().message()), HasSubstr("subscribe.group_protocol"));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

INSTANTIATE_TEST_SUITE_P(Kafka, KafkaProtocolContract,
                         testing::Values(KafkaAt("Auto", kKafka, kAutoMembers),
                                         KafkaAt("Auto39", kKafka39, kAutoMembers)),
                         NameOfBackend);

}  // namespace
}  // namespace sidebus::contract

// A client that never became a member is destroyed by librdkafka 2.15.1 but for one of its own queues
// and the one that forwards to it; both are forgotten with it, once per process.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:rd_kafka_q_new0\n"; }
