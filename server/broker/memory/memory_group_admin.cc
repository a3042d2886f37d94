#include "server/broker/memory/memory_group_admin.h"

#include <algorithm>

#include "server/base/error.h"
#include "server/broker/memory/memory_consumer.h"

namespace sidebus {

MemoryGroupAdmin::MemoryGroupAdmin(MemoryCluster& cluster) : cluster_(cluster) {
  client_ = cluster_.Add(*this);
}

MemoryGroupAdmin::~MemoryGroupAdmin() { cluster_.Remove(client_); }

void MemoryGroupAdmin::Describe(const std::string& group, std::vector<std::string>,
                                Done<GroupDescription> done) {
  Ask([this, group, done = std::move(done)]() mutable { done(DescribeNow(group)); });
}

void MemoryGroupAdmin::FindOffsets(std::vector<std::string> topics, StartPosition at,
                                   Done<std::vector<Position>> done) {
  Ask([this, topics = std::move(topics), at = std::move(at), done = std::move(done)]() mutable {
    done(FindNow(topics, at));
  });
}

void MemoryGroupAdmin::SetPositions(const std::string& group, std::vector<Position> positions,
                                    absl::AnyInvocable<void(absl::Status)> done) {
  Ask([this, group, positions = std::move(positions), done = std::move(done)]() mutable {
    done(SetNow(group, positions));
  });
}

Duration MemoryGroupAdmin::members_stay() const {
  MutexLock lock(cluster_.mu);
  return cluster_.members_stay;
}

bool MemoryGroupAdmin::Work() {
  absl::AnyInvocable<void()> question;
  {
    MutexLock lock(cluster_.mu);
    if (questions_.empty()) return false;
    question = std::move(questions_.front());
    questions_.pop_front();
  }
  question();
  return true;
}

void MemoryGroupAdmin::Ask(absl::AnyInvocable<void()> question) {
  MutexLock lock(cluster_.mu);
  questions_.push_back(std::move(question));
  cluster_.Changed();
}

absl::Status MemoryGroupAdmin::Reach() const {
  MutexLock lock(cluster_.mu);
  if (!cluster_.faults.unreachable) return absl::OkStatus();
  return MakeError(Reason::kBrokerDown, "the broker cannot be reached");
}

absl::StatusOr<GroupDescription> MemoryGroupAdmin::DescribeNow(const std::string& group) const {
  if (const absl::Status reached = Reach(); !reached.ok()) return reached;
  MutexLock lock(cluster_.mu);
  GroupDescription found;
  std::vector<GroupMember>& members = found.members.emplace();
  const auto joined = cluster_.groups.find(group);
  if (joined != cluster_.groups.end()) {
    for (const MemoryConsumer* consumer : joined->second) {
      GroupMember& member = members.emplace_back();
      member.id = consumer->id();
      member.name = consumer->member().empty() ? "memory" : consumer->member();
      for (const auto& [key, owner] : cluster_.owners) {
        if (owner.consumer != consumer) continue;
        member.partitions.emplace_back(std::get<1>(key), std::get<2>(key));
      }
    }
  }
  for (const auto& one : cluster_.StayingIn(group)) members.push_back({one.id, "static", {}});
  for (const auto& [key, position] : cluster_.positions) {
    const auto& [of, topic, partition] = key;
    if (of == group) found.positions.push_back({topic, partition, position.offset});
  }
  if (members.empty() && found.positions.empty()) {
    return MakeError(Reason::kGroupUnknown, "the broker does not know the group: check its name");
  }
  return found;
}

absl::StatusOr<std::vector<Position>> MemoryGroupAdmin::FindNow(
    const std::vector<std::string>& topics, const StartPosition& at) const {
  if (const absl::Status reached = Reach(); !reached.ok()) return reached;
  MutexLock lock(cluster_.mu);
  std::vector<Position> found;
  for (const std::string& topic : topics) {
    const auto logs = cluster_.topics.find(topic);
    if (logs == cluster_.topics.end()) continue;
    std::int32_t partition = 0;
    for (const MemoryCluster::Log& log : logs->second) {
      auto offset = static_cast<std::int64_t>(log.size());
      if (at.at == StartPosition::At::kEarliest) offset = cluster_.LogStart(topic, partition);
      if (at.at == StartPosition::At::kTime) {
        offset = std::find_if(log.begin(), log.end(),
                              [&](const auto& entry) { return entry.timestamp >= at.time; }) -
                 log.begin();
      }
      found.push_back({topic, partition++, offset});
    }
  }
  return found;
}

absl::Status MemoryGroupAdmin::SetNow(const std::string& group,
                                      const std::vector<Position>& positions) {
  if (const absl::Status reached = Reach(); !reached.ok()) return reached;
  MutexLock lock(cluster_.mu);
  const auto members = cluster_.groups.find(group);
  const bool some = members != cluster_.groups.end() && !members->second.empty();
  if (some || !cluster_.StayingIn(group).empty()) {
    return MakeError(Reason::kGroupActive, "the group has members: stop them first");
  }
  for (const Position& one : positions) {
    cluster_.positions[{group, one.topic, one.partition}] = {one.offset, ""};
  }
  cluster_.Changed();
  return absl::OkStatus();
}

}  // namespace sidebus
