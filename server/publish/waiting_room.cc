#include "server/publish/waiting_room.h"

#include <algorithm>
#include <utility>

#include "server/publish/refusals.h"

namespace sidebus {
namespace {

std::span<Slot> SlotsOf(const WaitingEvent& waiting) {
  return waiting.join->slots_of(waiting.join->events()[waiting.event]);
}

using Ids = SchemaAnswer::State;

// Of the ids that the event lacks, as Slot::ids(). Looks at each once: answers may come meanwhile.
Ids IdsOf(std::span<const Slot> slots) {
  Ids worst = Ids::kKnown;
  for (const Slot& slot : slots) {
    const Ids ids = slot.ids();
    if (ids == Ids::kFailed) return ids;
    if (ids == Ids::kOpen) worst = ids;
  }
  return worst;
}

// Some id cannot be had: why.
absl::Status NoId(std::span<const Slot> slots) {
  return std::find_if(slots.begin(), slots.end(),
                      [](const Slot& slot) { return slot.ids() == Ids::kFailed; })
      ->ids_error();
}

// Why an event gives up that is due to fail with `error` for its topics.
absl::Status GivesUp(std::span<const Slot> slots, Ids ids, const absl::Status& error) {
  if (ids == Ids::kKnown) return error;
  return ids == Ids::kFailed ? NoId(slots) : RegistryTooSlow();
}

const TopicLane& MissingLane(std::span<Slot> slots) {
  const auto missing = std::find_if(slots.begin(), slots.end(), [](const Slot& slot) {
    return slot.lane->topic->readiness() == TopicReadiness::kMissing;
  });
  return missing == slots.end() ? *slots.front().lane : *missing->lane;
}

}  // namespace

absl::Status WaitingRoom::Enter(Join& join, std::size_t event) {
  std::vector<Ended> ended;  // outlives the lock
  MutexLock lock(mu_);
  if (closed_) return Draining();
  const auto place = line_.insert(line_.end(), WaitingEvent{&join, event});
  join.events()[event].waiting = place;
  bool first = true;
  for (Slot& slot : SlotsOf(*place)) {
    if (slot.lane->waiting.fetch_add(1, std::memory_order_relaxed) > 0) first = false;
  }
  // The topics may have become ready, or the ids known, between the caller's look and our lock, and
  // the change that told so is over: without this second look nobody would come for the event.
  const Next next = NextOf(*place, first);
  if (next != Next::kStays) HandOn(place, next, ended);
  return absl::OkStatus();
}

bool WaitingRoom::Leave(Join& join, const absl::Status& error) {
  bool answers = false;
  bool held_back_others = false;
  std::vector<Ended> ended;
  {
    MutexLock lock(mu_);
    for (std::size_t event = 0; event < join.events().size(); ++event) {
      const auto place = join.events()[event].waiting;
      if (!place.has_value()) continue;
      // An event of one topic that has its ids held back only what waits for that topic itself.
      const std::span<const Slot> slots = SlotsOf(**place);
      const Ids ids = IdsOf(slots);
      held_back_others = held_back_others || ids != Ids::kKnown || slots.size() > 1;
      answers = join.Fail(event, GivesUp(slots, ids, error)) || answers;
      TakeOut(*place);
    }
    if (held_back_others) PassOn(ended);
  }
  Answer(ended);
  return answers;
}

void WaitingRoom::OnChange() {
  std::vector<Ended> ended;
  {
    MutexLock lock(mu_);
    PassOn(ended);
  }
  Answer(ended);
}

void WaitingRoom::PassOn(std::vector<Ended>& ended) {
  ++pass_;
  for (auto place = line_.begin(); place != line_.end();) {
    const auto here = place++;
    const std::span<Slot> slots = SlotsOf(*here);
    const bool held = std::any_of(slots.begin(), slots.end(), [pass = pass_](const Slot& slot) {
      return slot.lane->held_in_pass == pass;
    });
    const Next next = NextOf(*here, !held);
    if (next == Next::kStays) {
      for (Slot& slot : slots) slot.lane->held_in_pass = pass_;
    } else {
      HandOn(here, next, ended);
    }
  }
}

void WaitingRoom::Close() {
  MutexLock lock(mu_);
  closed_ = true;
}

std::size_t WaitingRoom::Drop(const absl::Status& error) {
  std::vector<Ended> ended;
  std::size_t events = 0;
  {
    MutexLock lock(mu_);
    for (; !line_.empty(); ++events) {
      const auto first = line_.begin();
      std::shared_ptr<Join> join = first->join->shared_from_this();
      const bool answers = join->Fail(first->event, error);
      TakeOut(first);
      ended.push_back({std::move(join), answers});
    }
  }
  Answer(ended);
  return events;
}

WaitingRoom::Next WaitingRoom::NextOf(const WaitingEvent& waiting, bool first) {
  const std::span<Slot> slots = SlotsOf(waiting);
  const Ids ids = IdsOf(slots);
  if (ids == Ids::kFailed) return Next::kNoId;
  if (!first) return Next::kStays;
  Next next = ids == Ids::kOpen ? Next::kStays : Next::kProduce;
  for (const Slot& slot : slots) {
    switch (slot.lane->topic->readiness()) {
      case TopicReadiness::kReady:
        break;
      case TopicReadiness::kMissing:
        return Next::kMissing;
      case TopicReadiness::kWaiting:
        next = Next::kStays;
        break;
    }
  }
  return next;
}

void WaitingRoom::TakeOut(Line::iterator place) {
  for (Slot& slot : SlotsOf(*place)) slot.lane->waiting.fetch_sub(1, std::memory_order_release);
  place->join->events()[place->event].waiting.reset();
  line_.erase(place);
}

void WaitingRoom::HandOn(Line::iterator place, Next next, std::vector<Ended>& ended) {
  // The last report may come, and free the call, before this method is done with it.
  std::shared_ptr<Join> join = place->join->shared_from_this();
  const std::span<Slot> slots = SlotsOf(*place);
  bool answers = false;
  if (next == Next::kProduce) {
    for (Slot& slot : slots) slot.PutIds();
    answers = join->Produce(*producer_, place->event);
  } else {
    answers = join->Fail(place->event,
                         next == Next::kNoId ? NoId(slots) : TopicMissing(MissingLane(slots).name));
  }
  TakeOut(place);
  ended.push_back({std::move(join), answers});
}

void WaitingRoom::Answer(std::vector<Ended>& ended) {
  for (Ended& call : ended) {
    if (call.answers) call.join->Answer();
  }
}

}  // namespace sidebus
