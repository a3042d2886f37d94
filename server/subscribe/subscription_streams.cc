// The half of Subscription that faces streams: their requests, their ends, and its own end.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/subscribe/subscription.h"

namespace sidebus {

void Subscription::Handle(StreamState& stream, SettleRequest request) {
  Effects effects;
  {
    MutexLock lock(mu_);
    const SteadyTime now = world_.clock.Now();
    if (stream.phase >= StreamState::Phase::kFinishing) {
      // Too late for the commit that `end` will tell of. Silence would mean that it counts.
      for (const std::uint64_t id : request.ack) book_.Refuse(stream, id, now);
      for (const Nack& nack : request.nack) book_.Refuse(stream, nack.delivery_id, now);
      for (const std::uint64_t id : request.extend) book_.Refuse(stream, id, now);
      request = SettleRequest();
    }
    if (request.window.has_value()) {
      book_.SetWindow(stream, ClipWindow(*request.window, world_.options.max_window));
    }
    for (const std::uint64_t id : request.ack) book_.Ack(stream, id, now);
    for (const Nack& nack : request.nack) book_.Settle(stream, nack, now);
    for (const std::uint64_t id : request.extend) book_.Extend(stream, id, now);
    if (request.drain) {
      stream.phase = StreamState::Phase::kDraining;
      stream.client_ends = true;
      book_.ReturnQueued(stream);
      book_.Touch(stream);
    }
    book_.Dispatch();
    effects = Collect(Caller::kSubscriber);
  }
  Run(std::move(effects));
}

Outgoing Subscription::Take(StreamState& stream, std::uint32_t max_events,
                            std::uint64_t max_bytes) {
  Outgoing outgoing;
  MutexLock lock(mu_);
  if (stream.end_taken) return outgoing;
  if (!std::exchange(stream.started_sent, true)) {
    outgoing.started = StartedInfo{.stream_id = stream.name,
                                   .window = stream.window,
                                   .lease = stream.start.lease,
                                   .retry = stream.start.retry,
                                   .ordering = stream.start.ordering,
                                   .topics = {}};
    for (const TopicInterest& topic : stream.start.topics) {
      outgoing.started->topics.push_back(topic.topic);
    }
  }
  const SteadyTime now = world_.clock.Now();
  for (auto& [until, ids] : std::exchange(stream.revoking, {})) {
    // What nobody settles any more is told as lost, at once.
    if (until > now) outgoing.revoked.push_back(Revoked{std::move(ids), until - now});
  }
  if (!stream.revoked.empty()) {
    outgoing.revoked.push_back(Revoked{std::exchange(stream.revoked, {}), Duration(0)});
  }
  outgoing.failures = std::exchange(stream.failures, {});
  if (!stream.queued.empty()) {
    outgoing.deliveries = book_.Take(stream, max_events, max_bytes, now, world_.clock.WallNow());
  }
  outgoing.heartbeat = std::exchange(stream.heartbeat, std::nullopt);
  outgoing.draining = std::exchange(stream.draining, std::nullopt);
  if (outgoing.draining.has_value() && drain_until_.has_value()) {
    outgoing.draining->grace = std::max(*drain_until_ - now, Duration::zero());
  }
  outgoing.end = stream.end;
  stream.end_taken = outgoing.end.has_value();
  stream.waiting = outgoing.empty();
  return outgoing;
}

void Subscription::Written(StreamState& stream) {
  Effects effects;
  {
    MutexLock lock(mu_);
    if (stream.phase >= StreamState::Phase::kFinishing) return;
    book_.Written(stream, world_.clock.Now());
    effects = Collect(Caller::kSubscriber);
  }
  Run(std::move(effects));
}

void Subscription::HalfClosed(const std::shared_ptr<StreamState>& stream) {
  Effects effects;
  {
    MutexLock lock(mu_);
    if (stream->phase >= StreamState::Phase::kFinishing) return;
    stream->phase = StreamState::Phase::kDraining;
    stream->client_ends = true;
    book_.ReturnQueued(*stream);
    book_.ReturnHeld(*stream, false, world_.clock.Now());
    book_.Touch(*stream);
    book_.Dispatch();
    effects = Collect(Caller::kSubscriber);
  }
  Run(std::move(effects));
}

void Subscription::Abandon(StreamState& stream) {
  Effects effects;
  {
    MutexLock lock(mu_);
    if (stream.phase == StreamState::Phase::kEnded) return;
    End(stream, std::nullopt, stream.phase == StreamState::Phase::kFinishing);
    book_.Dispatch();
    effects = Collect(Caller::kSubscriber);
  }
  Run(std::move(effects));
}

void Subscription::FinishWhenSettled(StreamState& stream) {
  // What it rejected is to be safe before it goes, or the next one gets it again.
  if (stream.phase != StreamState::Phase::kDraining || stream.held + stream.letters > 0) return;
  if (!stream.client_ends) return;  // the gateway drains: it ends with the others
  const auto owner = std::find_if(streams_.begin(), streams_.end(), [&](const auto& candidate) {
    return candidate.get() == &stream;
  });
  if (owner != streams_.end()) Finish(*owner);
}

void Subscription::Finish(const std::shared_ptr<StreamState>& stream) {
  stream->phase = StreamState::Phase::kFinishing;
  if (consumer_ == nullptr) {
    // Nothing was ever delivered.
    End(*stream, absl::OkStatus(), true);
    return;
  }
  consumer_->Commit([weak = weak_from_this(), stream](const absl::Status& committed) {
    if (const auto self = weak.lock()) self->Finished(stream, committed);
  });
}

void Subscription::Finished(const std::shared_ptr<StreamState>& stream,
                            const absl::Status& committed) {
  Effects effects;
  {
    MutexLock lock(mu_);
    if (stream->phase == StreamState::Phase::kEnded) return;
    End(*stream, committed.ok() ? AllCommittedOf(*stream) : committed, true);
    effects = Collect(Caller::kThread);
  }
  Run(std::move(effects));
}

// OK promises that each of its acks is committed.
absl::Status Subscription::AllCommittedOf(const StreamState& stream) const {
  if (consumer_ == nullptr || consumer_->stats().acks_lost == stream.acks_lost) {
    return absl::OkStatus();
  }
  return MakeError(Reason::kDeliveryRevoked,
                   "subscribe: partitions went to another member of the group before the last acks "
                   "in them were committed: some events that were acked come again");
}

// Detaches the stream. `end`: what its transport is told; nullopt when that is gone.
void Subscription::End(StreamState& stream, std::optional<absl::Status> end, bool clean) {
  const SteadyTime now = world_.clock.Now();
  stream.phase = StreamState::Phase::kEnded;
  stream.end = std::move(end);
  book_.Detach(stream, !clean, now);
  if (stream.end.has_value()) {
    book_.Touch(stream);
  }
  const auto owner = std::find_if(streams_.begin(), streams_.end(), [&](const auto& candidate) {
    return candidate.get() == &stream;
  });
  streams_.erase(owner);
  if (!streams_.empty() || state_ == State::kClosing || state_ == State::kClosed) return;
  if (clean || first_.group.empty()) return StartClosing();
  linger_until_ = now + world_.options.linger;
}

void Subscription::EndAll(const absl::Status& why) {
  while (!streams_.empty()) {
    const std::shared_ptr<StreamState> stream = streams_.front();
    End(*stream, why, true);
  }
}

void Subscription::Drain(Duration grace, const std::string& reason) {
  Effects effects;
  {
    MutexLock lock(mu_);
    if (state_ == State::kClosing || state_ == State::kClosed) return;
    const SteadyTime until = world_.clock.Now() + grace;
    if (drain_until_.has_value() && *drain_until_ <= until) return;
    drain_until_ = until;
    drain_reason_ = reason;
    NoteAcksLostBefore();
    for (const auto& stream : streams_) {
      if (stream->phase == StreamState::Phase::kOpen) {
        stream->phase = StreamState::Phase::kDraining;
        book_.ReturnQueued(*stream);
      }
      stream->draining = Draining{grace, reason};
      book_.Touch(*stream);
    }
    effects = Collect(Caller::kSubscriber);
    effects.arm = std::min(effects.arm.value_or(SteadyTime::max()), *drain_until_);
  }
  Run(std::move(effects));
}

void Subscription::CheckDrained(SteadyTime now) {
  if (!drain_until_.has_value() || state_ == State::kClosing || state_ == State::kClosed) return;
  const bool busy = std::any_of(streams_.begin(), streams_.end(), [](const auto& stream) {
    return stream->held > 0 || stream->phase == StreamState::Phase::kFinishing;
  });
  if ((busy || book_.awaited_letters() > 0) && *drain_until_ > now) return;
  left_unsettled_ = book_.held() + book_.letters();
  EndAll(MakeError(Reason::kDraining,
                   fmt::format("{}: subscribe again, here or elsewhere",
                               drain_reason_.empty() ? "deliveries are drained" : drain_reason_)));
  StartClosing();
}

bool Subscription::CloseLingering() {
  Effects effects;
  {
    MutexLock lock(mu_);
    // One that nobody attached to yet is about to be.
    if (!streams_.empty() || state_ == State::kNew) return false;
    StartClosing();
    effects = Collect(Caller::kSubscriber);
  }
  Run(std::move(effects));
  return true;
}

void Subscription::StartClosing() {
  if (state_ == State::kClosing || state_ == State::kClosed) return;
  state_ = State::kClosing;
  NoteAcksLostBefore();
  if (consumer_ == nullptr) {
    ready_to_take_down_ = true;
    return;
  }
  // Holds the subscription: the consumer calls its handler until it is done.
  consumer_->Close([self = shared_from_this()](const absl::Status& closed) {
    if (!closed.ok()) {
      Log(LogLevel::kWarning, "a group was left with a failed commit: some events come again",
          {{"group", self->first_.group}, {"error", closed}});
      MutexLock lock(self->mu_);
      self->closed_with_ = closed;
    }
    // Not here: this is the consumer's thread, which cannot destroy it.
    self->world_.timers.At(self->world_.clock.Now(), [self] { self->TakeDown(); });
  });
}

void Subscription::TakeDown() {
  std::unique_ptr<Consumer> consumer;
  std::vector<absl::AnyInvocable<void(const GroupLeftovers&)>> when_closed;
  GroupLeftovers left;
  {
    MutexLock lock(mu_);
    if (stopped_ || state_ == State::kClosed) return;
    left_ = left = CountLeftovers();
    state_ = State::kClosed;
    const SystemTime last_commit = CountStats().last_commit;
    if (last_commit != SystemTime()) {
      metrics_.last_commit.Set(
          std::chrono::duration<double>(last_commit.time_since_epoch()).count());
    }
    consumer = std::move(consumer_);
    when_closed = std::exchange(when_closed_, {});
  }
  consumer.reset();
  ReleaseMemory();
  for (auto& done : when_closed) done(left);
}

// Only when no consumer calls its handler any more.
void Subscription::ReleaseMemory() {
  MutexLock lock(mu_);
  if (std::exchange(memory_released_, true)) return;
  book_.RevokeAll(world_.clock.Now());
  world_.budget.Return(reserved_);
}

void Subscription::WhenClosed(absl::AnyInvocable<void(const GroupLeftovers&)> done) {
  GroupLeftovers left;
  {
    MutexLock lock(mu_);
    if (state_ != State::kClosed) {
      when_closed_.push_back(std::move(done));
      return;
    }
    left = left_;
  }
  done(left);
}

void Subscription::NoteAcksLostBefore() {
  if (acks_lost_before_.has_value()) return;
  acks_lost_before_ = consumer_ == nullptr ? 0 : consumer_->stats().acks_lost;
}

GroupLeftovers Subscription::Leftovers() const {
  MutexLock lock(mu_);
  return CountLeftovers();
}

GroupLeftovers Subscription::CountLeftovers() const {
  if (state_ == State::kClosed) return left_;
  GroupLeftovers left{.group = first_.group, .unsettled = left_unsettled_};
  if (state_ != State::kClosing) left.unsettled = book_.held() + book_.letters();
  if (consumer_ == nullptr) return left;
  const ConsumerStats stats = consumer_->stats();
  left.uncommitted =
      stats.acks_waiting + stats.acks_lost - acks_lost_before_.value_or(stats.acks_lost);
  if (left.uncommitted == 0) return left;
  left.why = closed_with_.ok() ? stats.last_error : std::string(closed_with_.message());
  if (left.why.empty()) left.why = "no broker has confirmed their commit yet";
  return left;
}

void Subscription::Stop() {
  std::unique_ptr<Consumer> consumer;
  std::vector<absl::AnyInvocable<void(const GroupLeftovers&)>> when_closed;
  TimerId timer;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    consumer = std::move(consumer_);
    when_closed = std::exchange(when_closed_, {});
    timer = std::exchange(timer_, TimerId());
  }
  if (timer != TimerId()) world_.timers.Cancel(timer);
  consumer.reset();
  ReleaseMemory();
}

