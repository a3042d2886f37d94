#include "server/subscribe/dead_letters.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_replace.h"
#include "fmt/format.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/mutex.h"
#include "server/event/topic_name.h"

namespace sidebus {
namespace {

constexpr std::size_t kHashLength = 9;  // with its "-"

// How long a look-up may take before it is asked what it found. A topic that is missing is asked for
// again after a second (TopicLookups), so less than that.
constexpr Duration kLookUp = std::chrono::milliseconds(500);

// FNV-1a: the same in every version and process, because topics are found again by it.
std::uint32_t StableHash(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

absl::Status TopicIsMissing() {
  return MakeError(Reason::kTopicMissing,
                   "dead letter: the dead-letter topic does not exist: create it, or set "
                   "`dead_letter.create: true`");
}

}  // namespace

std::string DeadLetterTopic(std::string_view pattern, std::string_view topic,
                            std::string_view group, std::size_t max_length) {
  const std::string whole = absl::StrReplaceAll(
      std::string(pattern), {{"{topic}", std::string(topic)}, {"{group}", std::string(group)}});
  std::string name = whole;
  std::ranges::replace_if(
      name, [](char c) { return !IsTopicCharacter(c); }, '-');
  // A letter must not come back to where it was refused.
  if (name == topic) name += ".dead";
  if (name.size() <= max_length) return name;
  name.resize(max_length - std::min(max_length, kHashLength));
  return fmt::format("{}-{:08x}", name, StableHash(whole));
}

std::string FullDeadLetterTopic(const Router& router, std::string_view pattern,
                                std::string_view topic, std::string_view group) {
  const std::size_t prefix = router.FullTopicOf("").size();
  const std::size_t most = kMaxTopicLength - std::min(prefix, kMaxTopicLength / 2);
  return router.FullTopicOf(DeadLetterTopic(pattern, topic, group, most));
}

// What outlives DeadLetters: timers, and the broker's answers.
class DeadLetters::Shared : public std::enable_shared_from_this<Shared> {
 public:
  Shared(Producer& producer, const Clock& clock, Timers& timers)
      : producer_(producer), clock_(clock), timers_(timers) {}

  // A broker is being asked for the topic. When it says that it is missing, so does OnMissing().
  void CheckLater(ProducerTopic& topic, MadeLike like) {
    MutexLock lock(mu_);
    if (checking_.insert(topic.name()).second) CheckLaterLocked(topic, std::move(like));
  }

  // Says so, once until it is there, or has it made.
  void OnMissing(ProducerTopic& topic, const MadeLike& like) {
    MutexLock lock(mu_);
    OnMissingLocked(topic, like);
  }

  void IsThere(const std::string& topic) {
    MutexLock lock(mu_);
    missing_.erase(topic);
  }

  std::size_t missing() const {
    MutexLock lock(mu_);
    return missing_.size();
  }

  // The producer is not touched any more.
  void Stop() {
    MutexLock lock(mu_);
    stopped_ = true;
  }

 private:
  void CheckLaterLocked(ProducerTopic& topic, MadeLike like) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    timers_.At(clock_.Now() + kLookUp,
               [&topic, like = std::move(like), weak = weak_from_this()]() mutable {
                 if (const auto self = weak.lock()) self->Check(topic, std::move(like));
               });
  }

  // The lock is held while the producer is asked, so that Stop() waits for it.
  void Check(ProducerTopic& topic, MadeLike like) {
    MutexLock lock(mu_);
    if (stopped_) return;
    const TopicReadiness readiness = topic.readiness();
    if (readiness == TopicReadiness::kWaiting) return CheckLaterLocked(topic, std::move(like));
    checking_.erase(topic.name());
    if (readiness == TopicReadiness::kMissing) OnMissingLocked(topic, like);
  }

