#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "server/base/mutex.h"
#include "server/broker/broker.h"

// What every broker backend promises (server/broker/{producer,consumer,broker}.h), as tests. A
// backend takes part by a source file with a BrokerFixture and INSTANTIATE_BROKER_CONTRACT.
namespace sidebus::contract {

// Generous: a real Kafka on a busy machine. Nothing waits for it to pass.
inline constexpr auto kPatience = std::chrono::seconds(20);

// One backend, started once per test.
class BrokerFixture {
 public:
  virtual ~BrokerFixture() = default;
  virtual Broker& broker() = 0;
  virtual void CreateTopic(const std::string& topic, int partitions) = 0;
  // Makes the topic have `partitions`. False: the backend cannot.
  virtual bool AddPartitions(const std::string& topic, int partitions) = 0;
  // Deletes the topic and makes it anew. False: the backend cannot, or does not tell them apart.
  virtual bool MakeAnew(const std::string& topic, int partitions) = 0;
  virtual bool finds_offsets_by_time() const = 0;
  // Whether the broker tells who is in a group.
  virtual bool describes_members() const { return true; }
  // Whether a group that had members can be moved when it has none any more.
  virtual bool moves_groups_that_had_members() const { return true; }
  // Whether what was acked can be committed when a rebalance has begun.
  virtual bool commits_while_rebalancing() const { return true; }
};

using MakeFixture = std::function<std::unique_ptr<BrokerFixture>()>;

struct Backend {
  std::string name;
  MakeFixture make;   // null: it is not there, the test is skipped
  std::string needs;  // says then what is missing

  friend void PrintTo(const Backend& backend, std::ostream* out) { *out << backend.name; }
};

// A record on its way, and what became of it. Keeps itself alive until the report.
class Sent final : public PendingRecord {
 public:
  explicit Sent(Record r) { record = std::move(r); }
  void OnReport(const DeliveryReport& report) override;

  // Waits for the report.
  DeliveryReport Report();
  int reports() const { return reports_; }

 private:
  Mutex mu_;
  CondVar changed_;
  std::atomic<int> reports_{0};
  DeliveryReport report_ ABSL_GUARDED_BY(mu_);
};

class Listener final : public ProducerListener {
 public:
  void OnReadinessChanged() override;

  // Waits until the topic's readiness is `wanted`; asks again at each change, and now and then.
  testing::AssertionResult WaitFor(ProducerTopic& topic, TopicReadiness wanted);

 private:
  Mutex mu_;
  CondVar changed_;
};

// Takes what a consumer has. Thread safe.
class Receiver final : public ConsumerHandler {
 public:
  struct Received {
    std::string topic;
    std::int32_t partition = -1;
    ConsumedRecord record;
  };

  // What RoomFor answers from now on.
  void SetRoom(Room room);

  // No room for this one partition from now on; {}: for all again.
  void Fill(AssignmentId assignment);

  void OnTopicsSeen(const TopicsSeen& topics) override;
  void OnAssigned(AssignmentId assignment, const std::string& topic,
                  std::int32_t partition) override;
  Room RoomFor(AssignmentId assignment) override;
  void OnRecords(AssignmentId assignment, std::vector<ConsumedRecord> records) override;
  void OnRevoked(AssignmentId assignment, bool lost) override;
  void OnFailed(const absl::Status& why) override;

  // True when the condition became true in time; it runs with the lock held.
  using Condition = std::function<bool(const Receiver&)>;
  [[nodiscard]] bool WaitUntil(const Condition& condition);

  // Waits for `count` records in all.
  testing::AssertionResult WaitForRecords(std::size_t count);
  testing::AssertionResult WaitForAssigned(std::size_t partitions);

  // Values in the order of arrival.
  std::vector<std::string> values();
  std::vector<Received> received();
  std::vector<AssignmentId> assigned();
  std::size_t largest_batch();

  // For conditions only.
  std::size_t count() const { return received_.size(); }
  std::size_t Count(const std::string& value) const;
  std::set<std::string> Distinct() const;  // values
  const std::map<AssignmentId, std::pair<std::string, std::int32_t>>& held() const { return held_; }
  const absl::Status& failure() const { return failure_; }
  const TopicsSeen& seen() const { return seen_; }

  // What a backend must never do; empty is good.
  std::vector<std::string> breaches();

 private:
  Mutex mu_;
  CondVar changed_;
  Room room_{1'000'000, 1'000'000'000};
  AssignmentId full_;
  std::map<AssignmentId, std::pair<std::string, std::int32_t>> held_;
  std::map<AssignmentId, std::int64_t> last_offset_;
  std::vector<Received> received_;
  std::size_t largest_batch_ = 0;
  absl::Status failure_;
  TopicsSeen seen_;
  std::vector<std::string> breaches_;
};

class BrokerContract : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;
  void TearDown() override;

  Broker& broker() { return fixture_->broker(); }
  std::string NewTopic(int partitions = 2);
  std::string UnusedName(const std::string& what);

  Producer& producer();
  // The next one knows nothing of earlier topics.
  void EndProducer() { producer_.reset(); }
  Listener& listener() { return listener_; }

  // Publishes and waits until it is written.
  DeliveryReport Publish(const std::string& topic, Record record);
  void PublishValues(const std::string& topic, const std::vector<std::string>& values,
                     const std::optional<std::string>& key = std::nullopt);

  std::unique_ptr<Consumer> Consume(const std::string& group, std::vector<std::string> topics,
                                    Receiver& receiver, StartPosition start = {},
                                    std::uint64_t buffer_bytes = 8 << 20);

  // A new group without members that stands at 2 on the topic's one partition, which gets three
  // records.
  std::string StandAtTwo(const std::string& topic);

  std::unique_ptr<BrokerFixture> fixture_;

 private:
  std::map<std::string, int> used_;
  Listener listener_;
  std::unique_ptr<Producer> producer_;
};

inline std::string NameOfBackend(const testing::TestParamInfo<Backend>& one) {
  return one.param.name;
}

absl::Status CommitAll(Consumer& consumer);
absl::Status CloseAndWait(std::unique_ptr<Consumer> consumer);
Record ValueOf(const std::string& value);
std::vector<std::string> Numbers(int from, int to);  // "from" to "to", without the last

}  // namespace sidebus::contract

// `backend` names it; `make_fixture` is a MakeFixture.
#define INSTANTIATE_BROKER_CONTRACT(backend, make_fixture)                                    \
  INSTANTIATE_TEST_SUITE_P(                                                                   \
      backend, BrokerContract,                                                                \
      testing::Values(::sidebus::contract::Backend{std::string(#backend), make_fixture, ""}), \
      ::sidebus::contract::NameOfBackend)
