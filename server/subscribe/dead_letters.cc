#include "server/subscribe/dead_letters.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_replace.h"
#include "fmt/format.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/mutex.h"

namespace sidebus {
namespace {

constexpr std::size_t kMaxTopicLength = 249;
constexpr std::size_t kHashLength = 9;  // with its "-"

// How long a look-up may take before it is asked what it found.
constexpr Duration kLookUp = std::chrono::seconds(1);

bool MayBeInTopicName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

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
      name, [](char c) { return !MayBeInTopicName(c); }, '-');
  // A letter must not come back to where it was refused.
  if (name == topic) name += ".dead";
  if (name.size() <= max_length) return name;
  name.resize(max_length - std::min(max_length, kHashLength));
  return fmt::format("{}-{:08x}", name, StableHash(whole));
}

// What outlives DeadLetters: timers, and the broker's answers.
class DeadLetters::Shared : public std::enable_shared_from_this<Shared> {
 public:
  Shared(const Clock& clock, Timers& timers) : clock_(clock), timers_(timers) {}

  // Of a topic that is not to be made: says so when it is missing. Asks until a broker answers.
  void CheckLater(ProducerTopic& topic) {
    timers_.At(clock_.Now() + kLookUp, [&topic, weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Check(topic);
    });
  }

  // The producer's topics are not touched any more.
  void Stop() {
    MutexLock lock(mu_);
    stopped_ = true;
  }

  // False: it is being made already.
  bool StartMaking(const std::string& topic) {
    MutexLock lock(mu_);
    return making_.insert(topic).second;
  }

  void Made(const std::string& topic, const absl::Status& made) {
    {
      MutexLock lock(mu_);
      making_.erase(topic);
    }
    if (made.ok()) {
      Log(LogLevel::kInfo, "a dead-letter topic was made", {{"topic", topic}});
      return;
    }
    Missing(topic, made);
  }

  // Says so once, until it is there.
  void Missing(const std::string& topic, const absl::Status& why) {
    {
      MutexLock lock(mu_);
      if (!missing_.insert(topic).second) return;
    }
    Log(LogLevel::kWarning, "a dead-letter topic is missing: what should go there waits",
        {{"topic", topic}, {"error", why}});
  }

  void IsThere(const std::string& topic) {
    MutexLock lock(mu_);
    missing_.erase(topic);
  }

 private:
  void Check(ProducerTopic& topic) {
    TopicReadiness readiness = TopicReadiness::kReady;
    {
      MutexLock lock(mu_);
      if (stopped_) return;
      readiness = topic.readiness();
    }
    if (readiness == TopicReadiness::kMissing) Missing(topic.name(), TopicIsMissing());
    if (readiness == TopicReadiness::kWaiting) CheckLater(topic);
  }

  const Clock& clock_;
  Timers& timers_;
  Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::set<std::string> making_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> missing_ ABSL_GUARDED_BY(mu_);
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
      shared_(std::make_shared<Shared>(clock, timers)) {}

DeadLetters::~DeadLetters() { shared_->Stop(); }

ProducerTopic& DeadLetters::TopicOf(std::string_view topic, std::string_view group) {
  const std::size_t prefix = router_->FullTopicOf("").size();
  const std::string name = DeadLetterTopic(options_.topic, topic, group,
                                           kMaxTopicLength - std::min(prefix, kMaxTopicLength / 2));
  return producer_.Topic(router_->FullTopicOf(name));
}

void DeadLetters::Prepare(std::string_view topic, std::string_view group) {
  if (!options_.create) shared_->CheckLater(TopicOf(topic, group));
}

bool DeadLetters::TryReserve(std::uint64_t bytes) {
  if (budget_.TryTake(bytes)) return true;
  if (budget_.used() > 0) return false;
  budget_.Take(bytes);
  return true;
}

absl::Status DeadLetters::Ready(ProducerTopic& topic, std::string_view origin) {
  switch (topic.readiness()) {
    case TopicReadiness::kReady:
      shared_->IsThere(topic.name());
      return absl::OkStatus();
    case TopicReadiness::kWaiting:
      return MakeError(Reason::kBrokerDown,
                       "dead letter: no broker is up, or it has not said yet "
                       "whether the dead-letter topic exists");
    case TopicReadiness::kMissing:
      break;
  }
  absl::Status missing = TopicIsMissing();
  if (!options_.create) {
    shared_->Missing(topic.name(), missing);
  } else if (shared_->StartMaking(topic.name())) {
    producer_.CreateTopic(topic, router_->FullTopicOf(origin),
                          [shared = shared_, name = topic.name()](const absl::Status& made) {
                            shared->Made(name, made);
                          });
  }
  return missing;
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