std::size_t Subscription::streams() const {
  MutexLock lock(mu_);
  return streams_.size();
}

std::size_t Subscription::held() const {
  MutexLock lock(mu_);
  return book_.held();
}

bool Subscription::begun() const {
  MutexLock lock(mu_);
  return state_ != State::kNew;
}

bool Subscription::closing() const {
  MutexLock lock(mu_);
  return state_ == State::kClosing || state_ == State::kClosed || drain_until_.has_value();
}

ConsumerStats Subscription::CountStats() {
  if (consumer_ == nullptr) return {};
  ConsumerStats stats = consumer_->stats();
  const auto count = [](Counter& counter, std::uint64_t now, std::uint64_t& before) {
    counter.Increment(static_cast<double>(now - before));
    before = now;
  };
  count(metrics_.assigned, stats.assigned, last_stats_.assigned);
  count(metrics_.revoked, stats.revoked, last_stats_.revoked);
  count(metrics_.lost, stats.lost, last_stats_.lost);
  count(metrics_.commits_ok, stats.commits_ok, last_stats_.commits_ok);
  count(metrics_.commits_failed, stats.commits_failed, last_stats_.commits_failed);
  count(metrics_.sparse_acks_truncated, stats.acks_left_out, last_stats_.acks_left_out);
  CountLost(stats);
  return stats;
}

