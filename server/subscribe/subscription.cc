#include "server/subscribe/subscription.h"

#include <algorithm>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"

namespace sidebus {

Subscription::Subscription(const SubscribeWorld& world, const EffectiveStart& first,
                           std::uint64_t reserved, std::uint64_t seed)
    : world_(world),
      first_(first),
      reserved_(reserved),
      group_label_(world.metrics.GroupLabel(first.group)),
      book_({.group = first.group,
             .ordering = first.ordering,
             .max_delay = world.options.max_delay,
             .linger = world.options.linger,
             .max_interruptions = world.options.max_interruptions,
             .dead_letters = world.dead_letters != nullptr && !first.group.empty(),
             .on_undecodable = world.options.on_undecodable,
             .max_delivery_bytes = world.options.max_delivery_bytes,
             .seed = seed},
            world.router, world.metrics, world.budget),
      metrics_(world.metrics.ForGroup(group_label_)) {}

Subscription::~Subscription() { Stop(); }

void Subscription::Begin() {
  Effects effects;
  {
    MutexLock lock(mu_);
    if (state_ != State::kNew || stopped_ || streams_.empty()) return;
    state_ = State::kOpen;
    topics_ = book_.topics().Wanted(world_.clock.Now());
    // Under the lock, so that the handler's first call finds the consumer in its place.
    auto consumer =
        world_.broker.MakeConsumer(ConsumerOptions{.group = first_.group,
                                                   .topics = topics_,
                                                   .start = first_.start,
                                                   .member = first_.member,
                                                   .buffer_bytes = reserved_,
                                                   .revoke_grace = world_.options.revoke_grace},
                                   *this);
    if (consumer.ok()) {
      consumer_ = *std::move(consumer);
    } else {
      EndAll(consumer.status());
      StartClosing();
    }
    effects = Collect(Caller::kSubscriber);
  }
  Run(std::move(effects));
}

std::shared_ptr<StreamState> Subscription::Attach(EffectiveStart start, std::string name,
                                                  StreamSink& sink) {
  std::shared_ptr<StreamState> stream;
  Effects effects;
  {
    MutexLock lock(mu_);
    if (state_ == State::kClosing || state_ == State::kClosed || drain_until_.has_value()) {
      return nullptr;
    }
    const SteadyTime now = world_.clock.Now();
    stream = std::make_shared<StreamState>(std::move(start), std::move(name), sink);
    stream->next_heartbeat = now + world_.options.heartbeat;
    if (consumer_ != nullptr) stream->acks_lost = consumer_->stats().acks_lost;
    streams_.push_back(stream);
    stream->came_while_lingering = linger_until_.has_value();
    linger_until_.reset();
    book_.Attach(*stream, now);
    if (state_ == State::kOpen) UpdateTopics(now);
    EndWithoutTopics();
    book_.Dispatch();
    effects = Collect(Caller::kSubscriber);
    effects.arm = std::min(effects.arm.value_or(SteadyTime::max()), stream->next_heartbeat);
  }
  Run(std::move(effects));
  return stream;
}

void Subscription::UpdateTopics(SteadyTime now) {
  std::vector<std::string> wanted = book_.topics().Wanted(now);
  if (wanted == topics_ || wanted.empty()) return;
  topics_ = std::move(wanted);
  if (consumer_ != nullptr) consumer_->SetTopics(topics_);
}

void Subscription::OnAssigned(AssignmentId assignment, const std::string& topic,
                              std::int32_t partition) {
  std::shared_ptr<const std::string> first_of;
  {
    MutexLock lock(mu_);
    TopicQueues& queues = book_.Assign(assignment, topic, partition).topic;
    if (queues.partitions == 1) {
      first_of = queues.topic;
      book_.topics().CountLost(queues, 0);
    }
  }
  if (first_of == nullptr || world_.dead_letters == nullptr || first_.group.empty()) return;
  world_.dead_letters->Prepare(*first_of, first_.group);
}

Room Subscription::RoomFor(AssignmentId assignment) {
  Effects effects;
  Room room;
  {
    MutexLock lock(mu_);
    PartitionBuffer* const partition = book_.Find(assignment);
    if (partition == nullptr || state_ != State::kOpen || drain_until_.has_value()) return {};
    room = book_.RoomFor(*partition, world_.clock.Now());
    effects = Collect(Caller::kThread);
  }
  Run(std::move(effects));
  return room;
}

void Subscription::OnRevoking(AssignmentId assignment, SteadyTime until) {
  Effects effects;
  {
    MutexLock lock(mu_);
    book_.BeginRevoke(assignment, until);
    effects = Collect(Caller::kThread);
  }
  Run(std::move(effects));
}

std::size_t Subscription::Held(AssignmentId assignment) {
  MutexLock lock(mu_);
  return book_.HeldOf(assignment);
}

void Subscription::OnRevoked(AssignmentId assignment, bool) {
  Effects effects;
  {
    MutexLock lock(mu_);
    const SteadyTime now = world_.clock.Now();
    book_.Revoke(assignment, now);
    book_.Dispatch();
    effects = Collect(Caller::kThread);
  }
  Run(std::move(effects));
}

void Subscription::OnFailed(const absl::Status& why) {
  Log(LogLevel::kError, "a subscription failed, its streams end",
      {{"group", first_.group}, {"error", why}});
  Effects effects;
  {
    MutexLock lock(mu_);
    if (ReasonOf(why) == Reason::kMemoryBudget) {
      world_.refusals->Note(first_.group, topics_, reserved_, why, world_.clock.Now());
    }
    EndAll(ReasonOf(why) == Reason::kTopicMissing ? NoTopicExists(NamesOf(topics_)) : why);
    StartClosing();
    effects = Collect(Caller::kThread);
  }
  Run(std::move(effects));
}

Subscription::Effects Subscription::Collect(Caller caller) {
  Effects effects;
  if (stopped_) return effects;
  const SteadyTime now = world_.clock.Now();
  std::optional<SteadyTime> due;
  while (auto letter = book_.TakeLetter(
             [this](std::uint64_t bytes) { return world_.dead_letters->TryReserve(bytes); }, now,
             world_.clock.WallNow())) {
    effects.letters.push_back(*std::move(letter));
  }
  effects.questions = book_.awaited().TakeQuestions(now);
  if (const auto ask = book_.awaited().NextDue(); ask.has_value()) {
    due = std::min(due.value_or(*ask), *ask);
  }
  while (true) {
    DeliveryBook::Decisions decisions = book_.TakeDecisions();
    if (decisions.due.has_value()) due = std::min(due.value_or(*decisions.due), *decisions.due);
    if (consumer_ != nullptr) {
      for (const DeliveryTag& tag : decisions.settled) consumer_->Ack(tag);
      for (const AssignmentId assignment : decisions.room_returned) {
        consumer_->RoomReturned(assignment);
      }
    }
    for (const std::shared_ptr<StreamState>& stream : decisions.touched) {
      FinishWhenSettled(*stream);
      if (!stream->waiting || !stream->HasOutgoing()) continue;
      if (!std::exchange(stream->told_later, true)) tell_later_.push_back(stream);
    }
    CheckDrained(now);
    if (decisions.touched.empty() && decisions.settled.empty()) break;
  }
  if (caller == Caller::kThread) {
    for (const std::shared_ptr<StreamState>& stream : std::exchange(tell_later_, {})) {
      stream->told_later = false;
      if (!stream->HasOutgoing() || !std::exchange(stream->waiting, false)) continue;
      effects.notify.push_back(stream->gate);
    }
  } else if (!tell_later_.empty()) {
    due = now;
  }
  if (due.has_value() && *due < timer_at_) effects.arm = due;
  effects.closed = std::exchange(ready_to_take_down_, false);
  return effects;
}

// A letter that is refused makes room for the next one, which may be refused, too: so not recursively.
void Subscription::Run(Effects effects) {
  while (true) {
    for (const auto& gate : effects.notify) gate->Notify();
    if (effects.arm.has_value()) Arm(*effects.arm);
    for (const SchemaId id : effects.questions) Ask(id);
    const std::vector<LetterResult> refused = Write(std::move(effects.letters));
    if (effects.closed) {
      world_.timers.At(world_.clock.Now(), [self = shared_from_this()] { self->TakeDown(); });
    }
    if (refused.empty()) return;
    effects = Note(refused);
  }
}

std::vector<Subscription::LetterResult> Subscription::Write(
    std::vector<DeliveryBook::LetterToWrite> letters) {
  std::vector<LetterResult> refused;
  for (DeliveryBook::LetterToWrite& next : letters) {
    const std::uint64_t number = next.letter.number;
    absl::Status accepted =
        world_.dead_letters->Write(std::move(next.letter), next.reserved,
                                   [weak = weak_from_this(), number](const absl::Status& written) {
                                     if (const auto self = weak.lock())
                                       self->Run(self->Note({{number, written}}));
                                   });
    if (!accepted.ok()) refused.push_back({number, std::move(accepted)});
  }
  return refused;
}

Subscription::Effects Subscription::Note(const std::vector<LetterResult>& results) {
  MutexLock lock(mu_);
  const SteadyTime now = world_.clock.Now();
  for (const LetterResult& result : results) book_.LetterDone(result.number, result.written, now);
  book_.Dispatch();
  return Collect(Caller::kSubscriber);
}

void Subscription::Arm(SteadyTime when) {
  {
    MutexLock lock(mu_);
    if (when >= timer_at_ || stopped_) return;
    timer_at_ = when;
  }
  const TimerId mine = world_.timers.At(when, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->OnTimer();
  });
  TimerId old;
  {
    MutexLock lock(mu_);
    old = timer_at_ == when ? std::exchange(timer_, mine) : mine;
  }
  if (old != TimerId()) world_.timers.Cancel(old);
}

