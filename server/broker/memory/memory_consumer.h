#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/broker/consumer.h"
#include "server/broker/memory/memory_cluster.h"
#include "server/broker/offset_tracker.h"

namespace sidebus {

// Consumer of the memory broker. Each Work() does the first of these that there is to do:
//
//   closing: revoke a partition, then leave the group and say so
//   say that it failed · join the group, pin the start · revoke what is not ours any more
//   take what is ours and free · commit · fetch a batch of one partition
class MemoryConsumer final : public Consumer, public MemoryClient {
 public:
  MemoryConsumer(MemoryCluster& cluster, ConsumerOptions options, ConsumerHandler& handler);
  ~MemoryConsumer() override;

  bool Ack(const DeliveryTag& tag) override;
  void RoomReturned(AssignmentId assignment) override;
  void SetTopics(std::vector<std::string> topics) override;
  void Commit(absl::AnyInvocable<void(absl::Status)> done) override;
  void Close(absl::AnyInvocable<void(absl::Status)> done) override;
  ConsumerStats stats() const override;
  std::string member_id() const override;
  std::vector<AssignmentState> assignments() const override;

  bool Work() override;

  Mutex& mu() const ABSL_LOCK_RETURNED(cluster_.mu) { return cluster_.mu; }

  const std::string& member() const { return options_.member; }
  const std::string& id() const { return id_; }

  // Faults.
  void MarkCutOff(Duration silence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  void MarkRevoked(bool lost) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  void MarkMadeAnew(const std::string& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  void MarkFailed(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);

 private:
  static constexpr Duration kCommitInterval = std::chrono::milliseconds(500);

  using Done = absl::AnyInvocable<void(absl::Status)>;
  struct Assigned {
    std::string topic;
    std::int32_t partition = -1;
    std::string topic_id;
    OffsetTracker tracker;
    std::int64_t next = 0;      // to fetch
    bool no_room = false;       // until RoomReturned()
    std::size_t acks_size = 0;  // of the commit metadata
    std::uint64_t acks = 0;     // that are not committed
    bool taken = false;         // by a fault
    bool lost = false;
    std::optional<SteadyTime> revoking_until{};  // told OnRevoking()
  };
  using Assignments = std::map<AssignmentId, Assigned>;

  bool Join();
  bool TellTopics();
  bool RevokeOne(bool all);
  std::optional<AssignmentId> FindToRevoke(bool all);
  bool AssignOne();
  bool CommitIfDue();
  bool FetchOne();
  void SkipExpired(Assigned& assigned) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  bool Leave();

  MemoryCluster::PositionKey KeyOf(const Assigned& assigned) const {
    return {group_, assigned.topic, assigned.partition};
  }
  void Pin(const std::string& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  // Where the group stands, or the beginning, if that was in another topic of the name.
  MemoryCluster::GroupPosition PositionOf(const std::string& topic, std::int32_t partition) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  std::int64_t StartOf(const std::string& topic, std::size_t partition) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  // Others may take the partition.
  void GiveUp(AssignmentId id, const Assigned& assigned) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  // What the group gives to this member now.
  std::vector<std::pair<std::string, std::int32_t>> Share() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  absl::Status CommitFailed(Assigned& assigned, std::int64_t before)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  absl::Status CommitOne(Assigned& assigned) ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);
  void PinNewTopics() ABSL_EXCLUSIVE_LOCKS_REQUIRED(cluster_.mu);

  MemoryCluster& cluster_;
  ConsumerHandler& handler_;
  const ConsumerOptions options_;
  const bool broadcast_;
  std::string group_;  // broadcast: one of its own
  std::string id_;     // as a member

  std::vector<std::string> topics_ ABSL_GUARDED_BY(cluster_.mu);
  std::vector<std::string> to_pin_ ABSL_GUARDED_BY(cluster_.mu);
  SteadyTime deaf_until_ ABSL_GUARDED_BY(cluster_.mu){};
  bool joined_ ABSL_GUARDED_BY(cluster_.mu) = false;
  TopicsSeen seen_ ABSL_GUARDED_BY(cluster_.mu);  // as the handler was told
  bool failed_ ABSL_GUARDED_BY(cluster_.mu) = false;
  std::optional<absl::Status> to_tell_ ABSL_GUARDED_BY(cluster_.mu);  // OnFailed
  Assignments assignments_ ABSL_GUARDED_BY(cluster_.mu);
  std::map<MemoryCluster::PartitionKey, RetentionLoss> lost_ ABSL_GUARDED_BY(cluster_.mu);
  AssignmentId last_fetched_ ABSL_GUARDED_BY(cluster_.mu);
  std::vector<Done> commits_ ABSL_GUARDED_BY(cluster_.mu);
  SteadyTime next_commit_ ABSL_GUARDED_BY(cluster_.mu){};
  std::optional<Done> close_ ABSL_GUARDED_BY(cluster_.mu);
  absl::Status close_status_ ABSL_GUARDED_BY(cluster_.mu);
  bool closed_ ABSL_GUARDED_BY(cluster_.mu) = false;
  ConsumerStats stats_ ABSL_GUARDED_BY(cluster_.mu);
  std::shared_ptr<MemoryCluster::Client> client_;
};

}  // namespace sidebus
