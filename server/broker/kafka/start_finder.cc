#include "server/broker/kafka/start_finder.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"
#include "server/broker/kafka/kafka_error.h"
#include "server/broker/sparse_acks.h"

namespace sidebus {
namespace {

constexpr Duration kFindAgainAfterFailure = std::chrono::milliseconds(500);
constexpr Duration kWriteAgainAfter = std::chrono::seconds(10);

void AddTopicIds(const std::map<std::string, std::string>& ids,
                 std::vector<PartitionOffset>& positions) {
  for (PartitionOffset& one : positions) {
    const auto id = ids.find(one.topic);
    if (id != ids.end()) one.metadata = EncodeSparseAcks(one.offset, {}, id->second);
  }
}

// The errors that waiting does not cure.
bool IsFinal(rd_kafka_resp_err_t error) { return ReasonOfKafka(error) == Reason::kBrokerDenied; }

}  // namespace

StartFinder::StartFinder(std::string group, StartPosition start, AdminRequests& requests)
    : group_(std::move(group)), start_(std::move(start)), requests_(requests) {}

void StartFinder::Pin(std::vector<std::string> topics, ThenPinned then) {
  pin_ = PinJob{.id = ++last_job_, .topics = std::move(topics), .then = std::move(then)};
  Describe();
}

void StartFinder::Describe() {
  requests_.Describe(pin_.topics, On(Job::kPin, &StartFinder::Describe, [this](Answer answer) {
                       if (answer.topics.empty() && !answer.partitions.empty()) {
                         const PartitionOffset& denied = answer.partitions.front();
                         Log(LogLevel::kError, "a group may not read a topic",
                             {{"group", group_},
                              {"topic", denied.topic},
                              {"error", rd_kafka_err2name(denied.error)}});
                         return Fail(Job::kPin, denied.error, "subscribe");
                       }
                       pin_.existing = std::move(answer.topics);
                       pin_.topic_ids = std::move(answer.topic_ids);
                       if (group_.empty() || pin_.existing.empty()) {
                         return FinishPin(absl::OkStatus());
                       }
                       ReadGroup();
                     }));
}

void StartFinder::ReadGroup() {
  Partitions all;
  for (const auto& [topic, partitions] : pin_.existing) {
    for (std::int32_t i = 0; i < partitions; ++i) all.push_back({topic, i, -1, {}});
  }
  requests_.GroupPositions(
      group_, all,
      On(Job::kPin, &StartFinder::Describe, [this](Answer answer) { OnGroup(answer.partitions); }));
}

void StartFinder::OnGroup(const Partitions& positions) {
  std::set<std::string> standing;
  for (const PartitionOffset& one : positions) {
    if (one.offset >= 0) standing.insert(one.topic);
  }
  Partitions wanted;
  std::set<std::string> nowhere;
  for (const PartitionOffset& one : positions) {
    if (standing.contains(one.topic)) continue;
    nowhere.insert(one.topic);
    wanted.push_back({one.topic, one.partition, StartOf(one), {}});
  }
  if (wanted.empty()) return FinishPin(absl::OkStatus());
  if (pin_.refused) {
    for (const std::string& topic : nowhere) open_.try_emplace(topic, pin_.existing.at(topic));
    return FinishPin(absl::OkStatus());
  }
  Resolve(Job::kPin, std::move(wanted),
          [this](Partitions resolved) { WriteGroup(std::move(resolved)); });
}

void StartFinder::WriteGroup(Partitions positions) {
  AddTopicIds(pin_.topic_ids, positions);
  const std::uint64_t id = pin_.id;
  const std::uint64_t write = ++pin_.writes;
  const auto still_waits = [this, id, write] { return id == pin_.id && write == pin_.writes; };
  // It may have been forgotten (AdminRequests): then see what the group has by now. One that is
  // remembered later is refused, because the group has a member.
  retries_.push_back({Clock::Real().Now() + kWriteAgainAfter, [this, still_waits] {
                        if (!still_waits()) return;
                        ++pin_.writes;
                        Describe();
                      }});
  requests_.SetGroupPositions(group_, positions, [this, still_waits](Answer answer) {
    if (!still_waits()) return;
    ++pin_.writes;
    if (answer.error == RD_KAFKA_RESP_ERR_NO_ERROR) return FinishPin(absl::OkStatus());
    if (IsFinal(answer.error)) {
      return Fail(Job::kPin, answer.error, "set the positions of the group");
    }
    pin_.refused = SaysGroupHasMembers(answer.error);
    if (pin_.refused) return ReadGroup();
    Again(Job::kPin, [this] { Describe(); });
  });
}

void StartFinder::FinishPin(absl::Status status, rd_kafka_resp_err_t error) {
  ThenPinned then = std::move(pin_.then);
  Pinned pinned{std::move(status), error, std::move(pin_.existing)};
  pin_ = {};
  then(std::move(pinned));
}

void StartFinder::Locate(std::vector<PartitionOffset> partitions, bool at_beginning,
                         ThenLocated then) {
  locate_ = LocateJob{++last_job_, std::move(partitions), at_beginning, std::move(then)};
  if (locate_.partitions.empty()) return FinishLocate(absl::OkStatus());
  if (group_.empty()) return ResolveAssigned();
  ReadAssigned();
}

void StartFinder::ReadAssigned() {
  requests_.GroupPositions(group_, locate_.partitions,
                           On(Job::kLocate, &StartFinder::ReadAssigned, [this](Answer answer) {
                             locate_.partitions = std::move(answer.partitions);
                             DescribeAssigned();
                           }));
}

// What was last seen of them may be older than a position that another member committed.
void StartFinder::DescribeAssigned() {
  std::set<std::string> topics;
  for (const PartitionOffset& one : locate_.partitions) topics.insert(one.topic);
  requests_.Describe({topics.begin(), topics.end()},
                     On(Job::kLocate, &StartFinder::DescribeAssigned, [this](Answer answer) {
                       locate_.topic_ids = std::move(answer.topic_ids);
                       ResolveAssigned();
                     }));
}

void StartFinder::ResolveAssigned() {
  Partitions wanted;
  Partitions located;
  for (const PartitionOffset& one : locate_.partitions) {
    if (one.offset >= 0) {
      located.push_back(one);
      continue;
    }
    const bool start = group_.empty() ? !locate_.at_beginning : IsOpen(one);
    const std::int64_t spec = start ? StartOf(one) : AdminRequests::kBeginning;
    if (spec >= 0 && start_.at == StartPosition::At::kPositions) {
      located.push_back({one.topic, one.partition, spec, {}});
    } else {
      wanted.push_back({one.topic, one.partition, spec, {}});
    }
  }
  locate_.partitions = std::move(located);
  if (wanted.empty()) return FinishLocate(absl::OkStatus());
  Resolve(Job::kLocate, std::move(wanted), [this](Partitions resolved) {
    Partitions open;
    for (const PartitionOffset& one : resolved) {
      if (IsOpen(one)) open.push_back(one);
      locate_.partitions.push_back(one);
    }
    if (group_.empty() || open.empty()) return FinishLocate(absl::OkStatus());
    AddTopicIds(locate_.topic_ids, open);
    CommitOpen(open);
  });
}

void StartFinder::CommitOpen(const Partitions& open) {
  const std::uint64_t id = locate_.id;
  requests_.Commit(open, [this, id, open](Answer answer) {
    if (id != locate_.id) return;
    if (answer.error == RD_KAFKA_RESP_ERR_NO_ERROR) return FinishLocate(absl::OkStatus());
    if (IsFinal(answer.error)) {
      return Fail(Job::kLocate, answer.error, "commit the positions of the group");
    }
    Again(Job::kLocate, [this, open] { CommitOpen(open); });
  });
}

void StartFinder::FinishLocate(absl::Status status, rd_kafka_resp_err_t error) {
  ThenLocated then = std::move(locate_.then);
  Located located{std::move(status), error, std::move(locate_.partitions),
                  std::move(locate_.topic_ids)};
  locate_ = {};
  then(std::move(located));
}

// A partition that was added since then is new, and begins at its beginning.
bool StartFinder::IsOpen(const PartitionOffset& partition) const {
  const auto topic = open_.find(partition.topic);
  return topic != open_.end() && partition.partition < topic->second;
}

std::int64_t StartFinder::StartOf(const PartitionOffset& partition) const {
  switch (start_.at) {
    case StartPosition::At::kEarliest:
      return AdminRequests::kBeginning;
    case StartPosition::At::kLatest:
      return AdminRequests::kEnd;
    case StartPosition::At::kTime:
      return AdminRequests::SpecOf(start_.time);
    case StartPosition::At::kPositions:
      break;
  }
  for (const Position& position : start_.positions) {
    if (position.topic == partition.topic && position.partition == partition.partition) {
      return position.offset;
    }
  }
  return AdminRequests::kEnd;
}

void StartFinder::Resolve(Job job, Partitions wanted, absl::AnyInvocable<void(Partitions)> then) {
  const std::uint64_t id = IdOf(job);
  requests_.Offsets(wanted, [this, job, id, wanted, then = std::move(then)](Answer answer) mutable {
    if (id != IdOf(job)) return;
    if (IsFinal(answer.error)) {
      return Fail(job, answer.error, "read the offsets of the topics");
    }
    if (answer.error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      // A topic may be gone.
      if (job == Job::kPin) return Again(job, [this] { Describe(); });
      return Again(job, [this, job, wanted = std::move(wanted), then = std::move(then)]() mutable {
        Resolve(job, std::move(wanted), std::move(then));
      });
    }
    ResolveEnds(job, std::move(answer.partitions), std::move(then));
  });
}

// No record has the wanted time or a later one: the end.
void StartFinder::ResolveEnds(Job job, Partitions resolved,
                              absl::AnyInvocable<void(Partitions)> then) {
  Partitions ends;
  Partitions found;
  for (const PartitionOffset& one : resolved) {
    (one.offset < 0 ? ends : found).push_back(one);
  }
  if (ends.empty()) return then(std::move(found));
  for (PartitionOffset& one : ends) one.offset = AdminRequests::kEnd;
  Resolve(job, std::move(ends),
          [found = std::move(found), then = std::move(then)](Partitions rest) mutable {
            found.insert(found.end(), rest.begin(), rest.end());
            then(std::move(found));
          });
}

AdminRequests::Then StartFinder::On(Job job, void (StartFinder::*again)(),
                                    absl::AnyInvocable<void(Answer)> good) {
  const std::uint64_t id = IdOf(job);
  return [this, job, id, again, good = std::move(good)](Answer answer) mutable {
    if (id != IdOf(job)) return;
    if (answer.error == RD_KAFKA_RESP_ERR_NO_ERROR) return good(std::move(answer));
    if (IsFinal(answer.error)) {
      return Fail(job, answer.error, "read the positions of the group");
    }
    Again(job, [this, again] { (this->*again)(); });
  };
}

void StartFinder::Again(Job job, absl::AnyInvocable<void()> run) {
  const std::uint64_t id = IdOf(job);
  retries_.push_back({Clock::Real().Now() + kFindAgainAfterFailure,
                      [this, job, id, run = std::move(run)]() mutable {
                        if (id == IdOf(job)) run();
                      }});
}

void StartFinder::Fail(Job job, rd_kafka_resp_err_t error, std::string_view doing) {
  absl::Status status = ErrorOfKafka(error, doing);
  if (job == Job::kPin) return FinishPin(std::move(status), error);
  FinishLocate(std::move(status), error);
}

void StartFinder::Tick(SteadyTime now) {
  std::vector<Retry> due;
  for (auto retry = retries_.begin(); retry != retries_.end();) {
    if (retry->at > now) {
      ++retry;
      continue;
    }
    due.push_back(std::move(*retry));
    retry = retries_.erase(retry);
  }
  for (Retry& retry : due) retry.run();
}

}  // namespace sidebus
