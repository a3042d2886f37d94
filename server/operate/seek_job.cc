#include "server/operate/seek_job.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/event/topic_name.h"
#include "server/subscribe/subscription.h"

namespace sidebus {
namespace {

// The broker may be told a little later than we know that a member has joined or left.
constexpr Duration kSeekPatience = std::chrono::seconds(10);
constexpr Duration kAgain = std::chrono::milliseconds(250);

constexpr char kDrainReason[] = "an operator moves the positions of the group";

absl::Status Active(std::string_view why) {
  return MakeError(Reason::kGroupActive, fmt::format("seek: {}", why));
}

std::string NamesOf(const std::vector<GroupMember>& members) {
  constexpr std::size_t kMost = 5;
  std::vector<std::string> names;
  for (const GroupMember& member : members) {
    if (names.size() == kMost) {
      names.push_back("...");
      break;
    }
    names.push_back(member.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

void SeekJob::Start(const OperateWorld& world, std::shared_ptr<Gate> gate, SeekOrder order,
                    Done done) {
  const std::shared_ptr<SeekJob> job(
      new SeekJob(world, std::move(gate), std::move(order), std::move(done)));
  // The first step may fail, and `done` must not run in here.
  world.timers.At(world.clock.Now(), Behind(job->gate_, [job] { job->Run(); }));
}

SeekJob::SeekJob(const OperateWorld& world, std::shared_ptr<Gate> gate, SeekOrder order, Done done)
    : world_(world), gate_(std::move(gate)), order_(std::move(order)), done_(std::move(done)) {}

void SeekJob::Run() {
  describe_until_ = world_.clock.Now() + kSeekPatience;
  if (const absl::Status checked = CheckOrder(); !checked.ok()) return Fail(checked);
  if (const absl::Status checked = CheckHere(); !checked.ok()) return Fail(checked);
  Describe(&SeekJob::OnDescribed);
}

absl::Status SeekJob::CheckOrder() const {
  if (absl::Status checked = CheckGroupName(order_.group); !checked.ok()) return checked;
  for (const std::string& topic : order_.topics) {
    if (!IsTopicName(topic)) return InvalidField("topics", "no topic can have such a name");
  }
  if (order_.to.at != StartPosition::At::kPositions) return absl::OkStatus();
  if (!order_.topics.empty()) {
    return InvalidField("topics", "positions name their topics themselves");
  }
  if (order_.to.positions.empty()) return InvalidField("positions", "there are none");
  std::set<Key> seen;
  for (const Position& one : order_.to.positions) {
    if (!IsTopicName(one.topic) || one.partition < 0 || one.offset < 0) {
      return InvalidField("positions", "each has a topic, a partition and an offset from 0");
    }
    if (!seen.emplace(one.topic, one.partition).second) {
      return InvalidField("positions",
                          fmt::format("{}/{} is there twice", one.topic, one.partition));
    }
  }
  return absl::OkStatus();
}

absl::Status SeekJob::CheckHere() {
  if (order_.dry_run) return absl::OkStatus();
  hold_ = world_.subscriptions.HoldBack(order_.group);
  if (hold_ == nullptr) return Active("another seek of the group is under way: wait for its end");
  for (auto& subscription : world_.subscriptions.OfGroup(order_.group)) {
    if (subscription->streams() > 0 && !order_.force) {
      return Active(
          "streams of this gateway read the group: end them first, or use force, which ends them");
    }
    // Others wait behind it, and begin when all is done.
    if (subscription->begun()) here_.push_back(std::move(subscription));
  }
  return absl::OkStatus();
}

void SeekJob::Describe(void (SeekJob::*then)(GroupDescription)) {
  world_.groups.Describe(
      order_.group, KnownTopics(world_, order_.group),
      Behind(gate_, [self = shared_from_this(), then](absl::StatusOr<GroupDescription> found) {
        if (!found.ok()) return self->Fail(found.status());
        ((*self).*then)(*std::move(found));
      }));
}

// Members that are not this process.
std::vector<GroupMember> SeekJob::OthersOf(const GroupDescription& found) const {
  std::vector<GroupMember> members = found.members.value_or(std::vector<GroupMember>());
  for (const auto& subscription : here_) {
    std::erase_if(members, [id = subscription->MemberId()](const GroupMember& member) {
      return !id.empty() && member.id == id;
    });
  }
  return members;
}

// The broker may know a member before it knows itself.
bool SeekJob::OneOfUsIsJoining() const {
  return std::ranges::any_of(
      here_, [](const auto& subscription) { return subscription->MemberId().empty(); });
}

absl::Status SeekJob::MembersLeft(const std::vector<GroupMember>& others) const {
  std::string text = fmt::format("the group has members: {}; stop them first", NamesOf(others));
  if (const Duration stay = world_.groups.members_stay(); stay > Duration::zero()) {
    text += fmt::format(" (a static member stays one for {} s after its end)",
                        std::chrono::ceil<std::chrono::seconds>(stay).count());
  }
  return Active(text);
}

void SeekJob::OnDescribed(GroupDescription found) {
  const std::vector<GroupMember> others = OthersOf(found);
  if (!order_.dry_run && !others.empty()) {
    if (!OneOfUsIsJoining() || world_.clock.Now() >= describe_until_) {
      return Fail(MembersLeft(others));
    }
    world_.timers.At(world_.clock.Now() + kAgain, Behind(gate_, [self = shared_from_this()] {
                       self->Describe(&SeekJob::OnDescribed);
                     }));
    return;
  }
  for (const Position& one : found.positions) {
    if (world_.router->TopicOf(one.topic)) stands_[{one.topic, one.partition}] = one.offset;
  }
  std::set<std::string> topics;
  for (const std::string& topic : order_.topics) topics.insert(world_.router->FullTopicOf(topic));
  for (const Position& one : order_.to.positions) {
    topics.insert(world_.router->FullTopicOf(one.topic));
  }
  if (topics.empty()) {
    for (const auto& [key, offset] : stands_) topics.insert(key.first);
  }
  if (topics.empty()) return Fail(InvalidField("topics", "the group stands on none: name them"));
  topics_.assign(topics.begin(), topics.end());
  if (order_.to.at != StartPosition::At::kPositions) {
    return FindOffsets(order_.to.at,
                       [this](const std::vector<Position>& offsets) { OnTargets(offsets); });
  }
  FindOffsets(StartPosition::At::kEarliest, [this](std::vector<Position> begins) {
    FindOffsets(StartPosition::At::kLatest,
                [this, begins = std::move(begins)](const std::vector<Position>& ends) {
                  OnBounds(begins, ends);
                });
  });
}

// `then` runs while this lives.
void SeekJob::FindOffsets(StartPosition::At at,
                          absl::AnyInvocable<void(std::vector<Position>)> then) {
  StartPosition start;
  start.at = at;
  start.time = order_.to.time;
  world_.groups.FindOffsets(
      topics_, start,
      Behind(gate_, [self = shared_from_this(),
                     then = std::move(then)](absl::StatusOr<std::vector<Position>> found) mutable {
        if (!found.ok()) return self->Fail(found.status());
        if (const absl::Status missing = self->MissingTopic(*found); !missing.ok()) {
          return self->Fail(missing);
        }
        then(*std::move(found));
      }));
}

absl::Status SeekJob::MissingTopic(const std::vector<Position>& found) const {
  for (const std::string& full : topics_) {
    if (std::ranges::any_of(found, [&](const auto& one) { return one.topic == full; })) continue;
    const std::string topic = world_.router->TopicOf(full).value_or("");
    const std::string hint = PrefixHint(*world_.router, topic);
    return MakeError(Reason::kTopicMissing,
                     fmt::format("seek: topic {} does not exist: {}", topic,
                                 hint.empty() ? "check its name" : hint),
                     {{std::string(error_key::kTopic), topic}});
  }
  return absl::OkStatus();
}

void SeekJob::OnTargets(const std::vector<Position>& found) {
  Offsets targets;
  for (const Position& one : found) targets[{one.topic, one.partition}] = one.offset;
  SetTargets(std::move(targets));
}

void SeekJob::OnBounds(const std::vector<Position>& begins, const std::vector<Position>& ends) {
  const auto offset_of = [](const std::vector<Position>& all, const Key& key) {
    const auto same = std::ranges::find_if(all, [&](const auto& one) {
      return one.topic == key.first && one.partition == key.second;
    });
    return same == all.end() ? -1 : same->offset;
  };
  Offsets targets;
  for (const Position& one : order_.to.positions) {
    const Key key(world_.router->FullTopicOf(one.topic), one.partition);
    const std::int64_t begin = offset_of(begins, key);
    const std::int64_t end = offset_of(ends, key);
    if (begin >= 0 && end >= 0 && one.offset >= begin && one.offset <= end) {
      targets[key] = one.offset;
      continue;
    }
    return Fail(MakeError(
        Reason::kOffsetOutOfRange,
        end < 0 ? fmt::format("seek: {} has no partition {}", one.topic, one.partition)
                : fmt::format("seek: {}/{} has offsets from {} to {}, the end: {} is none of them",
                              one.topic, one.partition, begin, end, one.offset),
        {{std::string(error_key::kTopic), one.topic}}));
  }
  SetTargets(std::move(targets));
}

void SeekJob::SetTargets(Offsets targets) {
  targets_ = std::move(targets);
  if (order_.dry_run) return Finish(SeekResult{WithoutPrefix(stands_), WithoutPrefix(targets_)});
  if (here_.empty()) return Write();
  CloseHere();
}

void SeekJob::CloseHere() {
  // The last callback to let go of it goes on.
  struct AllClosed {
    ~AllClosed() { then(); }
    absl::AnyInvocable<void()> then;
  };
  auto closed = std::make_shared<AllClosed>();
  closed->then = Behind(gate_, [self = shared_from_this()] {
    self->write_until_ =
        self->world_.clock.Now() + self->world_.groups.members_stay() + kSeekPatience;
    self->Describe(&SeekJob::OnClosed);
  });
  if (order_.force) LogEndOfStreams();
  for (const auto& subscription : here_) {
    if (order_.force) {
      subscription->Drain(world_.revoke_grace, kDrainReason);
    } else if (!subscription->CloseLingering()) {
      closed->then = [] {};
      return Fail(Active("a stream of this gateway has just opened: end it first, or use force"));
    }
    subscription->WhenClosed([closed](const auto&) {});
  }
}

void SeekJob::LogEndOfStreams() const {
  std::size_t streams = 0;
  for (const auto& subscription : here_) streams += subscription->streams();
  if (streams == 0) return;
  Log(LogLevel::kWarning, "an operator ends the streams of a group to move it",
      {{"group", order_.group}, {"streams", streams}});
}

// Its last commit may have moved it.
void SeekJob::OnClosed(GroupDescription found) {
  for (const Position& one : found.positions) {
    if (world_.router->TopicOf(one.topic)) stands_[{one.topic, one.partition}] = one.offset;
  }
  Write();
}

void SeekJob::Write() {
  std::vector<Position> positions;
  for (const auto& [key, offset] : targets_) positions.push_back({key.first, key.second, offset});
  world_.groups.SetPositions(
      order_.group, std::move(positions),
      Behind(gate_, [self = shared_from_this()](const absl::Status& written) {
        self->OnWritten(written);
      }));
}

void SeekJob::OnWritten(const absl::Status& written) {
  if (written.ok()) {
    Log(LogLevel::kWarning, "an operator moved a group",
        {{"group", order_.group}, {"partitions", targets_.size()}, {"force", order_.force}});
    return Finish(SeekResult{WithoutPrefix(stands_), WithoutPrefix(targets_)});
  }
  const SteadyTime now = world_.clock.Now();
  if (ReasonOf(written) != Reason::kGroupActive || now >= write_until_) return Fail(written);
  world_.timers.At(now + kAgain, Behind(gate_, [self = shared_from_this()] { self->Write(); }));
}

// Of the partitions that are moved; what has no position is -1.
std::vector<Position> SeekJob::WithoutPrefix(const Offsets& offsets) const {
  std::vector<Position> list;
  for (const auto& [key, target] : targets_) {
    const auto known = offsets.find(key);
    list.push_back({world_.router->TopicOf(key.first).value_or(""), key.second,
                    known == offsets.end() ? -1 : known->second});
  }
  return list;
}

void SeekJob::Fail(absl::Status why) { Finish(std::move(why)); }

void SeekJob::Finish(absl::StatusOr<SeekResult> result) {
  hold_.reset();
  done_(std::move(result));
}

}  // namespace sidebus
