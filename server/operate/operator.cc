#include "server/operate/operator.h"

#include <algorithm>
#include <map>
#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/codec/dead_letter.h"
#include "server/operate/explain_job.h"
#include "server/operate/list_letters_job.h"
#include "server/operate/redrive_job.h"
#include "server/operate/seek_job.h"
#include "server/subscribe/subscription.h"

namespace sidebus {
namespace {

absl::Status Stopping() {
  return MakeError(Reason::kDraining, "the gateway is stopping: ask again when it is back");
}

}  // namespace

Operator::Operator(OperateWorld world)
    : world_(std::move(world)), limits_(std::make_shared<ReadingLimits>(world_.budget)) {}

Operator::~Operator() {
  gate_->Shut();
  std::vector<std::weak_ptr<ReadingJob>> reading;
  {
    MutexLock lock(mu_);
    reading.swap(reading_);
  }
  for (const auto& weak : reading) {
    if (const auto job = weak.lock()) job->Abort();
  }
}

void Operator::Stop() {
  std::vector<std::weak_ptr<ReadingJob>> reading;
  {
    MutexLock lock(mu_);
    stopping_ = true;
    reading = reading_;
  }
  for (const auto& weak : reading) {
    if (const auto job = weak.lock()) job->End(Stopping());
  }
}

absl::AnyInvocable<void()> Operator::Begin(std::shared_ptr<ReadingJob> job) {
  bool stopping = false;
  {
    MutexLock lock(mu_);
    std::erase_if(reading_, [](const auto& weak) { return weak.expired(); });
    reading_.push_back(job);
    stopping = stopping_;
  }
  if (stopping) job->End(Stopping());
  job->Begin();
  // Its callbacks keep it; whoever may stop it need not.
  return [weak = std::weak_ptr(job)] {
    if (const auto stopped = weak.lock()) stopped->Stop();
  };
}

std::vector<GroupState> Operator::ListGroups() {
  // A group may have a subscription that closes and one that waits for it.
  std::map<std::string, GroupState> groups;
  for (const auto& subscription : world_.subscriptions.All()) {
    if (subscription->group().empty()) continue;
    GroupState state = subscription->Summarize();
    GroupState& sum = groups[state.group];
    sum.group = state.group;
    sum.topics.insert(sum.topics.end(), state.topics.begin(), state.topics.end());
    sum.streams += state.streams;
    sum.lag_events += state.lag_events;
    sum.held_back += state.held_back;
    sum.oldest_unsettled = std::max(sum.oldest_unsettled, state.oldest_unsettled);
  }
  std::vector<GroupState> list;
  for (auto& [name, sum] : groups) {
    std::sort(sum.topics.begin(), sum.topics.end());
    sum.topics.erase(std::unique(sum.topics.begin(), sum.topics.end()), sum.topics.end());
    list.push_back(std::move(sum));
  }
  return list;
}

void Operator::ExplainGroup(const std::string& group, Done<GroupExplanation> done) {
  if (absl::Status checked = CheckGroupName(group); !checked.ok()) {
    // Never from inside.
    auto answer = std::make_shared<Done<GroupExplanation>>(std::move(done));
    world_.timers.At(world_.clock.Now(), Behind(gate_, [answer, checked] { (*answer)(checked); }));
    return;
  }
  ExplainJob::Start(world_, gate_, group, std::move(done));
}

absl::Status Operator::SettleHead(const SettleHeadOrder& order) {
  if (absl::Status checked = CheckGroupName(order.group); !checked.ok()) return checked;
  const auto subscriptions = world_.subscriptions.OfGroup(order.group);
  if (subscriptions.empty()) {
    return MakeError(Reason::kGroupUnknown,
                     fmt::format("settle a head: this gateway does not have group \"{}\"; "
                                 "`sidebus groups` lists those that it has",
                                 order.group));
  }
  // The first one has the consumer; those behind it wait for its end.
  const auto& subscription = subscriptions.front();
  absl::Status settled = subscription->SettleHead(
      order.head, order.action, std::string_view(order.reason).substr(0, kMaxDeadDetail));
  const std::string hint = PrefixHint(*world_.router, order.head.topic);
  if (settled.ok() || hint.empty()) return settled;
  const bool is_here = std::ranges::any_of(subscription->Explain(), [&](const auto& partition) {
    return partition.topic == order.head.topic;
  });
  if (is_here) return settled;
  return MakeError(Reason::kOffsetOutOfRange,
                   fmt::format("settle the head of {}/{}: this gateway does not have the "
                               "partition: {}",
                               order.head.topic, order.head.partition, hint),
                   {{std::string(error_key::kTopic), order.head.topic}});
}

void Operator::Seek(SeekOrder order, Done<SeekResult> done) {
  SeekJob::Start(world_, gate_, std::move(order), std::move(done));
}

absl::AnyInvocable<void()> Operator::Redrive(RedriveOrder order, OnRedriveProgress on_progress) {
  return Begin(std::make_shared<RedriveJob>(world_, gate_, limits_, std::move(order),
                                            std::move(on_progress)));
}

absl::AnyInvocable<void()> Operator::ListDeadLetters(ListLettersOrder order,
                                                     Done<std::vector<ListedLetter>> done) {
  return Begin(
      std::make_shared<ListLettersJob>(world_, gate_, limits_, std::move(order), std::move(done)));
}

void Operator::Drain(std::optional<Duration> grace, std::string reason,
                     absl::AnyInvocable<void(std::size_t)> done) {
  Log(LogLevel::kInfo, "an operator drains the gateway: no new deliveries, held ones may settle",
      {{"held", world_.subscriptions.held()},
       {"streams", world_.subscriptions.streams()},
       {"reason", reason}});
  world_.subscriptions.Drain(grace.value_or(world_.drain_grace), std::move(reason),
                             DrainFor::kUntilResumed, std::move(done));
}

absl::Status Operator::Resume() {
  const absl::Status resumed = world_.subscriptions.Resume();
  if (resumed.ok()) Log(LogLevel::kInfo, "an operator lets the gateway deliver again");
  return resumed;
}

}  // namespace sidebus
