#include "server/operate/redrive_job.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
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
// Longer than it takes to join a group whose last member was cut off.
constexpr Duration kRedrivePatience = std::chrono::seconds(60);

ReadingPlan PlanOf(const OperateWorld& world, const RedriveOrder& order) {
  const std::uint64_t batch = world.budget.limit() / 32;
  return {.topic = order.dead_letter_topic,
          .group = RedriveReaderOf(world.router->FullTopicOf(order.dead_letter_topic)),
          .batch_bytes = batch,
          .more_bytes = batch,  // the copies
          .patience = kRedrivePatience};
}

absl::Status Active() {
  return MakeError(
      Reason::kGroupActive,
      "another redrive of this topic is under way: wait for its end, or for the session "
      "time-out of one that was cut off");
}

}  // namespace

std::string RedriveReaderOf(std::string_view full_topic) {
  return fmt::format("sidebus.redrive.{}", full_topic);
}

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

RedriveJob::RedriveJob(const OperateWorld& world, std::shared_ptr<Gate> gate,
                       std::shared_ptr<ReadingLimits> limits, RedriveOrder order,
                       OnProgress on_progress)
    : ReadingJob(world, std::move(gate), std::move(limits), PlanOf(world, order)),
      order_(std::move(order)),
      group_(PlanOf(world, order_).group),
      types_(order_.event_types.begin(), order_.event_types.end()),
      on_progress_(std::move(on_progress)) {
  for (const EventTypeRoutes& type : world.router->event_types()) {
    for (const Route& route : type.routes) targets_.insert(route.full_topic);
  }
}

RedriveJob::~RedriveJob() = default;

void RedriveJob::After(Duration wait, void (RedriveJob::*then)()) {
  world().timers.At(world().clock.Now() + wait,
                    Behind(gate(), [self = Self<RedriveJob>(), then] { ((*self).*then)(); }));
}

// Another one, of this process or not, would take some of the partitions.
void RedriveJob::Check() {
  if (!ClaimGroup()) return Finish(Active());
  world().groups.Describe(
      group_, {full_topic()},
      Behind(gate(), [self = Self<RedriveJob>()](const absl::StatusOr<GroupDescription>& found) {
        self->OnOthers(found);
      }));
}

void RedriveJob::OnOthers(const absl::StatusOr<GroupDescription>& found) {
  if (!found.ok() && ReasonOf(found.status()) != Reason::kGroupUnknown) {
    return Finish(found.status());
  }
  const bool others = found.ok() && found->members.has_value() && !found->members->empty();
  if (others) return Finish(Active());
  began_ = world().clock.Now();
  FindEnds();
}

void RedriveJob::Next() {
  std::uint64_t most = kBatch;
  if (order_.limit > 0) most = std::min(most, order_.limit - progress_.redriven);
  if (order_.max_per_second > 0) most = std::min<std::uint64_t>(most, order_.max_per_second);
  if (most == 0) return Finish(absl::OkStatus());
  if (const auto reading = reader()) reading->Next(static_cast<std::uint32_t>(most));
}

void RedriveJob::OnBatch(std::int32_t, std::vector<ConsumedRecord> records) {
  for (ConsumedRecord& record : records) {
    ++progress_.scanned;
    if (auto copy = CopyOf(record)) {
      batch_.push_back(std::move(copy));
    } else {
      ++progress_.skipped;
    }
  }
  waits_ = 0;
  ProduceWhenReady();
}

std::unique_ptr<RedriveJob::Copy> RedriveJob::CopyOf(ConsumedRecord& consumed) {
  const auto note = ReadDeadLetterNote(consumed.record.headers);
  // A header must not choose where we write.
  if (!note.has_value() || note->group.empty() || !targets_.contains(note->origin.topic)) {
    return nullptr;
  }
  if (!types_.empty()) {
    Event event;
    const auto status = DecodeCloudEvent(consumed.record, Position(), event);
    if (!status.ok() || !types_.contains(event.type)) return nullptr;
    consumed.record = RawRecordOf(RestoreRecord(consumed.record, &event));
  }
  auto copy = std::make_unique<Copy>();
  copy->record = MakeRedriven(consumed.record, note->group);
  copy->tag = consumed.tag;
  copy->topic = &world().producer.Topic(note->origin.topic);
  return copy;
}