void Subscription::CountLost(const ConsumerStats& stats) {
  Topics& topics = book_.topics();
  for (const auto& [full_topic, positions] : stats.lost_to_retention) {
    std::uint64_t& before = last_stats_.lost_to_retention[full_topic];
    if (positions == before) continue;
    topics.CountLost(topics.Find(full_topic), positions - before);
    before = positions;
  }
}

SubscriptionFigures Subscription::TakeFigures() {
  MutexLock lock(mu_);
  SubscriptionFigures figures;
  figures.group_label = group_label_;
  figures.live = state_ != State::kClosed;
  figures.streams = streams_.size();
  figures.held_back = book_.held_back();
  figures.dead_lettering = book_.dead_lettering();
  figures.unsettled = book_.unsettled();
  figures.unsettled_bytes = book_.unsettled_bytes();
  figures.paused_lane_share = book_.paused(Paused::kShare);
  figures.paused_memory = book_.paused(Paused::kMemory);
  figures.oldest_unsettled = book_.OldestUnsettled(world_.clock.Now());
  const ConsumerStats stats = CountStats();
  figures.last_commit = stats.last_commit;
  figures.paused_ack_metadata = stats.crowded;
  figures.paused_cut_off = stats.cut_off;
  figures.sparse_ack_use = stats.ack_metadata_use;
  const SystemTime now = world_.clock.WallNow();
  const std::map<std::string, SystemTime> oldest = book_.OldestRecords();
  for (const auto& [full_topic, of_topic] : stats.topics) {
    const std::string& topic = *book_.topics().Find(full_topic).topic;
    const auto written = oldest.find(topic);
    const Duration lag = written == oldest.end() ? Duration(0) : Duration(now - written->second);
    figures.topics.emplace(topic, SubscriptionFigures::Topic{.partitions = of_topic.partitions,
                                                             .lag_events = of_topic.lag_events,
                                                             .lag = std::max(lag, Duration(0))});
  }
  return figures;
}

}  // namespace sidebus
