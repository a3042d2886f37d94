#include "server/operate/redrive_job.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/codec/cloudevents.h"
#include "server/codec/dead_letter.h"

namespace sidebus {
namespace {

constexpr std::uint32_t kBatch = 100;
// While no broker is up, or a topic is being looked up.
constexpr Duration kProduceAgain = std::chrono::milliseconds(100);
constexpr int kMostWaits = 100;

absl::Status Invalid(std::string_view field, std::string_view what) {
  return MakeError(Reason::kStartInvalid, fmt::format("redrive: {}: {}", field, what),
                   {{std::string(error_key::kField), std::string(field)}});
}

}  // namespace

// Owned by the job until it is produced, then by the producer until its report.
class RedriveJob::Copy final : public PendingRecord {
 public:
  void OnReport(const DeliveryReport& report) override {
    const std::unique_ptr<Copy> self(this);
    job->OnReport(*this, report.error);
  }

  std::shared_ptr<RedriveJob> job;
  DeliveryTag tag;
  ProducerTopic* topic = nullptr;
};

std::shared_ptr<RedriveJob> RedriveJob::Start(const OperateWorld& world, std::shared_ptr<Gate> gate,
                                              RedriveOrder order, OnProgress on_progress) {
  std::shared_ptr<RedriveJob> job(
      new RedriveJob(world, std::move(gate), std::move(order), std::move(on_progress)));
  job->After(Duration(0), &RedriveJob::Run);
  return job;
}

RedriveJob::RedriveJob(const OperateWorld& world, std::shared_ptr<Gate> gate, RedriveOrder order,
                       OnProgress on_progress)
    : world_(world),
      gate_(std::move(gate)),
      order_(std::move(order)),
      topic_(world.router->FullTopicOf(order_.dead_letter_topic)),
      group_(fmt::format("sidebus.redrive.{}", topic_)),
      types_(order_.event_types.begin(), order_.event_types.end()),
      on_progress_(std::move(on_progress)) {
  for (const EventTypeRoutes& type : world_.router->event_types()) {
    for (const Route& route : type.routes) targets_.insert(route.full_topic);
  }
}

RedriveJob::~RedriveJob() { world_.budget.Return(reserved_); }

void RedriveJob::After(Duration wait, void (RedriveJob::*then)()) {
  world_.timers.At(world_.clock.Now() + wait,
                   Behind(gate_, [self = shared_from_this(), then] { ((*self).*then)(); }));
}

void RedriveJob::Run() {
  if (order_.dead_letter_topic.empty()) return Fail(Invalid("dead_letter_topic", "it is empty"));
  // Another one, of this process or not, would take some of the partitions.
  world_.groups.Describe(
      group_, {topic_},
      Behind(gate_, [self = shared_from_this()](const absl::StatusOr<GroupDescription>& found) {
        self->OnOthers(found);
      }));
}

void RedriveJob::OnOthers(const absl::StatusOr<GroupDescription>& found) {
  if (!found.ok() && ReasonOf(found.status()) != Reason::kGroupUnknown) return Fail(found.status());
  if (found.ok() && !found->members.value_or(std::vector<GroupMember>()).empty()) {
    return Fail(MakeError(Reason::kGroupActive,
                          "redrive: another redrive of this topic is under way: wait for its end, "
                          "or for the session time-out of one that was cut off"));
  }
  FindTopicEnds(world_.groups, gate_, topic_,
                [self = shared_from_this()](absl::StatusOr<TopicEnds> ends) {
                  ends.ok() ? self->Read(*std::move(ends)) : self->Fail(ends.status());
                });
}

void RedriveJob::Read(TopicEnds ends) {
  if (ends.partitions == 0) {
    return Fail(MakeError(Reason::kTopicMissing,
                          fmt::format("redrive: there is no topic \"{}\"; a dead-letter topic is "
                                      "made when the first event goes there",
                                      order_.dead_letter_topic)));
  }
  if (ends.unread.empty()) return Finished(absl::OkStatus());
  // Of what is reserved for dead letters: a batch as it was read, the copies, and what is fetched.
  const std::uint64_t part = world_.budget.limit() / 8;
  if (!world_.budget.TryTake(4 * part)) {
    return Fail(MakeError(Reason::kMemoryBudget,
                          "redrive: no memory is left for it now: another redrive or many dead "
                          "letters are under way"));
  }
  reserved_ = 4 * part;
  auto reader = std::make_shared<TopicReader>(
      TopicReader::Options{.topic = topic_,
                           .group = group_,
                           .ends = std::move(ends.unread),
                           .batch_bytes = part,
                           .buffer_bytes = std::max(2 * part, LeastBuffer(ends.partitions))},
      world_.clock, world_.timers);
  {
    MutexLock lock(mu_);
    if (stopped_) return;
    reader_ = reader;
  }
  began_ = world_.clock.Now();
  const absl::Status started = reader->Start(
      world_.broker,
      Behind(gate_,
             [self = shared_from_this()](std::int32_t, std::vector<ConsumedRecord> records) {
               self->OnBatch(std::move(records));
             }),
      Behind(gate_, [self = shared_from_this()](const absl::Status& end) { self->Finished(end); }));
  if (!started.ok()) return Finished(started);
  Next();
}

void RedriveJob::Next() {
  std::shared_ptr<TopicReader> reader;
  {
    MutexLock lock(mu_);
    reader = reader_;
  }
  if (reader == nullptr) return;
  std::uint64_t most = kBatch;
  if (order_.limit > 0) most = std::min(most, order_.limit - progress_.redriven);
  if (order_.max_per_second > 0) most = std::min<std::uint64_t>(most, order_.max_per_second);
  if (most == 0) return reader->Finish(absl::OkStatus());
  reader->Next(static_cast<std::uint32_t>(most));
}

void RedriveJob::OnBatch(std::vector<ConsumedRecord> records) {
  for (ConsumedRecord& record : records) {
    ++progress_.scanned;
    if (auto copy = CopyOf(std::move(record))) {
      batch_.push_back(std::move(copy));
    } else {
      ++progress_.skipped;
    }
  }
  waits_ = 0;
  ProduceAll();
}

std::unique_ptr<RedriveJob::Copy> RedriveJob::CopyOf(ConsumedRecord consumed) {
  const auto note = ReadDeadLetterNote(consumed.record.headers);
  // A header must not choose where we write.
  if (!note.has_value() || note->group.empty() || !targets_.contains(note->origin.topic)) {
    return nullptr;
  }
  auto copy = std::make_unique<Copy>();
  copy->record = MakeRedriven(consumed.record, note->group);
  if (!types_.empty()) {
    const auto event = DecodeCloudEvent(consumed.record, Position());
    if (!event.ok() || !types_.contains(event->type)) return nullptr;
  }
  copy->tag = consumed.tag;
  copy->topic = &world_.producer.Topic(note->origin.topic);
  return copy;
}

void RedriveJob::ProduceAll() {
  if (order_.dry_run) {
    progress_.redriven += batch_.size();
    batch_.clear();
    return BatchCommitted(absl::OkStatus());
  }
  for (const std::unique_ptr<Copy>& copy : batch_) {
    const TopicReadiness readiness = copy->topic->readiness();
    if (readiness == TopicReadiness::kMissing) {
      return Fail(MakeError(Reason::kTopicMissing,
                            "redrive: the topic that an event came from does not exist any more"));
    }
    if (readiness == TopicReadiness::kReady) continue;
    if (++waits_ > kMostWaits) {
      return Fail(MakeError(Reason::kBrokerDown, "redrive: no Kafka broker is up"));
    }
    return After(kProduceAgain, &RedriveJob::ProduceAll);
  }
  {
    MutexLock lock(mu_);
    under_way_ = batch_.size() + 1;  // one for this loop
  }
  for (std::unique_ptr<Copy>& next : std::exchange(batch_, {})) {
    next->job = shared_from_this();
    const absl::Status accepted = world_.producer.Produce(*next->topic, *next);
    if (accepted.ok()) {
      (void)next.release();  // the producer's until OnReport()
    } else {
      OnReport(*next, accepted);
    }
  }
  bool last = false;
  {
    MutexLock lock(mu_);
    last = --under_way_ == 0;
  }
  if (last) BatchWritten();
}

void RedriveJob::OnReport(Copy& copy, const absl::Status& written) {
  {
    MutexLock lock(mu_);
    if (written.ok()) {
      written_.push_back(copy.tag);
    } else {
      failed_ = written;
    }
    if (--under_way_ > 0 || stopped_) return;
  }
  // The producer's thread: what follows may call the producer.
  After(Duration(0), &RedriveJob::BatchWritten);
}

void RedriveJob::BatchWritten() {
  std::shared_ptr<TopicReader> reader;
  std::vector<DeliveryTag> written;
  {
    MutexLock lock(mu_);
    reader = reader_;
    written = std::exchange(written_, {});
  }
  if (reader == nullptr) return;
  progress_.redriven += written.size();
  for (const DeliveryTag& tag : written) reader->Ack(tag);
  reader->Commit(Behind(gate_, [self = shared_from_this()](const absl::Status& committed) {
    self->BatchCommitted(committed);
  }));
}

void RedriveJob::BatchCommitted(const absl::Status& committed) {
  absl::Status failed = committed;
  {
    MutexLock lock(mu_);
    if (!failed_.ok()) failed = failed_;
  }
  if (!failed.ok()) return Fail(failed);
  Tell(progress_);
  Duration wait{};
  if (order_.max_per_second > 0 && !order_.dry_run) {
    const SteadyTime due =
        began_ + std::chrono::seconds(1) * progress_.redriven / order_.max_per_second;
    wait = std::max(Duration(0), due - world_.clock.Now());
  }
  After(wait, &RedriveJob::Next);
}

void RedriveJob::Fail(const absl::Status& why) {
  std::shared_ptr<TopicReader> reader;
  {
    MutexLock lock(mu_);
    reader = reader_;
  }
  reader == nullptr ? Finished(why) : reader->Finish(why);
}

void RedriveJob::Finished(const absl::Status& end) {
  Log(LogLevel::kInfo, "a redrive ended",
      {{"topic", order_.dead_letter_topic},
       {"redriven", progress_.redriven},
       {"skipped", progress_.skipped},
       {"dry_run", order_.dry_run},
       {"end", end}});
  if (!end.ok()) return Tell(end);
  progress_.done = true;
  Tell(progress_);
}

void RedriveJob::Tell(absl::StatusOr<RedriveProgress> progress) {
  const bool last = !progress.ok() || progress->done;
  OnProgress on_progress;
  {
    MutexLock lock(mu_);
    if (stopped_) return;
    stopped_ = last;
    on_progress = std::move(on_progress_);
  }
  on_progress(std::move(progress));
  if (last) return;
  MutexLock lock(mu_);
  on_progress_ = std::move(on_progress);
}

void RedriveJob::Stop() {
  std::shared_ptr<TopicReader> reader;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    reader = reader_;
  }
  if (reader != nullptr) reader->Finish(absl::CancelledError());
}

void RedriveJob::Abort() {
  std::shared_ptr<TopicReader> reader;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    reader = std::move(reader_);
  }
  if (reader != nullptr) reader->Stop();
}

}  // namespace sidebus
