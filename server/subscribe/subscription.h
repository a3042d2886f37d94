#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "server/base/memory_budget.h"
#include "server/base/mutex.h"
#include "server/broker/broker.h"
#include "server/subscribe/dead_letters.h"
#include "server/subscribe/delivery_book.h"
#include "server/subscribe/live_subscriptions.h"
#include "server/subscribe/memory_refusals.h"
#include "server/subscribe/record_decoder.h"
#include "server/subscribe/writer_schemas.h"

namespace sidebus {

// What a subscription's gauges show.
struct SubscriptionFigures {
  struct Topic {
    std::uint32_t partitions = 0;
    std::uint64_t lag_events = 0;
    Duration lag{};  // age of the record that is to be committed next; zero: none is known
  };

  std::string group_label;
  bool live = false;  // not closed
  std::size_t streams = 0;
  std::size_t held_back = 0;
  std::size_t dead_lettering = 0;
  std::size_t unsettled = 0;
  std::uint64_t unsettled_bytes = 0;
  std::size_t paused_lane_share = 0;
  std::size_t paused_memory = 0;
  std::size_t paused_ack_metadata = 0;
  std::size_t paused_cut_off = 0;
  double sparse_ack_use = 0;
  Duration oldest_unsettled{};
  SystemTime last_commit{};
  std::map<std::string, Topic> topics;  // without prefix
};

// What subscriptions share. Borrowed parts outlive them.
struct SubscribeWorld {
  SubscribeOptions options;
  std::shared_ptr<const Router> router;
  Broker& broker;
  MemoryBudget& budget;
  const Clock& clock;
  Timers& timers;
  SubscribeMetrics& metrics;
  DeadLetters* dead_letters = nullptr;     // null: off
  std::shared_ptr<WriterSchemas> schemas;  // null: all records are CloudEvents
  std::shared_ptr<MemoryRefusals> refusals = std::make_shared<MemoryRefusals>();
};

// One group in this process: one broker consumer, any number of streams. Joins the consumer and the
// DeliveryBook: locks, tells sinks, keeps time.
//
//   Begin() ── open ──last stream left cleanly, linger over, failed, drained──▶ closing ──▶ closed
//                │                                                             (Consumer::Close)
//                └─ without a stream after an abnormal end: lingers for the reconnect
//
// Life: owned by LiveSubscriptions and by its streams' Subscribers. The consumer is destroyed on
// the timer thread after it closed, or in Stop(). Thread safety: all methods may be called from any
// thread; handler methods come from the consumer's thread. Lock order:
// LiveSubscriptions::Impl::mu_, then mu_, then the consumer's own. Sinks, callbacks and timers are
// called with no lock held; sinks only from the consumer's and the timer thread.
class Subscription final : public ConsumerHandler,
                           public std::enable_shared_from_this<Subscription> {
 public:
  // `reserved` bytes of the budget are given back at the end: the consumer's fetch buffer.
  Subscription(const SubscribeWorld& world, const EffectiveStart& first, std::uint64_t reserved,
               std::uint64_t seed);
  ~Subscription() override;

  // Makes the consumer. Called once, when no other consumer of the group is left in this process.
  void Begin();

  // Adds a stream. Null when the subscription is closing: a new one has to take its place.
  std::shared_ptr<StreamState> Attach(EffectiveStart start, std::string name, StreamSink& sink);

  const std::string& group() const { return first_.group; }
  Ordering ordering() const { return first_.ordering; }
  std::uint64_t reserved() const { return reserved_; }
  std::size_t streams() const;
  std::size_t held() const;
  bool begun() const;
  bool closing() const;  // or draining: takes no streams any more

  // The methods of Subscriber.
  void Handle(StreamState& stream, SettleRequest request);
  Outgoing Take(StreamState& stream, std::uint32_t max_events, std::uint64_t max_bytes);
  void Written(StreamState& stream);
  void HalfClosed(const std::shared_ptr<StreamState>& stream);
  void Abandon(StreamState& stream);

  // `done` runs once when the subscription is closed, at once when it is, with what it left.
  void WhenClosed(absl::AnyInvocable<void(const GroupLeftovers&)> done);

  // What would be left if it ended now.
  GroupLeftovers Leftovers() const;

  // LiveSubscriptions::Drain for this group. Of several calls the one that ends first counts.
  void Drain(Duration grace, const std::string& reason);

  // Closes a subscription without streams. False: it has some, and stays.
  bool CloseLingering();

  // For operators (subscription_operate.cc): as of now; what is said of the log is what the consumer
  // last heard. SettleHead() is DeliveryBook's.
  GroupState Summarize();
  std::vector<PartitionState> Explain();
  std::string MemberId();  // Consumer::member_id()
  absl::Status SettleHead(const Position& head, Nack::Action action, std::string_view reason);

  // Destroys the consumer as it is and forgets all records. Nothing calls out any more, and of the
  // world only the clock is still used. Not on the consumer's thread.
  void Stop();

  // Figures for gauges; also brings the counters that the consumer keeps up to date.
  SubscriptionFigures TakeFigures();

  // Topics of the group that do not exist, as last seen; without prefix.
  std::vector<std::string> MissingTopics();

  // ConsumerHandler.
  void OnTopicsSeen(const TopicsSeen& topics) override;
  void OnAssigned(AssignmentId assignment, const std::string& topic,
                  std::int32_t partition) override;
  Room RoomFor(AssignmentId assignment) override;
  void OnRecords(AssignmentId assignment, std::vector<ConsumedRecord> records) override;
  void OnRevoking(AssignmentId assignment, SteadyTime until) override;
  std::size_t Held(AssignmentId assignment) override;
  void OnRevoked(AssignmentId assignment, bool lost) override;
  void OnFailed(const absl::Status& why) override;

 private:
  enum class State : std::uint8_t { kNew, kOpen, kClosing, kClosed };

  // What is left to do after the lock is given back.
  struct Effects {
    std::vector<std::shared_ptr<SinkGate>> notify;
    std::vector<DeliveryBook::LetterToWrite> letters;
    std::vector<SchemaId> questions;
    std::optional<SteadyTime> arm;
    bool closed = false;  // the subscription can be taken down
  };
  // Sinks may be called from here, or only from the timer thread.
  enum class Caller : std::uint8_t { kThread, kSubscriber };

  Effects Collect(Caller caller) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Run(Effects effects);
  struct LetterResult {
    std::uint64_t number = 0;
    absl::Status written;
  };
  // The results of those that were refused at once; the others come later.
  std::vector<LetterResult> Write(std::vector<DeliveryBook::LetterToWrite> letters);
  Effects Note(const std::vector<LetterResult>& results);
  // Records of Open edX (subscription_decoding.cc). An answer goes to the timer thread; there what
  // waited for it is decoded, without the lock.
  RecordDecoder MakeDecoder(bool openedx) const;
  void Ask(SchemaId id);
  void PostAnswer(SchemaId id, const absl::Status& answer);
  void OnAnswer(SchemaId id, const absl::Status& answer);
  void DecodeWaiting();

  void Arm(SteadyTime when);
  void OnTimer();
  void SendHeartbeats(SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  SteadyTime NextTime(SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void FinishWhenSettled(StreamState& stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Finish(const std::shared_ptr<StreamState>& stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Finished(const std::shared_ptr<StreamState>& stream, const absl::Status& committed);
  absl::Status AllCommittedOf(const StreamState& stream) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void End(StreamState& stream, std::optional<absl::Status> end, bool clean)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // subscription_topics.cc
  static absl::Status NoTopicExists(const std::vector<std::string>& names);
  void LogChanges(const TopicsSeen& topics) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndWithoutTopics() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::string> MissingOf(const StreamState& stream) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::string> NamesOf(const std::vector<std::string>& full_topics) const;
  void EndAll(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckDrained(SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteAcksLostBefore() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  GroupLeftovers CountLeftovers() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StartClosing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TakeDown();
  void ReleaseMemory();
  void UpdateTopics(SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  ConsumerStats CountStats() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountLost(const ConsumerStats& stats) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const SubscribeWorld world_;
  const EffectiveStart first_;
  const std::uint64_t reserved_;
  const std::string group_label_;

  mutable Mutex mu_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kNew;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  bool memory_released_ ABSL_GUARDED_BY(mu_) = false;
  DeliveryBook book_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<StreamState>> streams_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> topics_ ABSL_GUARDED_BY(mu_);
  TopicsSeen seen_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Consumer> consumer_ ABSL_GUARDED_BY(mu_);
  std::optional<SteadyTime> linger_until_ ABSL_GUARDED_BY(mu_);
  std::optional<SteadyTime> drain_until_ ABSL_GUARDED_BY(mu_);
  std::string drain_reason_ ABSL_GUARDED_BY(mu_);
  std::size_t left_unsettled_ ABSL_GUARDED_BY(mu_) = 0;                 // when its drain was over
  std::optional<std::uint64_t> acks_lost_before_ ABSL_GUARDED_BY(mu_);  // its drain or its end
  absl::Status closed_with_ ABSL_GUARDED_BY(mu_);
  GroupLeftovers left_ ABSL_GUARDED_BY(mu_);  // of one that is closed
  bool ready_to_take_down_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<absl::AnyInvocable<void(const GroupLeftovers&)>> when_closed_ ABSL_GUARDED_BY(mu_);
  SteadyTime timer_at_ ABSL_GUARDED_BY(mu_) = SteadyTime::max();
  TimerId timer_ ABSL_GUARDED_BY(mu_);

  std::vector<std::shared_ptr<StreamState>> tell_later_ ABSL_GUARDED_BY(mu_);

  GroupMetrics metrics_;
  ConsumerStats last_stats_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
