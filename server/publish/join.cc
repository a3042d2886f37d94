#include "server/publish/join.h"

#include <utility>

#include "server/base/error.h"
#include "server/publish/outcome.h"

namespace sidebus {
namespace {

absl::Status DeliveryTimeout() {
  return MakeError(Reason::kDeliveryTimeout,
                   "the broker did not confirm the event in time; it may or may not be written: "
                   "send it again with the same id, or look for it");
}

}  // namespace

void Slot::OnReport(const DeliveryReport& report) { join->OnReport(*this, report); }

Join::Join(PublishServices& services, std::shared_ptr<const Plan> plan, std::size_t events,
           Publisher::Done done, bool want_positions)
    : services_(services),
      plan_(std::move(plan)),
      received_(services.clock.Now()),
      want_positions_(want_positions),
      done_(std::move(done)),
      events_(events) {}

void Join::TakeSlots(EventState& event, std::size_t count) {
  event.first_slot = used_slots_;
  event.slot_count = count;
  used_slots_ += count;
  ++events_handed_on_;
}

void Join::Open() {
  std::uint64_t bytes = 0;
  for (Slot& slot : std::span(slots_).first(used_slots_)) {
    slot.join = this;
    slot.taken_bytes = slot.Footprint();
    bytes += slot.taken_bytes;
  }
  services_.TakeBytes(bytes);
  services_.events_in_flight.fetch_add(events_handed_on_, std::memory_order_relaxed);
  MutexLock lock(mu_);
  open_ = used_slots_ + 1;
  self_ = shared_from_this();
}

void Join::Free(Slot& slot) {
  slot.record = Record();
  services_.ReturnBytes(std::exchange(slot.taken_bytes, 0));
}

bool Join::CloseOne(std::shared_ptr<Join>& keep) {
  if (--open_ > 0) return false;
  keep = std::move(self_);
  return !std::exchange(answered_, true);
}

void Join::OnReport(Slot& slot, const DeliveryReport& report) {
  Free(slot);
  std::shared_ptr<Join> keep;
  {
    MutexLock lock(mu_);
    if (!answered_) {
      RouteOutcome& outcome = slot.outcome;
      switch (report.outcome) {
        case DeliveryReport::Outcome::kWritten:
          outcome.fate = RouteOutcome::Fate::kWritten;
          break;
        case DeliveryReport::Outcome::kNotWritten:
          outcome.fate = RouteOutcome::Fate::kNotWritten;
          break;
        case DeliveryReport::Outcome::kUnknown:
          outcome.fate = RouteOutcome::Fate::kUnknown;
          break;
      }
      outcome.error = report.error;
      outcome.partition = report.partition;
      outcome.offset = report.offset;
    }
    if (!CloseOne(keep)) return;
  }
  Answer();
}

bool Join::Produce(Producer& producer, std::size_t event) {
  bool answers = false;
  for (Slot& slot : slots_of(events_[event])) {
    const absl::Status status = producer.Produce(*slot.lane->topic, slot);
    if (status.ok()) continue;
    Free(slot);
    std::shared_ptr<Join> keep;
    MutexLock lock(mu_);
    if (!answered_) {
      slot.outcome.fate = RouteOutcome::Fate::kNotWritten;
      slot.outcome.error = status;
    }
    if (CloseOne(keep)) answers = true;
  }
  return answers;
}

bool Join::Fail(std::size_t event, const absl::Status& error) {
  EventState& state = events_[event];
  std::string topics;
  for (Slot& slot : slots_of(state)) {
    Free(slot);
    AppendTopic(topics, slot.lane->name);
  }
  std::shared_ptr<Join> keep;
  MutexLock lock(mu_);
  if (!answered_) state.refusal = NotWritten(error, topics);
  bool answers = false;
  for (std::size_t i = 0; i < state.slot_count; ++i) answers = CloseOne(keep) || answers;
  return answers;
}

bool Join::HasOpenSlots() {
  MutexLock lock(mu_);
  return open_ > 1;
}

bool Join::EndHandOn(TimerId timer) {
  std::shared_ptr<Join> keep;
  MutexLock lock(mu_);
  timer_ = timer;
  return CloseOne(keep);
}

bool Join::Expire() {
  MutexLock lock(mu_);
  if (std::exchange(answered_, true)) return false;
  const absl::Status timeout = DeliveryTimeout();
  for (Slot& slot : std::span(slots_).first(used_slots_)) {
    if (slot.outcome.fate != RouteOutcome::Fate::kOpen) continue;
    slot.outcome.fate = RouteOutcome::Fate::kUnknown;
    slot.outcome.error = timeout;
  }
  return true;
}

void Join::Answer() {
  TimerId timer;
  {
    MutexLock lock(mu_);
    timer = timer_;
  }
  services_.timers.Cancel(timer);
  done_(TakeResults());
}

Publisher::Results Join::TakeResults() {
  services_.events_in_flight.fetch_sub(events_handed_on_, std::memory_order_relaxed);
  const std::chrono::duration<double> took = services_.clock.Now() - received_;
  PublishTally tally(services_.metrics, took.count());
  Publisher::Results results;
  results.reserve(events_.size());
  for (EventState& event : events_) {
    const PublishMetrics::EventType& type =
        event.type == nullptr ? services_.metrics.unknown() : event.type->metrics;
    if (!event.refusal.ok()) {
      tally.Failed(type, ReasonOf(event.refusal));
      results.push_back({std::move(event.id), std::move(event.refusal), {}});
      continue;
    }
    OutcomeJoiner joiner(want_positions_);
    std::size_t payload_bytes = 0;
    std::size_t record_bytes = 0;
    for (const Slot& slot : slots_of(event)) {
      joiner.Add(slot.outcome);
      payload_bytes += slot.payload_bytes;
      record_bytes = slot.record_bytes;
    }
    results.push_back(joiner.Take(std::move(event.id)));
    const absl::Status& error = results.back().error;
    if (error.ok()) {
      tally.Ok(type, payload_bytes, record_bytes);
    } else {
      tally.Failed(type, ReasonOf(error));
    }
  }
  return results;
}

}  // namespace sidebus
