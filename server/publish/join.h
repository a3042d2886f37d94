#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/broker/producer.h"
#include "server/publish/plan.h"
#include "server/publish/publish_services.h"
#include "server/publish/publisher.h"
#include "server/publish/slot.h"

namespace sidebus {

class Join;

// An event of a call that stands in the waiting room.
struct WaitingEvent {
  Join* join = nullptr;
  std::size_t event = 0;
};

// One call of Publish(): all its events and records in one allocation each, joined into one answer.
//
//   filled --Open()--> handed on --EndHandOn()--> waiting for reports --> answered --> freed
//                      (a hold: reports that come early cannot answer)
//
// It is answered once: by EndHandOn() when everything is known by then, else by the report or
// refusal that was the last to be known, else by the deadline, whichever comes first. It is freed
// when it is answered and the last of its records was reported; until then it owns itself, because
// the producer borrows its slots. Reports after the answer free memory and change nothing else.
//
// Methods that return "whether the caller answers" are true for exactly one caller; it holds a
// shared_ptr and calls Answer() with no lock held.
//
// Thread safety: until Open() one thread owns it; then events(), slots and the deadline are fixed
// and fates are guarded by mu_ until the answer, after which nothing writes them.
class Join : public std::enable_shared_from_this<Join> {
 public:
  struct EventState {
    std::string id;
    const PlannedType* type = nullptr;  // null: not in the producer config
    absl::Status refusal;               // not OK: refused as a whole, no slots in use
    std::size_t first_slot = 0;
    std::size_t slot_count = 0;
    std::optional<std::list<WaitingEvent>::iterator> waiting;  // WaitingRoom's, under its lock
  };

  Join(PublishServices& services, std::shared_ptr<const Plan> plan, std::size_t events,
       Publisher::Done done, bool want_positions);

  std::vector<EventState>& events() { return events_; }
  std::span<Slot> slots_of(const EventState& event) {
    return std::span(slots_).subspan(event.first_slot, event.slot_count);
  }

  // Makes room for `slots` slots, which stay where they are.
  void Reserve(std::size_t slots) { slots_ = std::vector<Slot>(slots); }

  // The next `count` slots; to be filled, or given back by not taking them into an event.
  std::span<Slot> NextSlots(std::size_t count) {
    return std::span(slots_).subspan(used_slots_, count);
  }
  void TakeSlots(EventState& event, std::size_t count);

  // Takes the records' memory from the budget, and the hold.
  void Open();

  // Gives the event's records to the producer, in fan-out order; those that it refuses are
  // not_written. Returns whether the caller answers. The caller holds a shared_ptr.
  bool Produce(Producer& producer, std::size_t event);

  // The event is not given to the producer and surely not written. Returns whether the caller
  // answers.
  bool Fail(std::size_t event, const absl::Status& error);

  // Whether something is not known yet.
  bool HasOpenSlots();

  // Gives the hold back. Returns whether the caller answers, with TakeResults() rather than
  // Answer() and after cancelling `timer`.
  bool EndHandOn(TimerId timer);

  // The deadline is here: what is not known by now is unknown. Returns whether the caller answers.
  bool Expire();

  void Answer();
  Publisher::Results TakeResults();

 private:
  friend class Slot;

  void OnReport(Slot& slot, const DeliveryReport& report);
  void Free(Slot& slot);
  // Whether this was the last open slot of an unanswered call; `keep` then and else keeps the call
  // alive for the rest of the caller's scope.
  bool CloseOne(std::shared_ptr<Join>& keep) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  PublishServices& services_;
  const std::shared_ptr<const Plan> plan_;
  const SteadyTime received_;
  const bool want_positions_;
  Publisher::Done done_;
  std::vector<EventState> events_;
  std::vector<Slot> slots_;
  std::size_t used_slots_ = 0;
  std::size_t events_handed_on_ = 0;

  Mutex mu_;
  std::size_t open_ ABSL_GUARDED_BY(mu_) = 0;  // slots that are not closed, and the hold
  bool answered_ ABSL_GUARDED_BY(mu_) = false;
  TimerId timer_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Join> self_ ABSL_GUARDED_BY(mu_);  // while open_ > 0
};

}  // namespace sidebus
