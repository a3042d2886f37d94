#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/broker/consumer.h"
#include "server/broker/kafka/admin_requests.h"
#include "server/broker/kafka/assignments.h"
#include "server/broker/kafka/event_signal.h"
#include "server/broker/kafka/kafka_log.h"
#include "server/broker/kafka/kafka_options.h"
#include "server/broker/kafka/partition_reader.h"
#include "server/broker/kafka/start_finder.h"

namespace sidebus {

// librdkafka's consumer, and its poll thread.
//
// clang-format off
//   pinning    --the start is pinned (StartFinder::Pin)-->  joined: rd_kafka_subscribe
//   joined     --assign callback-->  locating: StartFinder::Locate, then rd_kafka_assign with
//              explicit offsets, OnAssigned
//   assigned   --revoke callback-->  revoking: OnRevoking, until nothing is held or grace is over
//   revoking   -->  giving up: OnRevoked, commit of the floors (result, or 2 s), then
//              rd_kafka_assign(nothing)
//   locating   --more partitions than the client may fetch ahead of-->  reopening: leave the group
//              (at most 5 s), a client with smaller buffers, pinning
//   any        --Close()-->  closing: as revoke, leave the group (at most 5 s), done
// clang-format on
//
// Broadcast does not join: it locates and assigns all partitions by itself, and looks for new ones.
//
// The poll thread waits on one signal that all queues and all calls from outside write to, at most
// 100 ms; it never waits for a broker. Back-pressure: PartitionReader. A position that the log does
// not have (any more) stops its partition until the log's bounds are known (OnFault).
//
// Invariant: readers_ are the partitions the handler was told of; none is read while giving up.
// Ownership: owns client, queues and the poll thread; borrows the handler.
// Thread safety: as Consumer says. Everything below "poll thread" belongs to that thread.
class KafkaConsumer final : public Consumer {
 public:
  // An error: the options are wrong. Does not wait for a broker.
  static absl::StatusOr<std::unique_ptr<KafkaConsumer>> Make(const KafkaBrokerOptions& broker,
                                                             ConsumerOptions options,
                                                             ConsumerHandler& handler);
  ~KafkaConsumer() override;

  bool Ack(const DeliveryTag& tag) override { return assignments_.Ack(tag); }
  void RoomReturned(AssignmentId assignment) override;
  void SetTopics(std::vector<std::string> topics) override;
  void Commit(absl::AnyInvocable<void(absl::Status)> done) override;
  void Close(absl::AnyInvocable<void(absl::Status)> done) override;
  ConsumerStats stats() const override;

 private:
  using Done = absl::AnyInvocable<void(absl::Status)>;
  enum class State : std::uint8_t { kOpen, kFailed, kClosing };

  KafkaConsumer(const KafkaBrokerOptions& broker, ConsumerOptions options,
                ConsumerHandler& handler);

  void Post(absl::AnyInvocable<void()> task);

  // --- poll thread ---
  absl::StatusOr<KafkaClient> MakeHandle(std::uint64_t fetch_bytes);
  void OpenClient(KafkaClient client, std::uint64_t fetch_bytes);
  void CloseClient();
  void Run();
  void RunTasks();
  void ServeConsumerQueue();
  void OnMessage(const rd_kafka_message_t& message);
  void OnClientError(rd_kafka_resp_err_t error);
  void Tick(SteadyTime now);
  void Fail(absl::Status why);

  // Joining and rebalances (kafka_consumer_rebalance.cc).
  static void OnRebalance(rd_kafka_t* client, rd_kafka_resp_err_t what,
                          rd_kafka_topic_partition_list_t* partitions, void* opaque);
  static void OnErrorCallback(rd_kafka_t* client, int error, const char* why, void* opaque);
  void StartPin();
  void OnPinned(StartFinder::Pinned pinned);
  void Reopen(std::uint64_t fetch_bytes);
  bool NeedsSmallerBuffers(std::size_t partitions);
  void StartReopening(std::uint64_t fetch_bytes);
  void FinishReopening(SteadyTime now);
  void Subscribe();
  void SubscribeAgain();
  void AssignNew(const std::map<std::string, int>& existing, bool at_beginning);
  void LookForTopics(SteadyTime now);
  void OnLooked(const std::map<std::string, int>& existing);
  void Locate(std::vector<PartitionOffset> partitions, bool at_beginning);
  void OnLocated(StartFinder::Located located);
  std::vector<OffsetRun> SettledBefore(const PartitionOffset& position) const;
  void AssignNothing();
  void GiveUp(bool lost);
  bool AnythingIsHeld() const;
  void GiveUpNow(bool lost);
  void CommitBeforeGivingUp();
  static absl::Status WasLost();
  void FinishGivingUp(absl::Status committed);
  void StartClosing(Done done);
  bool ClosingIsDone(SteadyTime now);
  bool AnswerAll();  // true

