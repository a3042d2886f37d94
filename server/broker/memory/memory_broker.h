#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/broker/broker.h"

namespace sidebus {

struct MemoryCluster;

// A log in memory with partitions, groups and committed positions, for tests: no librdkafka, no
// thread of its own, no wall clock, and faults at a word.
//
// Nothing happens by itself: Step() does one piece of work of one client (one callback at most),
// and the caller's thread is "the client's own thread" of producer.h and consumer.h. With a seed,
// Step() chooses the client at random; else in turn. MemoryBrokerThread drives it where a test
// wants real threads.
//
// Groups: range assignment; a partition is taken from a member only when it is to move. Positions
// are pinned at the start as consumer.h says, and committed at most every 0.5 s.
//
// Thread safety: all methods may be called from any thread. Life: outlives its clients.
class MemoryBroker final : public Broker {
 public:
  explicit MemoryBroker(const Clock& clock, std::uint64_t seed = 0);
  ~MemoryBroker() override;

  std::string_view kind() const override { return "memory"; }
  std::string bootstrap_servers() const override { return ""; }
  absl::StatusOr<std::unique_ptr<Producer>> MakeProducer(ProducerListener& listener) override;
  absl::StatusOr<std::unique_ptr<Consumer>> MakeConsumer(ConsumerOptions options,
                                                         ConsumerHandler& handler) override;
  absl::StatusOr<std::unique_ptr<GroupAdmin>> MakeGroupAdmin() override;

  // Does nothing when the topic exists.
  void CreateTopic(const std::string& topic, int partitions);

  // Deletes the topic and makes it anew, empty, with at least as many partitions. Positions of groups
  // stay, and say nothing any more.
  void MakeAnew(const std::string& topic, int partitions);

  // Appends empty partitions until the topic has that many.
  void AddPartitions(const std::string& topic, int partitions);

  // Writes a record directly. Its offset.
  std::int64_t Append(const std::string& topic, std::int32_t partition, Record record);

  // How many partitions a topic has; 0: there is none.
  std::int32_t Partitions(const std::string& topic) const;

  // What a partition holds, in order; nothing when there is none.
  std::vector<Record> Read(const std::string& topic, std::int32_t partition) const;

  // The group's committed position; nullopt when it has none.
  std::optional<std::int64_t> Committed(const std::string& group, const std::string& topic,
                                        std::int32_t partition) const;

  // What is committed as settled above that position.
  std::vector<OffsetRun> CommittedAcks(const std::string& group, const std::string& topic,
                                       std::int32_t partition) const;

  // How many positions were committed so far.
  std::uint64_t commits() const;

  // Who reads a partition for the group.
  struct Owner {
    std::string member;  // as it calls itself
    AssignmentId assignment;

    friend bool operator==(const Owner&, const Owner&) = default;
  };
  // nullopt: nobody does, at the moment.
  std::optional<Owner> OwnerOf(const std::string& group, const std::string& topic,
                               std::int32_t partition) const;

  // Members of the group now.
  std::size_t Members(const std::string& group) const;

  // Does one piece of work. False: there is none until something changes or time passes.
  bool Step();

  // Steps until there is no work. How many steps it took.
  std::size_t RunUntilIdle();

  // Retention deletes the records below `offset`. Read() still has them.
  void Expire(const std::string& topic, std::int32_t partition, std::int64_t offset);

  // Faults.
  // While false, nothing is written, fetched, committed or assigned.
  void SetReachable(bool reachable);
  // Takes every partition of the group away, as a rebalance does; they are assigned anew.
  void Revoke(const std::string& group, bool lost);
  // The group goes on without its `nth` member, which hears nothing for that long: what it does
  // meanwhile is in vain. Then it finds its partitions lost, and joins anew.
  void CutOff(const std::string& group, std::size_t nth, Duration silence);
  void FailConsumers(const std::string& group, const absl::Status& why);
  // The next `count` records: kNotWritten are not, kUnknown are written all the same.
  void FailProduces(int count, DeliveryReport::Outcome outcome);
  // The next `count` records are written twice.
  void DuplicateProduces(int count);
  // Records are written, but their reports wait.
  void HoldReports(bool hold);
  void FailCommits(int count);
  // While not OK, MakeConsumer() fails with it.
  void RefuseConsumers(absl::Status why);
  // Who leaves a group from now on still is a member for so long, as static ones are.
  void LetMembersStay(Duration time);
  // Producers may not make topics.
  void DenyTopics(bool deny);
  // Larger records are refused.
  void SetMaxRecordBytes(std::size_t bytes);
  // The next `count` commits are made, but their answers are lost.
  void LoseCommitAnswers(int count);
  // While true, commits wait; those that cannot wait, because a partition goes, fail.
  void HoldCommits(bool hold);

 private:
  friend class MemoryBrokerThread;

  const std::unique_ptr<MemoryCluster> cluster_;
  std::optional<std::mt19937_64> random_;  // Step() is one caller's at a time
  std::size_t turn_ = 0;
};

// Drives a memory broker on a thread of its own until it is destroyed.
class MemoryBrokerThread {
 public:
  explicit MemoryBrokerThread(MemoryBroker& broker);
  ~MemoryBrokerThread();
  MemoryBrokerThread(const MemoryBrokerThread&) = delete;
  MemoryBrokerThread& operator=(const MemoryBrokerThread&) = delete;

 private:
  void Run();

  MemoryBroker& broker_;
  bool stopping_ = false;  // guarded by the cluster's lock
  std::thread thread_;
};

}  // namespace sidebus
