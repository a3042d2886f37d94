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
#include "server/broker/kafka/coordinator_watch.h"
#include "server/broker/kafka/event_signal.h"
#include "server/broker/kafka/join_watch.h"
#include "server/broker/kafka/kafka_log.h"
#include "server/broker/kafka/kafka_options.h"
#include "server/broker/kafka/partition_reader.h"
#include "server/broker/kafka/start_finder.h"
#include "server/metrics/kafka_metrics.h"

namespace sidebus {

// librdkafka's consumer, and its poll thread.
//
// clang-format off
//   pinning    --the start is pinned (StartFinder::Pin)-->  joined: rd_kafka_subscribe
//   joined     --assign callback-->  locating: StartFinder::Locate, then assign with explicit
//              offsets, OnAssigned
//   assigned   --revoke callback-->  revoking: OnRevoking, until nothing is held or grace is over
//   revoking   -->  giving up: OnRevoked, commit of the floors (result, or 2 s), then unassign
//   locating   --more partitions than the client may fetch ahead of-->  reopening: leave the group
//              (at most 5 s), a client with smaller buffers, pinning
//   assigned   --no coordinator answers (CoordinatorWatch)-->  cut off: OnRevoked, locating
//   any        --a fatal error, or the group is denied-->  waiting (0.5 s, doubling to 30 s) with
//              no client, then another one: pinning
//   any        --Close()-->  closing: as revoke, leave the group (at most 5 s), done
// clang-format on
//
// With the eager protocol (range) a rebalance takes all partitions; with the incremental ones
// (cooperative-sticky, and Kafka's consumer protocol) only those that it names, and the others are
// read on: from what was read ahead while librdkafka has paused them, then from where we are, because
// librdkafka fetches again what it had not handed out (2.15.1).
//
// Broadcast does not join: it locates and assigns all partitions by itself, and looks for new ones.
//
// The poll thread waits on one signal that all queues and all calls from outside write to, at most
// 100 ms; it never waits for a broker. Back-pressure: PartitionReader. A position that the log does
// not have (any more) stops its partition until the log's bounds are known (OnFault).
//
// Invariant: readers_ are the partitions the handler was told of; none is read while it leaves.
// Ownership: owns client, queues and the poll thread; borrows the handler.
// Thread safety: as Consumer says. Everything below "poll thread" belongs to that thread.
class KafkaConsumer final : public Consumer {
 public:
  // An error: the options are wrong. Does not wait for a broker.
  static absl::StatusOr<std::unique_ptr<KafkaConsumer>> Make(
      const KafkaBrokerOptions& broker, std::shared_ptr<KafkaClusterFacts> cluster,
      ConsumerOptions options, ConsumerHandler& handler);
  ~KafkaConsumer() override;

  bool Ack(const DeliveryTag& tag) override { return assignments_.Ack(tag); }
  void RoomReturned(AssignmentId assignment) override;
  void SetTopics(std::vector<std::string> topics) override;
  void Commit(absl::AnyInvocable<void(absl::Status)> done) override;
  void Close(absl::AnyInvocable<void(absl::Status)> done) override;
  ConsumerStats stats() const override;
  std::string member_id() const override;
  std::vector<AssignmentState> assignments() const override;

 private:
  using Done = absl::AnyInvocable<void(absl::Status)>;
  enum class State : std::uint8_t { kOpen, kFailed, kClosing };

  using Partition = std::pair<std::string, std::int32_t>;

  KafkaConsumer(const KafkaBrokerOptions& broker, std::shared_ptr<KafkaClusterFacts> cluster,
                ConsumerOptions options, ConsumerHandler& handler);

  void Post(absl::AnyInvocable<void()> task);

  // --- poll thread ---
  absl::StatusOr<KafkaClient> MakeHandle(std::uint64_t fetch_bytes);
  void OpenClient(KafkaClient client, std::uint64_t fetch_bytes);
  void CloseClient();
  void Run();
  bool ServeClient();
  void RunTasks();
  void ServeConsumerQueue();
  void OnMessage(const rd_kafka_message_t& message);
  void Tick(SteadyTime now);

  // What cannot go on, and what goes on anew (kafka_consumer_recovery.cc).
  void OnClientError(rd_kafka_resp_err_t error);
  void OnFatal(rd_kafka_resp_err_t cause, absl::Status why);
  void OnNoConsumerProtocol();
  void OnRefused(rd_kafka_resp_err_t error, absl::Status why);
  void Fail(absl::Status why);
  void StartAgain(absl::Status why);
  void StartAgainIfDue(SteadyTime now);
  void Abandon();
  void OnJoined();
  void NoteError(const absl::Status& why);
  void WatchJoining(SteadyTime now);
  void WatchCoordinator(SteadyTime now);
  void CutOff();
  void SetCutOff(std::size_t partitions);
  bool is_cut_off() const {
    MutexLock lock(mu_);
    return counters_.cut_off > 0;
  }