  // Records.
  bool ReadPartitions();
  bool ReadPartition(PartitionReader& reader);
  // kafka_consumer_positions.cc
  void OnFault(PartitionReader& reader, const PartitionReader::Fault& fault);
  void FindPosition(std::uint64_t id);
  void OnLogBounds(std::uint64_t id, std::int64_t begin, std::int64_t end);
  bool MoveTo(const PartitionReader& reader, std::int64_t position);
  PartitionReader* ReaderOf(const std::string& topic, std::int32_t partition);

  // Commits.
  void StartCommit();
  void OnCommitted(rd_kafka_resp_err_t error);
  void AnswerWaiters(std::vector<Done> waiters, const absl::Status& status);

  bool broadcast() const { return options_.group.empty(); }

  const KafkaBrokerOptions broker_;
  ConsumerOptions options_;  // topics: poll thread only
  ConsumerHandler& handler_;
  const std::shared_ptr<KafkaLog> log_;  // a client that is on its way out has it, too
  EventSignal signal_;
  Assignments assignments_;

  mutable Mutex mu_;
  std::vector<absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  ConsumerStats counters_ ABSL_GUARDED_BY(mu_);  // all but topics
  std::atomic<bool> stopping_{false};

  // --- poll thread, but the client handle is read by stats() ---
  std::atomic<std::uint64_t> fetch_bytes_{0};  // per partition; read by stats()
  rd_kafka_resp_err_t last_refusal_ =
      RD_KAFKA_RESP_ERR_NO_ERROR;  // logged; cleared by an assignment
  KafkaClient client_;
  KafkaQueue consumer_queue_;
  KafkaQueue control_queue_;
  std::unique_ptr<AdminRequests> requests_;
  std::unique_ptr<StartFinder> starts_;
  std::vector<std::unique_ptr<PartitionReader>> readers_;
  State state_ = State::kOpen;
  bool joined_ = false;    // subscribed, or broadcast: assigned
  bool locating_ = false;  // an assignment waits for positions
  std::set<std::string> existing_;
  std::set<std::pair<std::string, std::int32_t>> known_;  // broadcast: assigned or being located
  std::uint64_t pins_ = 0;                                // begun
  bool pinning_ = false;                                  // the last of them is not done
  bool looking_ = false;
  SteadyTime look_at_{};

  // A partition whose position is not in the log (any more).
  struct Finding {
    std::string topic;
    std::int32_t partition = -1;
    std::int64_t lost = -1;  // the position
    SteadyTime retry_at{};   // zero: asked, not answered
  };
  std::map<std::uint64_t, Finding> finding_;
  std::uint64_t last_finding_ = 0;

  struct GivingUp {
    bool waits_for_holders = false;  // until `deadline`
    std::vector<Assignments::Floor> floors;
    SteadyTime deadline{};
    SteadyTime retry_at{};  // zero: asked, not answered
    std::uint64_t id = 0;
  };
  std::optional<GivingUp> giving_up_;
  std::uint64_t last_giving_up_ = 0;

  bool committing_ = false;
  std::uint64_t commit_id_ = 0;
  std::vector<Assignments::Floor> commit_floors_;  // of the one under way
  SteadyTime commit_deadline_{};
  SteadyTime next_commit_{};
  std::vector<Done> waiting_;         // for the next commit
  std::vector<Done> committing_for_;  // for the one under way
  std::vector<Done> closed_;
  absl::Status final_commit_;
  bool leaving_ = false;
  std::optional<std::uint64_t> reopen_with_;  // fetch_bytes_ of the next client
  SteadyTime reopen_deadline_{};
  SteadyTime close_deadline_{};

  std::thread thread_;
};

}  // namespace sidebus
