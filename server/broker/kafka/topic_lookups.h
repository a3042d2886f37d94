#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/broker/kafka/kafka_handle.h"
#include "server/broker/producer.h"

namespace sidebus {

// One instance of librdkafka's producer with its topic handles, by KafkaTopic::index().
//
// The last owner destroys it: the producer, or the look-up that was under way when the producer got
// a new one.
struct ProducerClient {
  KafkaClient handle;
  KafkaQueue queue;  // delivery reports of failures, and errors
  std::vector<KafkaTopicHandle> topics;
};

class TopicLookups;

// What is known of one topic.
//
// Ownership: KafkaProducer owns it; never destroyed before the producer.
// Thread safety: all methods may be called from any thread.
class KafkaTopic final : public ProducerTopic {
 public:
  KafkaTopic(std::string name, std::size_t index, TopicLookups& lookups)
      : name_(std::move(name)), index_(index), lookups_(lookups) {}

  const std::string& name() const override { return name_; }
  TopicReadiness readiness() override;
  std::size_t index() const { return index_; }

 private:
  friend class TopicLookups;
  enum class Known : std::uint8_t { kNothing, kExists, kMissing };

  const std::string name_;
  const std::size_t index_;
  TopicLookups& lookups_;
  std::atomic<Known> known_{Known::kNothing};
  std::atomic<SteadyTime> missing_since_look_{SteadyTime{}};  // when kMissing was answered
  std::atomic<bool> asked_{false};                            // a look-up is queued or under way
  std::uint64_t forgotten_ = 0;                               // times; guarded by TopicLookups::mu_
};

// Looks topics up, and with that finds out whether a broker can be reached.
//
// librdkafka offers look-ups that block (rd_kafka_metadata: any broker that is up answers) or that
// ask the controller only, so this is a thread of its own (docs/adr/0020). Each second in which
// nobody asked it looks up the topic that waited longest, or nothing but the brokers: the refresh
// of positive entries and the heartbeat of reachability are the same request.
//
//   reachable   --all brokers down (librdkafka), no connection in a look-up, or 3 time-outs-->  not
//   not         --a look-up is answered-->  reachable
//
// A record that is delivered starts the count of time-outs anew: on a slow line look-ups wait
// behind large records.
//
// Thread safety: all methods may be called from any thread. `changed` is called on the look-up
// thread with no lock held.
class TopicLookups {
 public:
  // Whom to ask; no client: nobody now.
  struct Target {
    std::shared_ptr<ProducerClient> client;
    rd_kafka_topic_t* topic = nullptr;
  };
  // `target` yields the client, with its handle of the topic where one is given (it may be null).
  using TargetOf = std::function<Target(const KafkaTopic* topic)>;

  TopicLookups(TargetOf target, std::function<void()> changed);
  ~TopicLookups();  // waits for a look-up under way: 0.2 s while there is no connection, else 1 s

  void Add(KafkaTopic& topic);

  // Looks it up now, single-flight.
  void Ask(KafkaTopic& topic);

  // A broker said that the topic does not exist (any more): whatever was known is not, nor what a
  // look-up under way is going to answer.
  void Forget(KafkaTopic& topic);
  void ForgetAll();

  bool reachable() const { return reachable_.load(std::memory_order_relaxed); }
  BrokerCondition condition() const;

  void OnAllBrokersDown();
  void OnConnectionLost();  // look whether any broker is left
  void OnDelivered();       // a broker answered

 private:
  enum class Answer : std::uint8_t { kAnswered, kOutdated, kNoConnection, kTimeout, kNobodyAsked };

  struct LookUp {
    KafkaTopic* topic = nullptr;  // null: nothing but the brokers
    bool asked = false;           // else a refresh
    std::uint64_t forgotten = 0;  // as of its start
  };

  void Run();
  LookUp Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Answer Perform(const LookUp& look_up);
  bool Store(const LookUp& look_up, rd_kafka_resp_err_t error);
  int TimeoutMs() const;
  void Judge(Answer answer);
  void SetReachable(bool reachable);

  const TargetOf target_;
  const std::function<void()> changed_;

  mutable Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool look_now_ ABSL_GUARDED_BY(mu_) = true;
  std::vector<KafkaTopic*> topics_ ABSL_GUARDED_BY(mu_);
  std::vector<KafkaTopic*> asked_ ABSL_GUARDED_BY(mu_);
  std::size_t next_refresh_ ABSL_GUARDED_BY(mu_) = 0;
  SteadyTime since_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> reachable_{false};
  std::atomic<int> timeouts_{0};
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sidebus
