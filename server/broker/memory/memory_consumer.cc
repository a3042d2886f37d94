#include "server/broker/memory/memory_consumer.h"

#include <algorithm>

#include "server/base/error.h"

namespace sidebus {

MemoryConsumer::MemoryConsumer(MemoryCluster& cluster, ConsumerOptions options,
                               ConsumerHandler& handler)
    : cluster_(cluster),
      handler_(handler),
      options_(std::move(options)),
      broadcast_(options_.group.empty()) {
  {
    MutexLock lock(cluster_.mu);
    // A name that no client can give.
    group_ = broadcast_ ? "\n" + std::to_string(++cluster_.last_group) : options_.group;
    id_ = "member-" + std::to_string(++cluster_.last_member);
    topics_ = options_.topics;
    to_pin_ = options_.topics;
  }
  client_ = cluster_.Add(*this);
}

MemoryConsumer::~MemoryConsumer() {
  cluster_.Remove(client_);
  MutexLock lock(cluster_.mu);
  for (const auto& [id, assigned] : assignments_) GiveUp(id, assigned);
  std::erase(cluster_.groups[group_], this);
  cluster_.Changed();
}

bool MemoryConsumer::Ack(const DeliveryTag& tag) {
  MutexLock lock(cluster_.mu);
  const auto assigned = assignments_.find(tag.assignment);
  if (assigned == assignments_.end() || !assigned->second.tracker.Ack(tag.offset)) return false;
  if (!broadcast_) ++assigned->second.acks;
  return true;
}

void MemoryConsumer::RoomReturned(AssignmentId assignment) {
  MutexLock lock(cluster_.mu);
  const auto assigned = assignments_.find(assignment);
  if (assigned == assignments_.end()) return;
  assigned->second.no_room = false;
  cluster_.Changed();
}

void MemoryConsumer::SetTopics(std::vector<std::string> topics) {
  MutexLock lock(cluster_.mu);
  for (const std::string& topic : topics) {
    if (std::find(topics_.begin(), topics_.end(), topic) == topics_.end()) to_pin_.push_back(topic);
  }
  topics_ = std::move(topics);
  cluster_.Changed();
}

void MemoryConsumer::Commit(Done done) {
  MutexLock lock(cluster_.mu);
  commits_.push_back(std::move(done));
  cluster_.Changed();
}

void MemoryConsumer::Close(Done done) {
  MutexLock lock(cluster_.mu);
  close_ = std::move(done);
  cluster_.Changed();
}

ConsumerStats MemoryConsumer::stats() const {
  MutexLock lock(cluster_.mu);
  ConsumerStats stats = stats_;
  for (const auto& [id, assigned] : assignments_) {
    ConsumerStats::Topic& topic = stats.topics[assigned.topic];
    const auto& log =
        cluster_.topics.at(assigned.topic)[static_cast<std::size_t>(assigned.partition)];
    ++topic.partitions;
    stats.CountAckMetadata(assigned.acks_size);
    stats.acks_waiting += assigned.acks;
    topic.lag_events += static_cast<std::uint64_t>(std::max<std::int64_t>(
        0, static_cast<std::int64_t>(log.size()) - assigned.tracker.ack_floor()));
  }
  return stats;
}

std::string MemoryConsumer::member_id() const {
  MutexLock lock(cluster_.mu);
  return joined_ && !broadcast_ ? id_ : "";
}

std::vector<AssignmentState> MemoryConsumer::assignments() const {
  std::vector<AssignmentState> states;
  MutexLock lock(cluster_.mu);
  for (const auto& [id, assigned] : assignments_) {
    const auto& log =
        cluster_.topics.at(assigned.topic)[static_cast<std::size_t>(assigned.partition)];
    const auto committed = cluster_.positions.find(KeyOf(assigned));
    const bool stands = !broadcast_ && committed != cluster_.positions.end();
    const auto lost = lost_.find({assigned.topic, assigned.partition});
    states.push_back({.topic = assigned.topic,
                      .partition = assigned.partition,
                      .committed = stands ? committed->second.offset : -1,
                      .next = assigned.next,
                      .end = static_cast<std::int64_t>(log.size()),
                      .settled_above = CountOffsets(assigned.tracker.sparse_acks()),
                      .crowded = assigned.acks_size >= kCrowdedAckMetadata,
                      .lost = lost == lost_.end() ? RetentionLoss() : lost->second});
  }
  return states;
}

void MemoryConsumer::MarkRevoked(bool lost) {
  for (auto& [id, assigned] : assignments_) {
    assigned.taken = true;
    assigned.lost = assigned.lost || lost;
    if (lost) GiveUp(id, assigned);
  }
}

void MemoryConsumer::MarkMadeAnew(const std::string& topic) {
  for (auto& [id, assigned] : assignments_) {
    if (assigned.topic != topic) continue;
    assigned.taken = assigned.lost = true;
    GiveUp(id, assigned);
  }
}

void MemoryConsumer::MarkCutOff(Duration silence) {
  MarkRevoked(true);
  joined_ = false;
  deaf_until_ = cluster_.clock.Now() + silence;
}

void MemoryConsumer::GiveUp(AssignmentId id, const Assigned& assigned) {
  const auto owner = cluster_.owners.find(KeyOf(assigned));
  if (owner != cluster_.owners.end() && owner->second.assignment == id) {
    cluster_.owners.erase(owner);
  }
}

void MemoryConsumer::MarkFailed(const absl::Status& why) {
  if (!failed_) to_tell_ = why;
  failed_ = true;
}

bool MemoryConsumer::Work() {
  bool closing = false;
  bool failed = false;
  bool offline = false;
  std::optional<absl::Status> to_tell;
  {
    MutexLock lock(cluster_.mu);
    if (closed_ || cluster_.clock.Now() < deaf_until_) return false;
    closing = close_.has_value();
    failed = failed_;
    offline = cluster_.faults.unreachable;
    if (!closing) to_tell = std::exchange(to_tell_, std::nullopt);
  }
  if (closing) return RevokeOne(true) || Leave();
  if (to_tell.has_value()) {
    handler_.OnFailed(*to_tell);
    return true;
  }
  if (offline) return false;
  if (failed) return RevokeOne(true);
  return Join() || TellTopics() || RevokeOne(false) || AssignOne() || CommitIfDue() || FetchOne();
}

// A partition that goes and that nobody holds anything of (any more). The others are told.
std::optional<AssignmentId> MemoryConsumer::FindToRevoke(bool all) {
  std::vector<AssignmentId> going;
  std::vector<std::pair<AssignmentId, SteadyTime>> untold;
  {
    MutexLock lock(cluster_.mu);
    if (assignments_.empty()) return std::nullopt;
    const auto share = all ? decltype(Share())() : Share();
    const SteadyTime now = cluster_.clock.Now();
    for (auto& [id, assigned] : assignments_) {
      const bool stays = !assigned.taken &&
                         std::find(share.begin(), share.end(),
                                   std::pair(assigned.topic, assigned.partition)) != share.end();
      if (stays && !assigned.revoking_until.has_value()) continue;
      going.push_back(id);
      if (all || assigned.lost || options_.revoke_grace == Duration::zero()) return id;
      if (!assigned.revoking_until.has_value()) {
        assigned.revoking_until = now + options_.revoke_grace;
        untold.emplace_back(id, *assigned.revoking_until);
      } else if (now >= *assigned.revoking_until) {
        return id;
      }
    }
  }
  for (const auto& [id, until] : untold) handler_.OnRevoking(id, until);
  for (const AssignmentId id : going) {
    if (handler_.Held(id) == 0) return id;
  }
  return std::nullopt;
}

bool MemoryConsumer::RevokeOne(bool all) {
  const std::optional<AssignmentId> found = FindToRevoke(all);
  if (!found.has_value()) return false;
  const AssignmentId id = *found;
  bool lost = false;
  {
    MutexLock lock(cluster_.mu);
    lost = assignments_.at(id).lost;
  }
  handler_.OnRevoked(id, lost);
  MutexLock lock(cluster_.mu);
  const auto assigned = assignments_.find(id);
  bool all_committed = true;
  if (lost) {
    all_committed = broadcast_ || !assigned->second.tracker.TakeCommittable().has_value();
  } else {
    const absl::Status committed = CommitOne(assigned->second);
    if (close_.has_value()) close_status_.Update(committed);
    all_committed = committed.ok();
  }
  if (!all_committed) stats_.acks_lost += assigned->second.acks;
  ++(lost ? stats_.lost : stats_.revoked);
  GiveUp(id, assigned->second);
  assignments_.erase(assigned);
  cluster_.Changed();
  return true;
}

bool MemoryConsumer::AssignOne() {
  AssignmentId id;
  std::string topic;
  std::int32_t partition = -1;
  {
    MutexLock lock(cluster_.mu);
    id = AssignmentId(cluster_.last_assignment + 1);
    for (const auto& [name, number] : Share()) {
      const MemoryCluster::Owner mine{this, id};
      if (!cluster_.owners.try_emplace({group_, name, number}, mine).second) continue;
      topic = name;
      partition = number;
      break;
    }
    if (partition < 0) return false;
    ++cluster_.last_assignment;
    const MemoryCluster::GroupPosition start = PositionOf(topic, partition);
    const auto settled = DecodeSparseAcks(start.offset, start.metadata);
    assignments_.emplace(id, Assigned{.topic = topic,
                                      .partition = partition,
                                      .topic_id = cluster_.topic_ids.at(topic),
                                      .tracker = OffsetTracker(
                                          start.offset, settled.value_or(std::vector<OffsetRun>())),
                                      .next = start.offset});
    ++stats_.assigned;
  }
  handler_.OnAssigned(id, topic, partition);
  return true;
}

absl::Status MemoryConsumer::CommitFailed(Assigned& assigned, std::int64_t before) {
  ++stats_.commits_failed;
  assigned.tracker.CommitFailed(before);
  return MakeError(Reason::kBrokerDown, "the position was not committed");
}

absl::Status MemoryConsumer::CommitOne(Assigned& assigned) {
  MemoryCluster::GroupPosition& committed = cluster_.positions[KeyOf(assigned)];
  const auto position = assigned.tracker.TakeCommittable();
  if (broadcast_ || !position.has_value()) return absl::OkStatus();
  MemoryCluster::Faults& faults = cluster_.faults;
  if (faults.unreachable || faults.hold_commits || faults.fail_commits > 0 || assigned.lost) {
    if (faults.fail_commits > 0) --faults.fail_commits;
    return CommitFailed(assigned, committed.offset);
  }
  std::size_t left_out = 0;
  const std::int64_t before = committed.offset;
  committed = {*position, EncodeSparseAcks(*position, assigned.tracker.sparse_acks(),
                                           assigned.topic_id, &left_out)};
  ++cluster_.commits;
  if (faults.lose_commit_answers > 0) {
    --faults.lose_commit_answers;
    return CommitFailed(assigned, before);
  }
  ++stats_.commits_ok;
  stats_.last_commit = cluster_.clock.WallNow();
  assigned.acks_size = committed.metadata.size();
  assigned.acks = 0;
  if (left_out > 0) ++stats_.acks_left_out;
  return absl::OkStatus();
}

bool MemoryConsumer::CommitIfDue() {
  std::vector<Done> commits;
  absl::Status status;
  {
    MutexLock lock(cluster_.mu);
    const SteadyTime now = cluster_.clock.Now();
    if (cluster_.faults.hold_commits || (commits_.empty() && now < next_commit_)) return false;
    next_commit_ = now + kCommitInterval;
    commits = std::exchange(commits_, {});
    for (auto& [id, assigned] : assignments_) status.Update(CommitOne(assigned));
  }
  for (Done& done : commits) done(status);
  return !commits.empty();
}

bool MemoryConsumer::FetchOne() {
  AssignmentId id;
  {
    MutexLock lock(cluster_.mu);
    if (assignments_.empty()) return false;
    auto candidate = assignments_.upper_bound(last_fetched_);
    bool found = false;
    for (std::size_t i = 0; i < assignments_.size() && !found; ++i) {
      if (candidate == assignments_.end()) candidate = assignments_.begin();
      Assigned& assigned = candidate->second;
      const auto& log =
          cluster_.topics.at(assigned.topic)[static_cast<std::size_t>(assigned.partition)];
      found = !assigned.no_room && !assigned.revoking_until.has_value() &&
              assigned.acks_size < kCrowdedAckMetadata &&
              assigned.next < static_cast<std::int64_t>(log.size());
      if (found) {
        id = candidate->first;
        assigned.no_room = true;  // before asking: RoomReturned() may come while we do
      }
      ++candidate;
    }
    if (!found) return false;
    last_fetched_ = id;
  }
  const Room room = handler_.RoomFor(id);
  if (room.events == 0) return true;

  std::vector<ConsumedRecord> records;
  {
    MutexLock lock(cluster_.mu);
    Assigned& assigned = assignments_.at(id);
    assigned.no_room = false;
    SkipExpired(assigned);
    const auto& log =
        cluster_.topics.at(assigned.topic)[static_cast<std::size_t>(assigned.partition)];
    std::uint64_t bytes = 0;
    while (records.size() < room.events && bytes < room.bytes &&
           assigned.next < static_cast<std::int64_t>(log.size())) {
      const std::int64_t offset = assigned.next++;
      if (!assigned.tracker.Track(offset)) continue;
      const auto& entry = log[static_cast<std::size_t>(offset)];
      bytes += SizeOf(entry.record);
      records.push_back({{id, offset}, offset, entry.timestamp, RawRecordOf(entry.record)});
    }
  }
  if (!records.empty()) handler_.OnRecords(id, std::move(records));
  return true;
}

void MemoryConsumer::SkipExpired(Assigned& assigned) {
  const std::int64_t start = cluster_.LogStart(assigned.topic, assigned.partition);
  if (assigned.next >= start) return;
  assigned.next = start;
  RetentionLoss& lost = lost_[{assigned.topic, assigned.partition}];
  assigned.tracker.SkipTo(std::min(lost.went_on_at, start));  // counted before
  lost.events += assigned.tracker.SkipTo(start);
  lost.went_on_at = start;
  ++stats_.lost_to_retention[assigned.topic];
}

bool MemoryConsumer::Leave() {
  std::vector<Done> commits;
  Done close;
  absl::Status status;
  {
    MutexLock lock(cluster_.mu);
    closed_ = true;
    std::erase(cluster_.groups[group_], this);
    const bool stays = cluster_.members_stay > Duration::zero() && !options_.reads_to_end;
    if (joined_ && !broadcast_ && stays) {
      cluster_.staying[group_].push_back({id_, cluster_.clock.Now() + cluster_.members_stay});
    }
    commits = std::exchange(commits_, {});
    close = *std::move(close_);
    status = close_status_;
    cluster_.Changed();
  }
  for (Done& done : commits) done(status);
  close(status);
  return true;
}

}  // namespace sidebus
