#include "server/broker/kafka/topic_lookups.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/base/log.h"
#include "server/broker/kafka/kafka_error.h"
#include "server/broker/kafka/steady_now.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kNegativeLife = seconds(1);
constexpr Duration kRefreshEvery = seconds(1);
constexpr Duration kPauseWhileDown = milliseconds(50);
// While no broker is reachable the time-out begins short, because the destructor waits for it, and
// doubles with each one that passes: a broker may be far away.
constexpr int kLookUpTimeoutMs = 1000;
constexpr int kTimeoutWhileDownMs = 200;
constexpr int kMostDoublings = 3;
constexpr int kTimeoutsUntilDown = 3;

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
  {
    MutexLock lock(mu_);
    topic.known_ = KafkaTopic::Known::kNothing;
    ++topic.forgotten_;
  }
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
    const LookUp look_up = Next();
    mu_.unlock();
    const Answer answer = Perform(look_up);
    Judge(answer);
    mu_.lock();
    if (answer == Answer::kAnswered) {
      refresh_at = Now() + kRefreshEvery;
      continue;
    }
    if (look_up.asked) asked_.push_back(look_up.topic);
    if (answer == Answer::kOutdated) continue;
    // A refusal can come at once; do not turn it into a busy loop.
    if (!stopping_) wake_.WaitUntil(mu_, Now() + kPauseWhileDown);
    refresh_at = Now();
  }
}

TopicLookups::LookUp TopicLookups::Next() {
  if (!asked_.empty()) {
    KafkaTopic* const topic = asked_.front();
    asked_.erase(asked_.begin());
    return {topic, true, topic->forgotten_};
  }
  if (topics_.empty()) return {};
  KafkaTopic* const topic = topics_[next_refresh_++ % topics_.size()];
  return {topic, false, topic->forgotten_};
}

int TopicLookups::TimeoutMs() const {
  if (reachable()) return kLookUpTimeoutMs;
  return std::min(kLookUpTimeoutMs,
                  kTimeoutWhileDownMs << std::min(timeouts_.load(), kMostDoublings));
}

TopicLookups::Answer TopicLookups::Perform(const LookUp& look_up) {
  const Target target = target_(look_up.topic);
  if (target.client == nullptr) return Answer::kNobodyAsked;
  const struct rd_kafka_metadata* raw = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(target.client->handle.get(), 0, target.topic, &raw, TimeoutMs());
  const std::unique_ptr<const struct rd_kafka_metadata, MetadataDeleter> metadata(raw);
  if (error == RD_KAFKA_RESP_ERR__TIMED_OUT) return Answer::kTimeout;
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Answer::kNoConnection;
  if (look_up.topic == nullptr) return Answer::kAnswered;
  if (metadata->topic_cnt != 1) return Answer::kNobodyAsked;  // no answer to this question
  return Store(look_up, metadata->topics[0].err) ? Answer::kAnswered : Answer::kOutdated;
}

bool TopicLookups::Store(const LookUp& look_up, rd_kafka_resp_err_t error) {
  KafkaTopic& topic = *look_up.topic;
  // A topic that we may not see counts as one that exists: producing says that it is denied.
  const auto known =
      SaysTopicIsMissing(error) ? KafkaTopic::Known::kMissing : KafkaTopic::Known::kExists;
  bool changed = false;
  {
    MutexLock lock(mu_);
    if (topic.forgotten_ != look_up.forgotten) return false;
    topic.missing_since_look_ = Now();
    changed = topic.known_.exchange(known, std::memory_order_release) != known;
    changed = topic.asked_.exchange(false) || changed;
  }
  SetReachable(true);
  if (changed) changed_();
  return true;
}

void TopicLookups::Judge(Answer answer) {
  switch (answer) {
    case Answer::kAnswered:
    case Answer::kOutdated:
      timeouts_ = 0;
      SetReachable(true);
      return;
    case Answer::kNobodyAsked:
      return;
    case Answer::kNoConnection:
      timeouts_ = 0;
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
