#include "server/subscribe/live_subscriptions.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/subscribe/group_gauges.h"
#include "server/subscribe/start_options.h"
#include "server/subscribe/subscription.h"

namespace sidebus {
namespace {

using Subscriptions = std::vector<std::shared_ptr<Subscription>>;

// Memory that a subscription sets aside for its consumer's fetch buffer: a quarter of what is left
// of half the budget, and not less than what leaves room for as many subscriptions as are allowed.
std::uint64_t FetchMemory(const SubscribeOptions& options, const MemoryBudget& budget,
                          std::uint64_t reserved) {
  const std::uint64_t limit = budget.limit();
  const std::uint64_t most = std::max<std::uint64_t>(
      1, std::uint64_t{options.max_subscriptions} + options.max_broadcast_streams);
  const std::uint64_t left = limit / 2 - std::min(limit / 2, reserved);
  const std::uint64_t free = limit - std::min(limit, budget.used());
  return std::max(limit / 4 / most, std::min(left, free) / 4);
}

absl::Status TooMany(std::string_view what, std::string_view limit) {
  return MakeError(Reason::kTooManyStreams,
                   fmt::format("there are {} already: close one, or raise `{}`", what, limit),
                   {{std::string(error_key::kLimit), std::string(limit)}});
}

std::vector<std::string> FullTopics(const EffectiveStart& start) {
  std::vector<std::string> topics;
  for (const TopicInterest& one : start.topics) topics.push_back(one.full_topic);
  return topics;
}

// The Subscriber that a transport holds.
class LiveStream final : public Subscriber {
 public:
  LiveStream(std::shared_ptr<Subscription> subscription, std::shared_ptr<StreamState> state,
             std::shared_ptr<std::atomic<std::size_t>> count)
      : subscription_(std::move(subscription)),
        state_(std::move(state)),
        count_(std::move(count)) {}

  ~LiveStream() override {
    state_->gate->Shut();
    subscription_->Abandon(*state_);
    count_->fetch_sub(1);
  }

  void Handle(SettleRequest request) override {
    subscription_->Handle(*state_, std::move(request));
  }
  Outgoing Take(std::uint32_t max_events, std::uint64_t max_bytes) override {
    return subscription_->Take(*state_, max_events, max_bytes);
  }
  void Written() override { subscription_->Written(*state_); }
  void HalfClosed() override { subscription_->HalfClosed(state_); }

 private:
  const std::shared_ptr<Subscription> subscription_;
  const std::shared_ptr<StreamState> state_;
  const std::shared_ptr<std::atomic<std::size_t>> count_;
};

}  // namespace

// Lock order: mu_, then a subscription's. Nothing is called out with mu_ held.
class LiveSubscriptions::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(SubscribeWorld world) : world_(std::move(world)), gauges_(world_.metrics) {}

  absl::StatusOr<std::unique_ptr<Subscriber>> Open(const SubscribeStart& wanted, StreamSink& sink) {
    auto start = CheckStart(wanted, world_.options, *world_.router);
    if (!start.ok()) return start.status();
    if (streams_->fetch_add(1) >= world_.options.max_streams) {
      streams_->fetch_sub(1);
      return TooMany("as many streams as this gateway takes", "limits.max_streams");
    }
    auto stream = Attach(*start, sink);
    if (!stream.ok()) streams_->fetch_sub(1);
    return stream;
  }

  void Drain(Duration grace, const std::string& reason, DrainFor how_long,
             absl::AnyInvocable<void(std::size_t)> done) {
    // Shared by the callbacks; the last one to let go of it answers.
    struct Answer {
      ~Answer() { run(left.load()); }
      absl::AnyInvocable<void(std::size_t)> run;
      std::atomic<std::size_t> left{0};
    };
    auto answer = std::make_shared<Answer>();
    answer->run = std::move(done);
    Subscriptions all;
    {
      MutexLock lock(mu_);
      if (!std::exchange(draining_, true)) left_by_closed_.clear();
      // An earlier drain told what was not settled, but not what could not be committed.
      std::erase_if(left_by_closed_, [](GroupLeftovers& left) {
        left.unsettled = 0;
        return left.uncommitted == 0;
      });
      for_good_ = for_good_ || how_long == DrainFor::kGood;
      all = AllLocked();
    }
    for (const auto& subscription : all) {
      subscription->WhenClosed(
          [answer](const GroupLeftovers& left) { answer->left += left.unsettled; });
      subscription->Drain(grace, reason);
    }
    // Never from inside this call.
    world_.timers.At(world_.clock.Now(), [answer = std::move(answer)] {});
  }

  absl::Status Resume() {
    MutexLock lock(mu_);
    if (for_good_) return MakeError(Reason::kDraining, "resume: the gateway is stopping");
    draining_ = false;
    return absl::OkStatus();
  }

  bool draining() const {
    MutexLock lock(mu_);
    return draining_;
  }

  Subscriptions All() const {
    MutexLock lock(mu_);
    return AllLocked();
  }

