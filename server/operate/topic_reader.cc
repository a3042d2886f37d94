#include "server/operate/topic_reader.h"

#include <chrono>
#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"

namespace sidebus {
namespace {

// Between two looks at how far the reading is, for what ends without a batch.
constexpr Duration kLook = std::chrono::milliseconds(100);

}  // namespace

TopicReader::TopicReader(Options options, const Clock& clock, Timers& timers)
    : options_(std::move(options)), clock_(clock), timers_(timers), left_(options_.ends) {}

absl::Status TopicReader::Start(Broker& broker, OnBatch on_batch, OnEnd on_end) {
  bool ended = false;
  {
    MutexLock lock(mu_);
    if (stopped_) return absl::CancelledError();
    ended = end_.has_value();
    if (!ended) {
      // Under the lock, so that the first call of the handler finds the consumer in its place.
      auto consumer = broker.MakeConsumer(
          ConsumerOptions{.group = options_.group,
                          .topics = {options_.topic},
                          .start = {.at = StartPosition::At::kEarliest, .positions = {}},
                          .member = "",
                          .buffer_bytes = options_.buffer_bytes,
                          .reads_to_end = true},
          *this);
      if (!consumer.ok()) {
        stopped_ = true;
        return consumer.status();
      }
      consumer_ = *std::move(consumer);
    }
    on_batch_ = std::move(on_batch);
    on_end_ = std::move(on_end);
  }
  ended ? CloseLater() : CheckLater();
  return absl::OkStatus();
}

void TopicReader::Next(std::uint32_t most_events) {
  MutexLock lock(mu_);
  if (stopped_ || end_.has_value()) return;
  wanted_ = most_events;
  moved_ = clock_.Now();
  for (const auto& [assignment, partition] : assigned_) consumer_->RoomReturned(assignment);
}

void TopicReader::Leave(std::int32_t partition) {
  MutexLock lock(mu_);
  left_.erase(partition);
}

void TopicReader::Ack(const DeliveryTag& tag) {
  MutexLock lock(mu_);
  if (consumer_ != nullptr) consumer_->Ack(tag);
}

void TopicReader::Commit(absl::AnyInvocable<void(absl::Status)> done) {
  MutexLock lock(mu_);
  if (consumer_ != nullptr) consumer_->Commit(std::move(done));
}

void TopicReader::Finish(const absl::Status& why) {
  MutexLock lock(mu_);
  if (stopped_ || end_.has_value()) return;
  end_ = why;
  wanted_ = 0;
  if (consumer_ == nullptr) return;  // Start() sees it
  // Holds this: the consumer calls its handler until it is done.
  consumer_->Close([self = shared_from_this()](const absl::Status&) { self->CloseLater(); });
}

// The consumer's thread cannot destroy it.
void TopicReader::CloseLater() {
  timers_.At(clock_.Now(), [self = shared_from_this()] { self->Closed(); });
}

void TopicReader::Closed() {
  std::unique_ptr<Consumer> consumer;
  OnEnd on_end;
  OnBatch on_batch;
  absl::Status why;
  {
    MutexLock lock(mu_);
    if (std::exchange(stopped_, true)) return;
    consumer = std::move(consumer_);
    on_batch = std::move(on_batch_);
    on_end = std::move(on_end_);
    why = *end_;
  }
  consumer.reset();
  on_end(why);
}

void TopicReader::Stop() {
  std::unique_ptr<Consumer> consumer;
  OnEnd on_end;
  OnBatch on_batch;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    consumer = std::move(consumer_);
    on_batch = std::move(on_batch_);
    on_end = std::move(on_end_);
  }
}

void TopicReader::OnAssigned(AssignmentId assignment, const std::string&, std::int32_t partition) {
  MutexLock lock(mu_);
  assigned_.emplace(assignment, partition);
}

Room TopicReader::RoomFor(AssignmentId assignment) {
  MutexLock lock(mu_);
  const auto partition = assigned_.find(assignment);
  if (partition == assigned_.end() || !left_.contains(partition->second) || wanted_ == 0) return {};
  return {wanted_, options_.batch_bytes};
}

void TopicReader::OnRecords(AssignmentId assignment, std::vector<ConsumedRecord> records) {
  std::int32_t partition = -1;
  OnBatch on_batch;
  {
    MutexLock lock(mu_);
    const auto known = assigned_.find(assignment);
    if (known == assigned_.end() || stopped_ || end_.has_value()) return;
    partition = known->second;
    // What came later is for the next time.
    const std::int64_t end = options_.ends.at(partition);
    std::erase_if(records, [&](const ConsumedRecord& one) { return one.offset >= end; });
    if (records.empty()) return;
    quiet_ = false;
    wanted_ = 0;
    on_batch = std::move(on_batch_);  // one at a time: it comes back below
  }
  on_batch(partition, std::move(records));
  MutexLock lock(mu_);
  if (!stopped_) on_batch_ = std::move(on_batch);
}

void TopicReader::OnRevoked(AssignmentId assignment, bool) {
  MutexLock lock(mu_);
  assigned_.erase(assignment);
}

void TopicReader::OnFailed(const absl::Status& why) { Finish(why); }

void TopicReader::CheckLater() {
  timers_.At(clock_.Now() + kLook, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Check();
  });
}

void TopicReader::Check() {
  std::optional<absl::Status> end;
  {
    MutexLock lock(mu_);
    if (stopped_ || end_.has_value()) return;
    // Nothing is wanted while a batch is being worked on, whatever was read.
    if (wanted_ > 0) end = Look();
  }
  end.has_value() ? Finish(*end) : CheckLater();
}

std::optional<absl::Status> TopicReader::Look() {
  std::size_t crowded = 0;
  std::int64_t reached = 0;
  for (const AssignmentState& state : consumer_->assignments()) {
    const auto end = left_.find(state.partition);
    if (end == left_.end()) continue;
    reached += state.next;
    if (state.next >= end->second) {
      left_.erase(end);
    } else if (state.crowded) {
      ++crowded;
    }
  }
  if (left_.empty()) {
    // What was counted as read may not have been handed over yet: twice in a row it was.
    if (std::exchange(quiet_, true)) return absl::OkStatus();
    return std::nullopt;
  }
  if (crowded == left_.size()) {
    return MakeError(Reason::kGroupConflict,
                     "so many records were passed over between others that the group's position "
                     "cannot name more: let those be read first");
  }
  const SteadyTime now = clock_.Now();
  if (std::exchange(reached_, reached) != reached) moved_ = now;
  if (options_.patience == Duration::zero() || now < moved_ + options_.patience) {
    return std::nullopt;
  }
  return MakeError(
      Reason::kBrokerDown,
      fmt::format(
          "nothing more was read for {} s: no broker answers, or another member of the group "
          "has the partitions: try again",
          std::chrono::duration_cast<std::chrono::seconds>(options_.patience).count()));
}

}  // namespace sidebus
