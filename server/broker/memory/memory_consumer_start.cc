// How MemoryConsumer joins a group, where it begins, and what its share is.

#include <algorithm>

#include "server/base/error.h"
#include "server/broker/memory/memory_consumer.h"

namespace sidebus {

bool MemoryConsumer::Join() {
  MutexLock lock(cluster_.mu);
  if (!to_pin_.empty()) PinNewTopics();
  if (joined_) return false;
  bool any = false;
  for (const std::string& topic : topics_) any |= cluster_.topics.contains(topic);
  if (!any) {
    MarkFailed(MakeError(Reason::kTopicMissing, "none of the topics exists: create one"));
    return true;
  }
  joined_ = true;
  next_commit_ = cluster_.clock.Now() + kCommitInterval;
  cluster_.groups[group_].push_back(this);
  cluster_.Changed();
  return true;
}

bool MemoryConsumer::TellTopics() {
  TopicsSeen seen;
  {
    MutexLock lock(cluster_.mu);
    for (const std::string& topic : topics_) {
      (cluster_.topics.contains(topic) ? seen.existing : seen.missing).push_back(topic);
    }
    if (seen == seen_) return false;
    seen_ = seen;
  }
  handler_.OnTopicsSeen(seen);
  return true;
}

void MemoryConsumer::PinNewTopics() {
  for (const std::string& topic : std::exchange(to_pin_, {})) {
    if (cluster_.topics.contains(topic)) Pin(topic);
  }
}

// Gives every partition a position when the group has none on the topic.
void MemoryConsumer::Pin(const std::string& topic) {
  const std::size_t partitions = cluster_.topics.at(topic).size();
  for (std::size_t i = 0; i < partitions; ++i) {
    if (cluster_.positions.contains({group_, topic, static_cast<std::int32_t>(i)})) return;
  }
  for (std::size_t i = 0; i < partitions; ++i) {
    const std::int64_t start = StartOf(topic, i);
    cluster_.positions[{group_, topic, static_cast<std::int32_t>(i)}] = {
        start, EncodeSparseAcks(start, {}, cluster_.topic_ids.at(topic))};
  }
}

MemoryCluster::GroupPosition MemoryConsumer::PositionOf(const std::string& topic,
                                                        std::int32_t partition) const {
  // A partition without a position is one that appeared after the group started.
  const auto position = cluster_.positions.find({group_, topic, partition});
  if (position == cluster_.positions.end()) return {};
  const std::string id = TopicIdOf(position->second.metadata);
  if (!id.empty() && id != cluster_.topic_ids.at(topic)) return {};
  return position->second;
}

std::int64_t MemoryConsumer::StartOf(const std::string& topic, std::size_t partition) const {
  const MemoryCluster::Log& log = cluster_.topics.at(topic)[partition];
  const auto end = static_cast<std::int64_t>(log.size());
  const StartPosition& start = options_.start;
  switch (start.at) {
    case StartPosition::At::kEarliest:
      return cluster_.LogStart(topic, static_cast<std::int32_t>(partition));
    case StartPosition::At::kLatest:
      return end;
    case StartPosition::At::kTime:
      for (std::size_t i = 0; i < log.size(); ++i) {
        if (log[i].timestamp >= start.time) return static_cast<std::int64_t>(i);
      }
      return end;
    case StartPosition::At::kPositions:
      for (const Position& position : start.positions) {
        if (position.topic == topic && position.partition == static_cast<std::int32_t>(partition)) {
          // Beyond the end: the log was truncated.
          return position.offset > end ? 0 : position.offset;
        }
      }
      return end;
  }
  return 0;
}

std::vector<std::pair<std::string, std::int32_t>> MemoryConsumer::Share() const {
  std::vector<std::pair<std::string, std::int32_t>> share;
  const auto members = cluster_.groups.find(group_);
  for (const std::string& topic : topics_) {
    const auto known = cluster_.topics.find(topic);
    if (known == cluster_.topics.end()) continue;
    std::size_t mine = 0;
    std::size_t interested = 0;
    for (const MemoryConsumer* member : members->second) {
      member->mu().AssertHeld();
      const auto& theirs = member->topics_;
      if (std::find(theirs.begin(), theirs.end(), topic) == theirs.end()) continue;
      if (member == this) mine = interested;
      ++interested;
    }
    // Range: the first ones get one more when it does not come out even.
    const std::size_t partitions = known->second.size();
    const std::size_t each = partitions / interested;
    const std::size_t more = partitions % interested;
    const std::size_t first = mine * each + std::min(mine, more);
    const std::size_t last = first + each + (mine < more ? 1 : 0);
    for (std::size_t i = first; i < last; ++i) {
      share.emplace_back(topic, static_cast<std::int32_t>(i));
    }
  }
  return share;
}

}  // namespace sidebus
