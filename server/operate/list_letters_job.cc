#include "server/operate/list_letters_job.h"

#include <algorithm>
#include <utility>

#include "server/codec/cloudevents.h"
#include "server/codec/dead_letter.h"

namespace sidebus {
namespace {

constexpr std::uint32_t kDefaultLimit = 100;
constexpr std::uint32_t kMostLetters = 1'000;
constexpr std::uint64_t kMostBytes = 1 << 20;
constexpr std::uint64_t kBatchBytes = 64 << 10;
constexpr Duration kPatience = std::chrono::seconds(10);

// Less than kMostBytes where memory is scarce.
std::uint64_t AnswerBytes(const MemoryBudget& budget) {
  return std::min(kMostBytes, budget.limit() / 32 * 5);
}

ReadingPlan PlanOf(const OperateWorld& world, const ListLettersOrder& order) {
  return {.topic = order.dead_letter_topic,
          .group = "",
          .batch_bytes = std::min(kBatchBytes, world.budget.limit() / 32),
          .more_bytes = AnswerBytes(world.budget),
          .patience = kPatience};
}

}  // namespace

ListLettersJob::ListLettersJob(const OperateWorld& world, std::shared_ptr<Gate> gate,
                               std::shared_ptr<ReadingLimits> limits, ListLettersOrder order,
                               Done done)
    : ReadingJob(world, std::move(gate), std::move(limits), PlanOf(world, order)),
      order_(std::move(order)),
      types_(order_.event_types.begin(), order_.event_types.end()),
      most_letters_(std::min(order_.limit == 0 ? kDefaultLimit : order_.limit, kMostLetters)),
      most_bytes_(AnswerBytes(world.budget)),
      done_(std::move(done)) {}

void ListLettersJob::OnReading() {
  if (const auto reading = reader()) reading->Next(kMostLetters);
}

void ListLettersJob::OnBatch(std::int32_t partition, std::vector<ConsumedRecord> records) {
  const auto reading = reader();
  if (reading == nullptr) return;
  for (ConsumedRecord& record : records) {
    if (Take(partition, record)) continue;
    reading->Leave(partition);
    break;
  }
  reading->Next(kMostLetters);
}

bool ListLettersJob::Take(std::int32_t partition, ConsumedRecord& consumed) {
  const auto note = ReadDeadLetterNote(consumed.record.headers);
  if (!note.has_value()) return true;
  const Key key{note->time, partition, consumed.offset};
  if (left_out_.has_value() && key >= *left_out_) return false;
  const std::size_t bytes = SizeOf(consumed.record);  // decoding takes from it
  ListedLetter letter;
  letter.position = {order_.dead_letter_topic, partition, consumed.offset};
  // What is no event is listed with its bytes and nothing else.
  letter.event.data = consumed.record.value;
  letter.event.key = consumed.record.key;
  if (Event event; DecodeCloudEvent(consumed.record, letter.position, event).ok()) {
    letter.event = std::move(event);
  }
  if (!types_.empty() && !types_.contains(letter.event.type)) return true;
  std::erase_if(letter.event.headers,
                [](const Header& header) { return header.name.starts_with(kDeadHeaderPrefix); });
  letter.note = *note;
  letter.note.origin.topic =
      world().router->TopicOf(note->origin.topic).value_or(note->origin.topic);
  bytes_ += bytes;
  found_.emplace(key, Found{std::move(letter), bytes});
  while (found_.size() > most_letters_ || (found_.size() > 1 && bytes_ > most_bytes_)) {
    LeaveOutTheNewest();
  }
  return true;
}

void ListLettersJob::LeaveOutTheNewest() {
  const auto newest = std::prev(found_.end());
  bytes_ -= newest->second.bytes;
  left_out_ = newest->first;
  found_.erase(newest);
}

void ListLettersJob::OnEnd(const absl::Status& end) {
  if (!is_told()) return;
  if (!end.ok()) return done_(end);
  std::vector<ListedLetter> letters;
  letters.reserve(found_.size());
  for (auto& [key, found] : found_) letters.push_back(std::move(found.letter));
  done_(std::move(letters));
}

}  // namespace sidebus