  void OnMissingLocked(ProducerTopic& topic, const MadeLike& like)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!like.has_value()) return SayMissing(topic.name(), TopicIsMissing());
    if (!making_.insert(topic.name()).second) return;
    producer_.CreateTopic(
        topic, *like, [self = shared_from_this(), name = topic.name()](const absl::Status& made) {
          self->Made(name, made);
        });
  }

  void Made(const std::string& topic, const absl::Status& made) {
    MutexLock lock(mu_);
    making_.erase(topic);
    if (!made.ok()) return SayMissing(topic, made);
    Log(LogLevel::kInfo, "a dead-letter topic was made", {{"topic", topic}});
  }

  void SayMissing(const std::string& topic, const absl::Status& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!missing_.insert(topic).second) return;
    Log(LogLevel::kWarning, "a dead-letter topic is missing: what should go there waits",
        {{"topic", topic}, {"error", why}});
  }

  Producer& producer_;
  const Clock& clock_;
  Timers& timers_;
  mutable Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::set<std::string> checking_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> making_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> missing_ ABSL_GUARDED_BY(mu_);  // and that was said
};

// Owned by the producer from Produce() to its report.
class DeadLetters::Under final : public PendingRecord {
 public:
  Under(MemoryBudget& budget, std::uint64_t reserved, absl::AnyInvocable<void(absl::Status)> done)
      : budget_(budget), reserved_(reserved), done_(std::move(done)) {}

  void OnReport(const DeliveryReport& report) override {
    const std::unique_ptr<Under> self(this);
    budget_.Return(reserved_);
    done_(report.error);
  }

 private:
  MemoryBudget& budget_;
  const std::uint64_t reserved_;
  absl::AnyInvocable<void(absl::Status)> done_;
};

DeadLetters::DeadLetters(DeadLetterOptions options, std::shared_ptr<const Router> router,
                         Producer& producer, MemoryBudget& budget, const Clock& clock,
                         Timers& timers)
    : options_(std::move(options)),
      router_(std::move(router)),
      producer_(producer),
      budget_(budget),
      shared_(std::make_shared<Shared>(producer, clock, timers)) {}

DeadLetters::~DeadLetters() { shared_->Stop(); }

ProducerTopic& DeadLetters::TopicOf(std::string_view topic, std::string_view group) {
  return producer_.Topic(FullDeadLetterTopic(*router_, options_.topic, topic, group));
}

void DeadLetters::Prepare(std::string_view topic, std::string_view group) {
  if (!options_.create) shared_->CheckLater(TopicOf(topic, group), std::nullopt);
}

std::size_t DeadLetters::missing_topics() const { return shared_->missing(); }

bool DeadLetters::TryReserve(std::uint64_t bytes) {
  if (budget_.TryTake(bytes)) return true;
  if (budget_.used() > 0) return false;
  budget_.Take(bytes);
  return true;
}

absl::Status DeadLetters::Ready(ProducerTopic& topic, std::string_view origin) {
  MadeLike like;
  if (options_.create) like = router_->FullTopicOf(origin);
  switch (topic.readiness()) {
    case TopicReadiness::kReady:
      shared_->IsThere(topic.name());
      return absl::OkStatus();
    case TopicReadiness::kWaiting:
      // What is found may be out of date when the letter is tried again.
      shared_->CheckLater(topic, std::move(like));
      return MakeError(Reason::kBrokerDown,
                       "dead letter: no broker is up, or it has not said yet "
                       "whether the dead-letter topic exists");
    case TopicReadiness::kMissing:
      break;
  }
  shared_->OnMissing(topic, like);
  return TopicIsMissing();
}

absl::Status DeadLetters::Write(const DeadLetter& letter, std::uint64_t reserved,
                                absl::AnyInvocable<void(absl::Status)> done) {
  ProducerTopic& topic = TopicOf(letter.topic, letter.note.group);
  absl::Status accepted = Ready(topic, letter.topic);
  if (accepted.ok()) {
    auto under = std::make_unique<Under>(budget_, reserved, std::move(done));
    under->record = MakeDeadLetter(letter.record, letter.note);
    accepted = producer_.Produce(topic, *under);
    if (accepted.ok()) {
      (void)under.release();  // the producer's until OnReport()
      return accepted;
    }
  }
  budget_.Return(reserved);
  return accepted;
}

}  // namespace sidebus