  // Joining and what the group gives (kafka_consumer_rebalance.cc).
  static void OnRebalance(rd_kafka_t* client, rd_kafka_resp_err_t what,
                          rd_kafka_topic_partition_list_t* partitions, void* opaque);
  static void OnErrorCallback(rd_kafka_t* client, int error, const char* why, void* opaque);
  static int OnStatistics(rd_kafka_t* client, char* json, std::size_t size, void* opaque);
  void StartPin();
  void OnPinned(StartFinder::Pinned pinned);
  void Reopen(std::uint64_t fetch_bytes);
  bool NeedsSmallerBuffers(std::size_t partitions);
  void StartReopening(std::uint64_t fetch_bytes);
  void FinishReopening(SteadyTime now);
  void Subscribe();
  void SubscribeAgain();
  void LearnMemberId();
  std::string AskMemberId();
  void AssignNew(const std::map<std::string, int>& existing, bool at_beginning);
  void LookForTopics(SteadyTime now);
  void OnTopicId(const std::string& topic, const std::string& id);
  void OnMadeAnew(PartitionReader& reader, const std::string& id);
  void OnLooked(const AdminRequests::Answer& answer);
  TopicsSeen Seen(const std::map<std::string, int>& existing) const;
  void Take(const std::set<Partition>& given);
  void Locate(std::vector<PartitionOffset> partitions, bool at_beginning);
  void OnLocated(StartFinder::Located located);
  bool Assign(const std::vector<PartitionOffset>& positions);
  void TakeNothing();
  std::vector<OffsetRun> SettledBefore(const PartitionOffset& position) const;

  // What it gives up (kafka_consumer_hand_over.cc).
  std::set<Partition> Ours() const;
  void GiveUp(const std::set<Partition>& named, bool lost);
  void StopLocating(const std::set<Partition>& named);
  void StopFinding(PartitionReader& reader);
  SteadyTime LastGrace() const;
  bool AnythingIsHeld() const;
  void GiveUpNow(bool lost);
  void CommitBeforeGivingUp();
  void FinishGivingUp(absl::Status committed);
  void OnAcksLost(const absl::Status& why, std::uint64_t acks);
  void SetAcksGivenUp(std::uint64_t acks);
  void LetGo(const std::vector<Partition>& partitions);
  void TickGivingUp(SteadyTime now);
  void LoseAll();
  void StartClosing(Done done);
  bool ClosingIsDone(SteadyTime now);
  bool MustUnsubscribe() const;
  bool Unsubscribes();
  bool AnswerAll();  // true

  // Records.
  bool ReadPartitions();
  bool ReadPartition(PartitionReader& reader);
  // kafka_consumer_positions.cc
  void OnFault(PartitionReader& reader, const PartitionReader::Fault& fault);
  void OnTruncated(PartitionReader& reader);
  std::uint64_t StartFinding(PartitionReader& reader, std::int64_t lost);
  void FindPosition(std::uint64_t id);
  void OnLogBounds(std::uint64_t id, std::int64_t begin, std::int64_t end);
  bool MoveTo(PartitionReader& reader, std::int64_t position);
  PartitionReader* ReaderOf(const std::string& topic, std::int32_t partition);

  // Commits.
  void StartCommit();
  void OnCommitted(rd_kafka_resp_err_t error);
  void CountCommit(bool good);
  void AnswerWaiters(std::vector<Done> waiters, const absl::Status& status);

  bool broadcast() const { return options_.group.empty(); }
  bool watches() const { return !broadcast() && broker_.group_protocol != GroupProtocol::kClassic; }

  // As the client last heard; -1: it did not.
  std::int64_t EndOf(const std::string& topic, std::int32_t partition) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  KafkaBrokerOptions broker_;  // poll thread only; classic when the brokers have nothing else
  const std::shared_ptr<KafkaClusterFacts> cluster_;
  ConsumerOptions options_;  // topics: poll thread only
  ConsumerHandler& handler_;
  const std::shared_ptr<KafkaLog> log_;  // a client that is on its way out has it, too
  const std::unique_ptr<KafkaClientMetrics> metrics_;  // null: none are kept
  EventSignal signal_;
  Assignments assignments_;

  mutable Mutex mu_;
  std::vector<absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  ConsumerStats counters_ ABSL_GUARDED_BY(mu_);  // all but what is counted when asked
  std::string member_id_ ABSL_GUARDED_BY(mu_);
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
  bool incremental_ = false;                // rebalances name what they take
  bool joined_ = false;                     // subscribed, or broadcast: assigned
  std::vector<PartitionOffset> locating_;   // an assignment waits for their positions
  std::map<std::string, int> open_topics_;  // of the StartFinder, from client to client
  std::set<std::string> existing_;
  TopicsSeen seen_;            // as the handler was told
  std::set<Partition> known_;  // broadcast: assigned or being located
  std::uint64_t pins_ = 0;     // begun
  bool pinning_ = false;       // the last of them is not done
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
    std::uint64_t acks() const;         // that `floors` are to commit
    bool waits_for_holders = false;     // until `deadline`
    std::vector<Partition> partitions;  // that the handler has given up
    std::vector<Assignments::Floor> floors;
    SteadyTime deadline{};  // of the holders, or of the commit that is under way
    SteadyTime retry_at{};  // zero: asked, not answered
    SteadyTime end{};       // of retries
    std::uint64_t id = 0;
  };
  std::optional<GivingUp> giving_up_;
  std::uint64_t last_giving_up_ = 0;

  std::optional<SteadyTime> restart_;  // when there is to be another client
  Duration wait_{};                    // before that
  std::optional<JoinWatch> joining_;   // consumer protocol: not taken in yet
  CoordinatorWatch watch_;             // consumer protocol

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
  bool unsubscribed_ = false;
  std::optional<std::uint64_t> reopen_with_;  // fetch_bytes_ of the next client
  SteadyTime reopen_deadline_{};
  SteadyTime close_deadline_{};

  std::thread thread_;
};

}  // namespace sidebus
