#include "server/operate/reading_job.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/event/topic_name.h"

namespace sidebus {

ReadingJob::ReadingJob(const OperateWorld& world, std::shared_ptr<Gate> gate,
                       std::shared_ptr<ReadingLimits> limits, ReadingPlan plan)
    : world_(world),
      gate_(std::move(gate)),
      limits_(std::move(limits)),
      plan_(std::move(plan)),
      full_topic_(world.router->FullTopicOf(plan_.topic)) {}

void ReadingJob::Begin() {
  world_.timers.At(world_.clock.Now(), Behind(gate_, [self = shared_from_this()] { self->Run(); }));
}

void ReadingJob::Run() {
  if (is_ending()) return Finish(absl::OkStatus());
  if (!IsTopicName(plan_.topic)) {
    return Finish(InvalidField("dead_letter_topic", "no topic can have such a name"));
  }
  Check();
}

bool ReadingJob::ClaimGroup() {
  claim_ = limits_->Claim(plan_.group);
  return claim_ != nullptr;
}

void ReadingJob::FindEnds() {
  FindTopicEnds(world_.groups, gate_, full_topic_,
                [self = shared_from_this()](absl::StatusOr<TopicEnds> ends) {
                  ends.ok() ? self->Read(*std::move(ends)) : self->Finish(ends.status());
                });
}

void ReadingJob::Read(TopicEnds ends) {
  if (ends.partitions == 0) {
    const std::string hint = PrefixHint(*world_.router, plan_.topic);
    return Finish(MakeError(
        Reason::kTopicMissing,
        fmt::format("there is no topic \"{}\"{}", plan_.topic,
                    hint.empty() ? "; a dead-letter topic is made when the first event goes there"
                                 : ": " + hint),
        {{std::string(error_key::kTopic), plan_.topic}}));
  }
  if (ends.unread.empty()) return Finish(absl::OkStatus());
  const std::uint64_t buffer = std::max(2 * plan_.batch_bytes, LeastBuffer(ends.partitions));
  const std::uint64_t bytes = buffer + plan_.batch_bytes + plan_.more_bytes;
  memory_ = limits_->TakeMemory(bytes);
  if (memory_ == nullptr) {
    return Finish(MakeError(
        Reason::kMemoryBudget,
        fmt::format(
            "no memory is left to read {} partitions of dead letters: it takes {} KiB of the "
            "{} KiB for all such reading (2.5 % of `limits.memory`): wait until the others "
            "are done and fewer dead letters are being written, or raise `limits.memory`",
            ends.partitions, bytes >> 10, limits_->memory() >> 10),
        {{std::string(error_key::kLimit), "limits.memory"}}));
  }
  auto reader = std::make_shared<TopicReader>(TopicReader::Options{.topic = full_topic_,
                                                                   .group = plan_.group,
                                                                   .ends = std::move(ends.unread),
                                                                   .batch_bytes = plan_.batch_bytes,
                                                                   .buffer_bytes = buffer,
                                                                   .patience = plan_.patience},
                                              world_.clock, world_.timers);
  bool ending = false;
  {
    MutexLock lock(mu_);
    ending = ending_.has_value();
    if (!ending) reader_ = reader;
  }
  if (ending) return Finish(absl::OkStatus());
  if (const absl::Status started = StartReader(reader); !started.ok()) return Ended(started);
  OnReading();
}

absl::Status ReadingJob::StartReader(const std::shared_ptr<TopicReader>& reader) {
  return reader->Start(
      world_.broker,
      Behind(
          gate_,
          [self = shared_from_this()](std::int32_t partition, std::vector<ConsumedRecord> records) {
            self->OnBatch(partition, std::move(records));
          }),
      Behind(gate_, [self = shared_from_this()](const absl::Status& end) { self->Ended(end); }));
}

bool ReadingJob::BeginWork() {
  MutexLock lock(mu_);
  if (ending_.has_value()) return false;
  working_ = true;
  return true;
}

bool ReadingJob::EndWork() {
  {
    MutexLock lock(mu_);
    working_ = false;
    if (!ending_.has_value()) return true;
  }
  Finish(absl::OkStatus());
  return false;
}

void ReadingJob::Finish(absl::Status why) {
  std::shared_ptr<TopicReader> reader;
  {
    MutexLock lock(mu_);
    working_ = false;
    if (ending_.has_value()) why = *ending_;
    ending_ = why;
    reader = reader_;
  }
  reader == nullptr ? Ended(why) : reader->Finish(why);
}

void ReadingJob::End(const absl::Status& why) {
  std::shared_ptr<TopicReader> reader;
  {
    MutexLock lock(mu_);
    if (ending_.has_value()) return;
    ending_ = why;
    if (working_) return;  // EndWork() does it
    reader = reader_;
  }
  if (reader != nullptr) reader->Finish(why);  // else the next step does it
}

void ReadingJob::Stop() {
  {
    MutexLock lock(mu_);
    told_ = false;
  }
  End(absl::CancelledError());
}

void ReadingJob::Abort() {
  std::shared_ptr<TopicReader> reader;
  {
    MutexLock lock(mu_);
    told_ = false;
    reader = std::move(reader_);
  }
  if (reader != nullptr) reader->Stop();
}

void ReadingJob::Ended(const absl::Status& end) {
  {
    MutexLock lock(mu_);
    if (std::exchange(ended_, true)) return;
    ending_ = end;
    reader_.reset();
  }
  memory_.reset();
  claim_.reset();
  OnEnd(end);
}

std::shared_ptr<TopicReader> ReadingJob::reader() {
  MutexLock lock(mu_);
  return reader_;
}

bool ReadingJob::is_ending() {
  MutexLock lock(mu_);
  return ending_.has_value();
}

bool ReadingJob::is_told() {
  MutexLock lock(mu_);
  return told_;
}

}  // namespace sidebus
