// The part of Subscription that faces operators.

#include "server/subscribe/subscription.h"

namespace sidebus {

GroupState Subscription::Summarize() {
  MutexLock lock(mu_);
  GroupState state;
  state.group = first_.group;
  for (const std::string& full : book_.topics().Wanted(world_.clock.Now())) {
    state.topics.push_back(*book_.topics().Find(full).topic);
  }
  state.streams = streams_.size();
  state.oldest_unsettled = book_.OldestUnsettled(world_.clock.Now());
  state.held_back = book_.held_back();
  if (consumer_ == nullptr) return state;
  const ConsumerStats stats = consumer_->stats();
  for (const auto& [topic, of_topic] : stats.topics) state.lag_events += of_topic.lag_events;
  state.trouble = stats.last_error;
  return state;
}

std::vector<PartitionState> Subscription::Explain() {
  MutexLock lock(mu_);
  std::vector<PartitionState> states = book_.Explain(world_.clock.Now());
  const std::vector<AssignmentState> assigned =
      consumer_ == nullptr ? std::vector<AssignmentState>() : consumer_->assignments();
  for (PartitionState& state : states) {
    state.owner = first_.member.empty() ? "this gateway" : first_.member;
    for (const AssignmentState& one : assigned) {
      if (one.partition != state.partition) continue;
      if (*book_.topics().Find(one.topic).topic != state.topic) continue;
      state.committed = one.committed;
      state.end = one.end;
      state.settled_above = one.settled_above;
      state.lost = one.lost;
    }
  }
  return states;
}

std::string Subscription::MemberId() {
  MutexLock lock(mu_);
  return consumer_ == nullptr ? "" : consumer_->member_id();
}

absl::Status Subscription::SettleHead(const Position& head, Nack::Action action,
                                      std::string_view reason) {
  Effects effects;
  absl::Status status;
  {
    MutexLock lock(mu_);
    status = book_.SettleHead(head, action, reason, world_.clock.Now());
    book_.Dispatch();
    effects = Collect(Caller::kSubscriber);
  }
  Run(std::move(effects));
  return status;
}

}  // namespace sidebus
