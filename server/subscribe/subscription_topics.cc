// What Subscription does about topics that do not exist.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/subscribe/subscription.h"

namespace sidebus {
namespace {

bool Contains(const std::vector<std::string>& topics, const std::string& topic) {
  return std::ranges::find(topics, topic) != topics.end();
}

}  // namespace

void Subscription::OnTopicsSeen(const TopicsSeen& topics) {
  Effects effects;
  {
    MutexLock lock(mu_);
    LogChanges(topics);
    seen_ = topics;
    EndWithoutTopics();
    const SteadyTime now = world_.clock.Now();
    bool beats = false;
    for (const auto& stream : streams_) {
      if (MissingOf(*stream).empty()) continue;
      stream->next_heartbeat = now;  // says so
      beats = true;
    }
    book_.Dispatch();
    effects = Collect(Caller::kThread);
    if (beats) effects.arm = now;
  }
  Run(std::move(effects));
}

void Subscription::LogChanges(const TopicsSeen& topics) const {
  for (const std::string& full : topics.missing) {
    if (Contains(seen_.missing, full)) continue;
    Log(LogLevel::kWarning, "a topic does not exist, or is hidden by ACLs: it is waited for",
        {{"group", first_.group}, {"full_topic", full}});
  }
  for (const std::string& full : topics.existing) {
    if (!Contains(seen_.missing, full)) continue;
    Log(LogLevel::kInfo, "a topic that was waited for is there",
        {{"group", first_.group}, {"full_topic", full}});
  }
}

// A stream none of whose topics exists ends, as it would if it were the only one of its group. Later
// its topics may come and go.
void Subscription::EndWithoutTopics() {
  const std::vector<std::shared_ptr<StreamState>> streams = streams_;
  const std::vector<std::string>& existing = seen_.existing;
  for (const std::shared_ptr<StreamState>& stream : streams) {
    if (stream->topic_seen || stream->phase >= StreamState::Phase::kFinishing) continue;
    const auto& topics = stream->start.topics;
    stream->topic_seen = std::ranges::any_of(
        topics, [&existing](const auto& topic) { return Contains(existing, topic.full_topic); });
    const std::vector<std::string> missing = MissingOf(*stream);
    if (stream->topic_seen || missing.size() < topics.size()) continue;
    // Not cleanly for a subscription that waits for others to come back.
    End(*stream, NoTopicExists(missing), !stream->came_while_lingering);
  }
}

std::vector<std::string> Subscription::MissingOf(const StreamState& stream) const {
  std::vector<std::string> names;
  for (const TopicInterest& topic : stream.start.topics) {
    if (Contains(seen_.missing, topic.full_topic)) names.push_back(topic.topic);
  }
  return names;
}

std::vector<std::string> Subscription::MissingTopics() {
  MutexLock lock(mu_);
  return NamesOf(seen_.missing);
}

std::vector<std::string> Subscription::NamesOf(const std::vector<std::string>& full_topics) const {
  std::vector<std::string> names;
  for (const std::string& full : full_topics) {
    names.push_back(world_.router->TopicOf(full).value_or(full));
  }
  return names;
}

// What the consumer says names topics with their prefix, which no client may see.
absl::Status Subscription::NoTopicExists(const std::vector<std::string>& names) {
  return MakeError(Reason::kTopicMissing,
                   fmt::format("subscribe: none of these topics exists: {}; create one on the "
                               "broker, with the topic prefix if one is set",
                               fmt::join(names, ", ")));
}

}  // namespace sidebus
