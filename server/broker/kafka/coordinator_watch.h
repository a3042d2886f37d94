#pragma once

#include "server/base/clock.h"

namespace sidebus {

// Knows how long the coordinator of a group has said nothing.
//
// A member that is cut off from it loses its partitions to others when its session is over. With the
// classic protocol librdkafka counts that time by itself; with the consumer protocol it goes on
// fetching until a coordinator tells it (2.15.1), so here it is counted, from what is answered:
// commits, and requests that are made for this when nothing is committed.
//
// Ownership: a member of KafkaConsumer.
// Thread safety: none; the poll thread's.
class CoordinatorWatch {
 public:
  explicit CoordinatorWatch(Duration session) : session_(session) {}

  void Answered(SteadyTime now) {
    answered_ = now;
    asking_ = false;
  }

  // A request that Answered() did not follow is over: the next may be made.
  void NotAnswered() { asking_ = false; }

  // Whether a request is to be made, which then counts as made. At most one is under way, and at
  // most some are made per session.
  bool ShouldAsk(SteadyTime now) {
    if (asking_ || now < answered_ + session_ / 3 || now < asked_ + session_ / 30) return false;
    asking_ = true;
    asked_ = now;
    return true;
  }

  // Whether a session would be over.
  bool IsCutOff(SteadyTime now) const { return now >= answered_ + session_; }

 private:
  const Duration session_;
  SteadyTime answered_{};
  SteadyTime asked_{};
  bool asking_ = false;
};

}  // namespace sidebus
