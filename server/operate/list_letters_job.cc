#include "server/operate/list_letters_job.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/codec/cloudevents.h"
#include "server/codec/dead_letter.h"

namespace sidebus {
namespace {

constexpr std::uint32_t kDefaultLimit = 100;
constexpr std::uint32_t kMostLetters = 1'000;
// Of an answer: what any client takes.
constexpr std::size_t kMostBytes = 2 << 20;
constexpr std::uint64_t kFetch = 256 << 10;

}  // namespace

std::shared_ptr<ListLettersJob> ListLettersJob::Start(const OperateWorld& world,
                                                      std::shared_ptr<Gate> gate,
                                                      ListLettersOrder order, Done done) {
  std::shared_ptr<ListLettersJob> job(
      new ListLettersJob(world, std::move(gate), std::move(order), std::move(done)));
  world.timers.At(world.clock.Now(), Behind(job->gate_, [job] { job->Run(); }));
  return job;
}

ListLettersJob::ListLettersJob(const OperateWorld& world, std::shared_ptr<Gate> gate,
                               ListLettersOrder order, Done done)
    : world_(world),
      gate_(std::move(gate)),
      order_(std::move(order)),
      types_(order_.event_types.begin(), order_.event_types.end()),
      done_(std::move(done)) {}

void ListLettersJob::Run() {
  if (order_.dead_letter_topic.empty()) {
    return Finished(MakeError(Reason::kStartInvalid, "dead letters: dead_letter_topic is empty",
                              {{std::string(error_key::kField), "dead_letter_topic"}}));
  }
  FindTopicEnds(world_.groups, gate_, world_.router->FullTopicOf(order_.dead_letter_topic),
                [self = shared_from_this()](absl::StatusOr<TopicEnds> ends) {
                  ends.ok() ? self->Read(*std::move(ends)) : self->Finished(ends.status());
                });
}

void ListLettersJob::Read(TopicEnds ends) {
  if (ends.partitions == 0) {
    return Finished(MakeError(Reason::kTopicMissing,
                              fmt::format("dead letters: there is no topic \"{}\"; a dead-letter "
                                          "topic is made when the first event goes there",
                                          order_.dead_letter_topic)));
  }
  if (ends.unread.empty()) return Finished(absl::OkStatus());
  auto reader = std::make_shared<TopicReader>(
      TopicReader::Options{.topic = world_.router->FullTopicOf(order_.dead_letter_topic),
                           .group = "",
                           .ends = std::move(ends.unread),
                           .batch_bytes = kFetch,
                           .buffer_bytes = std::max(kFetch, LeastBuffer(ends.partitions))},
      world_.clock, world_.timers);
  {
    MutexLock lock(mu_);
    reader_ = reader;
  }
  const absl::Status started = reader->Start(
      world_.broker,
      Behind(
          gate_,
          [self = shared_from_this()](std::int32_t partition, std::vector<ConsumedRecord> records) {
            self->OnBatch(partition, std::move(records));
          }),
      Behind(gate_, [self = shared_from_this()](const absl::Status& end) { self->Finished(end); }));
  if (!started.ok()) return Finished(started);
  reader->Next(kMostLetters);
}

void ListLettersJob::OnBatch(std::int32_t partition, std::vector<ConsumedRecord> records) {
  std::shared_ptr<TopicReader> reader;
  {
    MutexLock lock(mu_);
    reader = reader_;
  }
  if (reader == nullptr) return;
  for (ConsumedRecord& record : records) {
    if (!Take(partition, std::move(record))) return reader->Finish(absl::OkStatus());
  }
  reader->Next(kMostLetters);
}

bool ListLettersJob::Take(std::int32_t partition, ConsumedRecord consumed) {
  const std::uint32_t limit = order_.limit == 0 ? kDefaultLimit : order_.limit;
  const auto note = ReadDeadLetterNote(consumed.record.headers);
  if (!note.has_value()) return true;
  const std::size_t bytes = SizeOf(consumed.record);
  ListedLetter letter;
  letter.position = {order_.dead_letter_topic, partition, consumed.offset};
  // What is no event is listed with its bytes and nothing else.
  letter.event.data = consumed.record.value;
  letter.event.key = consumed.record.key;
  if (auto event = DecodeCloudEvent(consumed.record, letter.position); event.ok()) {
    letter.event = *std::move(event);
  }
  std::erase_if(letter.event.headers,
                [](const Header& header) { return header.name.starts_with(kDeadHeaderPrefix); });
  if (!types_.empty() && !types_.contains(letter.event.type)) return true;
  if (!found_.empty() && bytes_ + bytes > kMostBytes) return false;
  bytes_ += bytes;
  letter.note = *note;
  letter.note.origin.topic =
      world_.router->TopicOf(note->origin.topic).value_or(note->origin.topic);
  found_.push_back(std::move(letter));
  return found_.size() < std::min(limit, kMostLetters);
}

void ListLettersJob::Finished(const absl::Status& end) {
  if (!end.ok()) return done_(end);
  std::ranges::stable_sort(found_, {}, [](const ListedLetter& one) { return one.note.time; });
  done_(std::move(found_));
}

void ListLettersJob::Abort() {
  std::shared_ptr<TopicReader> reader;
  {
    MutexLock lock(mu_);
    reader = std::move(reader_);
  }
  if (reader != nullptr) reader->Stop();
}

}  // namespace sidebus
