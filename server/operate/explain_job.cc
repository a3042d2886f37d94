#include "server/operate/explain_job.h"

#include <algorithm>
#include <set>

#include "server/subscribe/subscription.h"

namespace sidebus {

void ExplainJob::Start(const OperateWorld& world, std::shared_ptr<Gate> gate, std::string group,
                       Done done) {
  const std::shared_ptr<ExplainJob> job(
      new ExplainJob(world, std::move(gate), std::move(group), std::move(done)));
  job->LookInside();
  world.groups.Describe(job->group_, KnownTopics(world, job->group_),
                        Behind(job->gate_, [job](absl::StatusOr<GroupDescription> found) {
                          job->OnDescribed(std::move(found));
                        }));
}

ExplainJob::ExplainJob(const OperateWorld& world, std::shared_ptr<Gate> gate, std::string group,
                       Done done)
    : world_(world), gate_(std::move(gate)), group_(std::move(group)), done_(std::move(done)) {}

void ExplainJob::LookInside() {
  for (const auto& subscription : world_.subscriptions.OfGroup(group_)) {
    for (PartitionState& state : subscription->Explain()) {
      const Key key(state.topic, state.partition);
      states_.emplace(key, std::move(state));
    }
  }
}

void ExplainJob::OnDescribed(absl::StatusOr<GroupDescription> found) {
  if (!found.ok()) {
    // What is known inside is worth most when the broker is away.
    if (states_.empty()) return done_(found.status());
    return Finish();
  }
  std::set<std::string> topics;
  for (const Position& position : found->positions) {
    PartitionState* const state = StateOf(position.topic, position.partition);
    if (state == nullptr) continue;
    if (state->committed < position.offset) state->committed = position.offset;
    topics.insert(position.topic);
  }
  for (const GroupMember& member : found->members.value_or(std::vector<GroupMember>())) {
    for (const auto& [topic, partition] : member.partitions) {
      PartitionState* const state = StateOf(topic, partition);
      if (state == nullptr) continue;
      if (state->owner.empty()) state->owner = member.name;
      topics.insert(topic);
    }
  }
  StartPosition end;
  end.at = StartPosition::At::kLatest;
  world_.groups.FindOffsets(
      {topics.begin(), topics.end()}, end,
      Behind(gate_, [self = shared_from_this()](const absl::StatusOr<std::vector<Position>>& ends) {
        self->OnEnds(ends);
      }));
}

void ExplainJob::OnEnds(const absl::StatusOr<std::vector<Position>>& ends) {
  if (ends.ok()) {
    for (const Position& one : *ends) {
      PartitionState* const state = StateOf(one.topic, one.partition);
      if (state != nullptr) state->end = std::max(state->end, one.offset);
    }
  }
  Finish();
}

void ExplainJob::Finish() {
  GroupExplanation explanation;
  explanation.partitions.reserve(states_.size());
  std::string trouble;
  std::set<std::string> missing;
  for (const auto& subscription : world_.subscriptions.OfGroup(group_)) {
    for (std::string& topic : subscription->MissingTopics()) missing.insert(std::move(topic));
    if (trouble.empty()) trouble = subscription->Summarize().trouble;
  }
  explanation.missing_topics.assign(missing.begin(), missing.end());
  for (auto& [key, state] : states_) {
    if (state.owner.empty()) state.trouble = trouble;
    explanation.partitions.push_back(std::move(state));
  }
  done_(std::move(explanation));
}

PartitionState* ExplainJob::StateOf(const std::string& full_topic, std::int32_t partition) {
  const std::optional<std::string> topic = world_.router->TopicOf(full_topic);
  if (!topic.has_value()) return nullptr;
  PartitionState& state = states_[{*topic, partition}];
  state.topic = *topic;
  state.partition = partition;
  return &state;
}

}  // namespace sidebus
