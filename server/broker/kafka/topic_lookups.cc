#include "server/broker/kafka/topic_lookups.h"

#include <chrono>
#include <utility>

#include "server/base/log.h"
#include "server/broker/kafka/kafka_error.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kNegativeLife = seconds(1);
constexpr Duration kRefreshEvery = seconds(1);
constexpr Duration kPauseWhileDown = milliseconds(50);
constexpr int kTimeoutMs = 1000;
constexpr int kTimeoutWhileDownMs = 200;
constexpr int kTimeoutsUntilDown = 3;

SteadyTime Now() { return Clock::Real().Now(); }

struct MetadataDeleter {
  void operator()(const struct rd_kafka_metadata* metadata) const {
    rd_kafka_metadata_destroy(metadata);
  }
};

}  // namespace

TopicReadiness KafkaTopic::readiness() {
  const Known known = known_.load(std::memory_order_acquire);
  if (known == Known::kExists) {
    return lookups_.reachable() ? TopicReadiness::kReady : TopicReadiness::kWaiting;
  }
  if (known == Known::kMissing &&
      Now() - missing_since_look_.load(std::memory_order_relaxed) <= kNegativeLife) {
    return TopicReadiness::kMissing;
  }
  lookups_.Ask(*this);
  return TopicReadiness::kWaiting;
}

TopicLookups::TopicLookups(TargetOf target, std::function<void()> changed)
    : target_(std::move(target)),
      changed_(std::move(changed)),
      since_(Now()),
      thread_([this] { Run(); }) {}

TopicLookups::~TopicLookups() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

void TopicLookups::Add(KafkaTopic& topic) {
  {
    MutexLock lock(mu_);
    topics_.push_back(&topic);
  }
  Ask(topic);
}

void TopicLookups::Ask(KafkaTopic& topic) {
  if (topic.asked_.exchange(true)) return;
  MutexLock lock(mu_);
  asked_.push_back(&topic);
  wake_.NotifyAll();
}

void TopicLookups::Forget(KafkaTopic& topic) {
  topic.known_ = KafkaTopic::Known::kNothing;
  Ask(topic);
}

void TopicLookups::ForgetAll() {
  std::vector<KafkaTopic*> topics;
  {
    MutexLock lock(mu_);
    topics = topics_;
  }
  for (KafkaTopic* topic : topics) Forget(*topic);
}

BrokerCondition TopicLookups::condition() const {
  MutexLock lock(mu_);
  return {reachable(), since_};
}

void TopicLookups::OnAllBrokersDown() {
  SetReachable(false);
  OnConnectionLost();
}

void TopicLookups::OnConnectionLost() {
  MutexLock lock(mu_);
  look_now_ = true;
  wake_.NotifyAll();
}

void TopicLookups::OnDelivered() {
  if (timeouts_.load(std::memory_order_relaxed) != 0) timeouts_ = 0;
}

void TopicLookups::Run() {
  MutexLock lock(mu_);
  SteadyTime refresh_at = Now();
  while (!stopping_) {
    if (asked_.empty() && !look_now_ && Now() < refresh_at) {
      wake_.WaitUntil(mu_, refresh_at);
      continue;
    }
    look_now_ = false;
    KafkaTopic* const topic = NextTopic();
    mu_.unlock();
    const Answer answer = LookUp(topic);
    Judge(answer);
    mu_.lock();
    if (answer == Answer::kAnswered) {
      refresh_at = Now() + kRefreshEvery;
      continue;
    }
    if (topic != nullptr && topic->asked_) asked_.push_back(topic);
    // A refusal can come at once; do not turn it into a busy loop.
    if (!stopping_) wake_.WaitUntil(mu_, Now() + kPauseWhileDown);
    refresh_at = Now();
  }
}

KafkaTopic* TopicLookups::NextTopic() {
  if (!asked_.empty()) {
    KafkaTopic* const topic = asked_.front();
    asked_.erase(asked_.begin());
    return topic;
  }
  if (topics_.empty()) return nullptr;
  return topics_[next_refresh_++ % topics_.size()];
}

TopicLookups::Answer TopicLookups::LookUp(KafkaTopic* topic) {
  const Target target = target_(topic);
  if (target.client == nullptr) return Answer::kNobodyAsked;
  const struct rd_kafka_metadata* raw = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(target.client->handle.get(), 0, target.topic, &raw,
                        reachable() ? kTimeoutMs : kTimeoutWhileDownMs);
  const std::unique_ptr<const struct rd_kafka_metadata, MetadataDeleter> metadata(raw);
  if (error == RD_KAFKA_RESP_ERR__TIMED_OUT) return Answer::kTimeout;
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Answer::kNoConnection;
  if (topic == nullptr || metadata->topic_cnt != 1) return Answer::kAnswered;

  // A topic that we may not see counts as one that exists: producing says that it is denied.
  const auto known = SaysTopicIsMissing(metadata->topics[0].err) ? KafkaTopic::Known::kMissing
                                                                 : KafkaTopic::Known::kExists;
  topic->missing_since_look_ = Now();
  const bool changed = topic->known_.exchange(known, std::memory_order_release) != known;
  const bool was_asked = topic->asked_.exchange(false);
  SetReachable(true);
  if (changed || was_asked) changed_();
  return Answer::kAnswered;
}

void TopicLookups::Judge(Answer answer) {
  switch (answer) {
    case Answer::kAnswered:
      timeouts_ = 0;
      SetReachable(true);
      return;
    case Answer::kNobodyAsked:
      return;
    case Answer::kNoConnection:
      SetReachable(false);
      return;
    case Answer::kTimeout:
      if (++timeouts_ >= kTimeoutsUntilDown) SetReachable(false);
      return;
  }
}

void TopicLookups::SetReachable(bool reachable) {
  {
    MutexLock lock(mu_);
    if (reachable_ == reachable) return;
    reachable_ = reachable;
    since_ = Now();
  }
  Log(reachable ? LogLevel::kInfo : LogLevel::kWarning,
      reachable ? "a Kafka broker is reachable" : "no Kafka broker is reachable");
  changed_();
}

}  // namespace sidebus