void Subscription::OnTimer() {
  Effects effects;
  {
    MutexLock lock(mu_);
    if (stopped_) return;
    timer_at_ = SteadyTime::max();
    const SteadyTime now = world_.clock.Now();
    book_.RunDue(now);
    SendHeartbeats(now);
    if (state_ == State::kOpen) UpdateTopics(now);
    if (linger_until_.has_value() && *linger_until_ <= now) StartClosing();
    book_.Dispatch();
    effects = Collect(Caller::kThread);
    const SteadyTime next = std::min(effects.arm.value_or(SteadyTime::max()), NextTime(now));
    effects.arm = next == SteadyTime::max() ? std::nullopt : std::optional(next);
  }
  Run(std::move(effects));
}

SteadyTime Subscription::NextTime(SteadyTime now) {
  SteadyTime next = book_.NextDue(now).value_or(SteadyTime::max());
  for (const auto& stream : streams_) next = std::min(next, stream->next_heartbeat);
  if (state_ == State::kOpen) next = std::min(next, linger_until_.value_or(SteadyTime::max()));
  if (state_ == State::kOpen) next = std::min(next, drain_until_.value_or(SteadyTime::max()));
  return next;
}

void Subscription::SendHeartbeats(SteadyTime now) {
  std::optional<Heartbeat> heartbeat;
  for (const auto& stream : streams_) {
    if (stream->next_heartbeat > now) continue;
    stream->next_heartbeat = now + world_.options.heartbeat;
    if (!heartbeat.has_value()) {
      heartbeat =
          Heartbeat{.now = world_.clock.WallNow(), .oldest_unsettled = book_.OldestUnsettled(now)};
      if (consumer_ != nullptr) {
        for (const auto& [topic, stats] : consumer_->stats().topics) {
          heartbeat->lag_events += stats.lag_events;
        }
      }
    }
    stream->heartbeat = heartbeat;
    stream->heartbeat->missing_topics = MissingOf(*stream);
    book_.Touch(*stream);
  }
}

}  // namespace sidebus