  Subscriptions OfGroup(const std::string& group) const {
    MutexLock lock(mu_);
    const auto live = groups_.find(group);
    return live == groups_.end() ? Subscriptions() : live->second;
  }

  std::shared_ptr<void> HoldBack(const std::string& group) {
    MutexLock lock(mu_);
    if (!held_back_.insert(group).second) return nullptr;
    return {static_cast<void*>(this), [weak = weak_from_this(), group](void*) {
              if (const auto self = weak.lock()) self->LetGo(group);
            }};
  }

  void Stop() {
    Subscriptions all;
    {
      MutexLock lock(mu_);
      draining_ = true;
      for_good_ = true;
      all = AllLocked();
      groups_.clear();
      broadcasts_.clear();
    }
    for (const auto& subscription : all) subscription->Stop();
  }

  std::vector<GroupLeftovers> Leftovers() const {
    MutexLock lock(mu_);
    std::vector<GroupLeftovers> all = left_by_closed_;
    for (const auto& subscription : AllLocked()) all.push_back(subscription->Leftovers());
    std::erase_if(all, [](const auto& left) { return left.unsettled + left.uncommitted == 0; });
    return all;
  }

  std::size_t held() const {
    std::size_t held = 0;
    for (const auto& subscription : All()) held += subscription->held();
    return held;
  }

  std::size_t schema_bytes() const {
    return world_.schemas == nullptr ? 0 : world_.schemas->bytes();
  }

  std::size_t streams() const { return streams_->load(); }

  void UpdateMetrics() {
    const Subscriptions all = All();
    std::vector<SubscriptionFigures> figures;
    figures.reserve(all.size());
    for (const auto& subscription : all) figures.push_back(subscription->TakeFigures());
    MutexLock lock(gauges_mu_);
    gauges_.Set(figures);
  }

 private:
  absl::StatusOr<std::unique_ptr<Subscriber>> Attach(const EffectiveStart& start,
                                                     StreamSink& sink) {
    const std::string name = fmt::format("stream-{}", ++last_stream_);
    while (true) {
      auto subscription = FindOrMake(start);
      if (!subscription.ok()) return subscription.status();
      // Null when it began to close meanwhile.
      auto stream = (*subscription)->Attach(start, name, sink);
      if (stream == nullptr) continue;
      BeginFirst(start.group, *subscription);
      return std::make_unique<LiveStream>(*std::move(subscription), std::move(stream), streams_);
    }
  }

  absl::StatusOr<std::shared_ptr<Subscription>> FindOrMake(const EffectiveStart& start) {
    std::shared_ptr<Subscription> made;
    while (made == nullptr) {
      std::shared_ptr<Subscription> other;  // of the group, with another ordering
      {
        MutexLock lock(mu_);
        if (draining_) {
          return MakeError(Reason::kDraining,
                           "the gateway is drained or going away: connect to another one");
        }
        other = Live(start.group);
        if (other != nullptr && other->ordering() == start.ordering) return other;
        if (other == nullptr) {
          auto subscription = Make(start);
          if (!subscription.ok()) return subscription.status();
          made = *std::move(subscription);
          (start.group.empty() ? broadcasts_ : groups_[start.group]).push_back(made);
        }
      }
      // Only one that lingers makes room; whoever attached to it meanwhile was first.
      if (other != nullptr && !other->CloseLingering()) {
        return MakeError(Reason::kGroupConflict,
                         "another stream of the group has another `ordering`: all streams of a "
                         "group must agree",
                         {{std::string(error_key::kField), "ordering"}});
      }
    }
    made->WhenClosed([weak = weak_from_this(), gone = made.get()](const GroupLeftovers& left) {
      if (const auto self = weak.lock()) self->Closed(left, gone);
    });
    return made;
  }