void RedriveJob::ProduceWhenReady() {
  if (!AllAreReady()) {
    if (++waits_ > kMostWaits) {
      batch_.clear();
      return Finish(MakeError(Reason::kBrokerDown, "no Kafka broker is up"));
    }
    return After(kProduceAgain, &RedriveJob::ProduceWhenReady);
  }
  if (order_.dry_run) {
    progress_.redriven += batch_.size();
    batch_.clear();
    return BatchDone();
  }
  if (BeginWork()) return ProduceAll();
  batch_.clear();
}

// What came from a topic that does not exist any more is passed over.
bool RedriveJob::AllAreReady() {
  for (std::size_t i = 0; i < batch_.size();) {
    ProducerTopic& topic = *batch_[i]->topic;
    switch (topic.readiness()) {
      case TopicReadiness::kReady:
        ++i;
        break;
      case TopicReadiness::kWaiting:
        return false;
      case TopicReadiness::kMissing:
        PassOver(topic);
        i = 0;
        break;
    }
  }
  return true;
}

void RedriveJob::PassOver(ProducerTopic& missing) {
  progress_.skipped += std::erase_if(
      batch_, [&](const std::unique_ptr<Copy>& copy) { return copy->topic == &missing; });
  if (!missing_.insert(missing.name()).second) return;
  Log(LogLevel::kWarning,
      "a redrive passes over what came from a topic that does not exist any more",
      {{"dead_letter_topic", order_.dead_letter_topic}, {"topic", missing.name()}});
}

void RedriveJob::ProduceAll() {
  {
    MutexLock lock(reports_mu_);
    under_way_ = batch_.size() + 1;  // one for this loop
  }
  for (std::unique_ptr<Copy>& next : std::exchange(batch_, {})) {
    next->job = Self<RedriveJob>();
    const absl::Status accepted = world().producer.Produce(*next->topic, *next);
    if (accepted.ok()) {
      (void)next.release();  // the producer's until OnReport()
    } else {
      OnReport(*next, accepted);
    }
  }
  bool last = false;
  {
    MutexLock lock(reports_mu_);
    last = --under_way_ == 0;
  }
  if (last) BatchWritten();
}

void RedriveJob::OnReport(Copy& copy, const absl::Status& written) {
  {
    MutexLock lock(reports_mu_);
    if (written.ok()) {
      written_.push_back(copy.tag);
    } else {
      const std::string topic = world().router->TopicOf(copy.topic->name()).value_or("");
      failed_ = MakeError(ReasonOf(written),
                          fmt::format("topic {}: {}", topic, std::string(written.message())),
                          {{std::string(error_key::kTopic), topic}});
    }
    if (--under_way_ > 0) return;
  }
  // A thread of the producer's, which has others to report to.
  After(Duration(0), &RedriveJob::BatchWritten);
}

void RedriveJob::BatchWritten() {
  const std::shared_ptr<TopicReader> reading = reader();
  if (reading == nullptr) return;
  std::vector<DeliveryTag> written;
  {
    MutexLock lock(reports_mu_);
    written = std::exchange(written_, {});
  }
  progress_.redriven += written.size();
  for (const DeliveryTag& tag : written) reading->Ack(tag);
  reading->Commit(Behind(gate(), [self = Self<RedriveJob>()](const absl::Status& committed) {
    self->BatchCommitted(committed);
  }));
}

void RedriveJob::BatchCommitted(const absl::Status& committed) {
  absl::Status failed = committed;
  {
    MutexLock lock(reports_mu_);
    if (!failed_.ok()) failed = failed_;
  }
  if (failed.ok() && !EndWork()) return;
  if (!failed.ok()) return Finish(failed);
  BatchDone();
}

void RedriveJob::BatchDone() {
  Tell(progress_);
  Duration wait{};
  if (order_.max_per_second > 0 && !order_.dry_run) {
    const SteadyTime due =
        began_ + std::chrono::seconds(1) * progress_.redriven / order_.max_per_second;
    wait = std::max(Duration(0), due - world().clock.Now());
  }
  After(wait, &RedriveJob::Next);
}

void RedriveJob::OnEnd(const absl::Status& end) {
  Log(LogLevel::kInfo, "a redrive ended",
      {{"topic", order_.dead_letter_topic},
       {"redriven", progress_.redriven},
       {"skipped", progress_.skipped},
       {"missing_topics", fmt::format("{}", fmt::join(missing_, ","))},
       {"dry_run", order_.dry_run},
       {"end", end}});
  progress_.done = end.ok();
  if (end.ok() || progress_.scanned > 0) Tell(progress_);
  if (!end.ok()) Tell(end);
}

void RedriveJob::Tell(absl::StatusOr<RedriveProgress> progress) {
  if (is_told()) on_progress_(std::move(progress));
}

}  // namespace sidebus
