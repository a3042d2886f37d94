#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "server/base/mutex.h"
#include "server/publish/join.h"

namespace sidebus {

// Events that wait until every topic they go to is ready, because no broker is up or a topic's
// look-up is not answered, and until the ids of their schemas are known.
//
//   arrived     1 [orders]   2 [orders, audit]   3 [audit]   4 [audit]
//   orders      waiting                              ready
//   handed on   none: 2 waits behind 1 on orders, 3 and 4 wait behind 2 on audit
//
// An event waits as a whole, so that a topic that turns out to be missing refuses all of it. It
// leaves when it is the first on each of its topics and all of them are ready (it is given to the
// producer) or one is missing (TOPIC_MISSING); at once, wherever it stands, when an id cannot be had
// (with the registry's error); when its call's deadline passes; or by Drop(). All events stand in
// one line in order of arrival, so two events never wait for each other.
//
// Bound: the memory budget, from which the caller took the events' bytes.
// Thread safety: all methods may be called from any thread. Lock order: this before a Join's. No
// lock is held while a call is answered.
// Cost: Enter() and leaving O(routes), OnChange() O(events in the room).
class WaitingRoom {
 public:
  // Must be called before the first Enter().
  void Start(Producer& producer) { producer_ = &producer; }

  // Puts the event at the end of the line, or hands it on at once when its topics are ready by now.
  // DRAINING after Close(): the event is not taken, and stays the caller's to fail.
  absl::Status Enter(Join& join, std::size_t event);

  // Takes the events of this call out and fails them with `error`, or REGISTRY_DOWN where an id is
  // what they wait for; those that they held back go on.
  // True: that was all that the call was waiting for, and the caller answers it.
  bool Leave(Join& join, const absl::Status& error);

  // Whenever a topic's readiness changed or ids are there: hands on what can go. Answers the calls
  // that this completes.
  void OnChange();

  // From now on Enter() takes nothing.
  void Close();

  // Fails every event with `error`, answers their calls. Returns how many events that was.
  std::size_t Drop(const absl::Status& error);

 private:
  using Line = std::list<WaitingEvent>;

  // A call that an event left the room for; kept until no lock is held, because its end runs code
  // that is not ours.
  struct Ended {
    std::shared_ptr<Join> join;
    bool answers = false;
  };
  enum class Next : std::uint8_t { kStays, kProduce, kMissing, kNoId };

  // `first`: on each of its topics.
  Next NextOf(const WaitingEvent& waiting, bool first) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Goes along the line once and hands on what can go.
  void PassOn(std::vector<Ended>& ended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TakeOut(Line::iterator place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void HandOn(Line::iterator place, Next next, std::vector<Ended>& ended)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  static void Answer(std::vector<Ended>& ended);

  Producer* producer_ = nullptr;
  Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::uint64_t pass_ ABSL_GUARDED_BY(mu_) = 0;
  Line line_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