  // The group's subscription that takes streams; null when there is none. Never for broadcast.
  std::shared_ptr<Subscription> Live(const std::string& group) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto live = group.empty() ? groups_.end() : groups_.find(group);
    if (live == groups_.end() || live->second.back()->closing()) return nullptr;
    return live->second.back();
  }

  absl::StatusOr<std::shared_ptr<Subscription>> Make(const EffectiveStart& start)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (start.group.empty()) {
      if (broadcasts_.size() >= world_.options.max_broadcast_streams) {
        return TooMany("as many broadcast streams as this gateway takes",
                       "limits.max_broadcast_streams");
      }
    } else if (!groups_.contains(start.group) &&
               groups_.size() >= world_.options.max_subscriptions) {
      return TooMany("as many groups as this gateway takes", "limits.max_subscriptions");
    }
    std::uint64_t others = 0;
    for (const auto& subscription : AllLocked()) others += subscription->reserved();
    const std::uint64_t reserved = FetchMemory(world_.options, world_.budget, others);
    if (absl::Status refused =
            world_.refusals->Check(start.group, FullTopics(start), reserved, world_.clock.Now());
        !refused.ok()) {
      return refused;
    }
    if (!world_.budget.TryTake(reserved)) {
      return MakeError(Reason::kMemoryBudget,
                       "no memory is left for another subscription: settle events, close other "
                       "subscriptions, or raise `limits.memory`",
                       {{std::string(error_key::kLimit), "limits.memory"}});
    }
    return std::make_shared<Subscription>(world_, start, reserved,
                                          world_.options.jitter_seed + ++last_seed_);
  }

  // A group's subscriptions are a queue: one has the consumer, the one behind it begins when that
  // is closed.
  void BeginFirst(const std::string& group, const std::shared_ptr<Subscription>& subscription) {
    std::shared_ptr<Subscription> first = subscription;
    if (!group.empty()) {
      MutexLock lock(mu_);
      const auto live = groups_.find(group);
      if (live == groups_.end() || held_back_.contains(group)) return;
      first = live->second.front();
    }
    first->Begin();
  }

  void Closed(const GroupLeftovers& left, const Subscription* gone) {
    const std::string& group = left.group;
    const auto is_gone = [&](const auto& candidate) { return candidate.get() == gone; };
    std::shared_ptr<Subscription> next;
    {
      MutexLock lock(mu_);
      if (draining_) left_by_closed_.push_back(left);
      std::erase_if(broadcasts_, is_gone);
      const auto live = groups_.find(group);
      if (live == groups_.end()) return;
      std::erase_if(live->second, is_gone);
      if (live->second.empty()) {
        groups_.erase(live);
        return;
      }
      if (held_back_.contains(group)) return;
      next = live->second.front();
    }
    next->Begin();
  }

  void LetGo(const std::string& group) {
    std::shared_ptr<Subscription> next;
    {
      MutexLock lock(mu_);
      held_back_.erase(group);
      const auto live = groups_.find(group);
      if (live == groups_.end()) return;
      next = live->second.front();
    }
    next->Begin();
  }

  Subscriptions AllLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    Subscriptions all = broadcasts_;
    for (const auto& [name, group] : groups_) all.insert(all.end(), group.begin(), group.end());
    return all;
  }

  const SubscribeWorld world_;
  const std::shared_ptr<std::atomic<std::size_t>> streams_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::atomic<std::uint64_t> last_stream_{0};
  mutable Mutex mu_;
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
  bool for_good_ ABSL_GUARDED_BY(mu_) = false;  // draining, and not to be resumed
  std::vector<GroupLeftovers> left_by_closed_ ABSL_GUARDED_BY(mu_);   // since the last drain began
  std::set<std::string> held_back_ ABSL_GUARDED_BY(mu_);              // groups that do not begin
  std::map<std::string, Subscriptions> groups_ ABSL_GUARDED_BY(mu_);  // none is empty
  Subscriptions broadcasts_ ABSL_GUARDED_BY(mu_);
  std::uint64_t last_seed_ ABSL_GUARDED_BY(mu_) = 0;
  Mutex gauges_mu_;
  GroupGauges gauges_ ABSL_GUARDED_BY(gauges_mu_);
};

LiveSubscriptions::LiveSubscriptions(SubscribeOptions options, std::shared_ptr<const Router> router,
                                     Broker& broker, MemoryBudget& budget, const Clock& clock,
                                     Timers& timers, SubscribeMetrics& metrics,
                                     DeadLetters* dead_letters, SchemaCache* schemas)
    : impl_(std::make_shared<Impl>(SubscribeWorld{
          options, router, broker, budget, clock, timers, metrics, dead_letters,
          router->has_openedx() && schemas != nullptr
              ? std::make_shared<WriterSchemas>(*schemas, clock, options.schema_bytes)
              : nullptr})) {}

LiveSubscriptions::~LiveSubscriptions() { impl_->Stop(); }

absl::StatusOr<std::unique_ptr<Subscriber>> LiveSubscriptions::Open(SubscribeStart start,
                                                                    StreamSink& sink) {
  return impl_->Open(start, sink);
}

void LiveSubscriptions::Drain(Duration grace, std::string reason, DrainFor how_long,
                              absl::AnyInvocable<void(std::size_t)> done) {
  impl_->Drain(grace, reason, how_long, std::move(done));
}

absl::Status LiveSubscriptions::Resume() { return impl_->Resume(); }

bool LiveSubscriptions::draining() const { return impl_->draining(); }

std::vector<std::shared_ptr<Subscription>> LiveSubscriptions::All() const { return impl_->All(); }

std::vector<std::shared_ptr<Subscription>> LiveSubscriptions::OfGroup(
    const std::string& group) const {
  return impl_->OfGroup(group);
}

std::shared_ptr<void> LiveSubscriptions::HoldBack(const std::string& group) {
  return impl_->HoldBack(group);
}

std::vector<GroupLeftovers> LiveSubscriptions::Leftovers() const { return impl_->Leftovers(); }

std::size_t LiveSubscriptions::held() const { return impl_->held(); }

std::size_t LiveSubscriptions::streams() const { return impl_->streams(); }

std::size_t LiveSubscriptions::schema_bytes() const { return impl_->schema_bytes(); }

void LiveSubscriptions::UpdateMetrics() { impl_->UpdateMetrics(); }

}  // namespace sidebus
