#pragma once

#include <coroutine>
#include <cstddef>
#include <list>

#include "server/base/clock.h"
#include "server/rpc/server_call.h"

namespace sidebus {

// How many unary calls may be reading their message at once. The size of a message is not known
// before it is read, so each reader may come to need the largest one:
//
//   bytes in memory <= slots x largest message        (being read)
//                    + max_waiting x look-ahead       (waiting, unread)
//                    + what the memory budget admitted (read)
//
// First come, first served. A client that does not send its message within `time_out` loses the
// slot: its call is ended with RESOURCE_EXHAUSTED, whatever it sends later.
//
// Ownership: one per loop; outlives the loop and its calls. Thread safety: none; used on the loop's
// thread only.
class ReadSlots {
 public:
  struct Options {
    std::size_t slots = 1;
    std::size_t max_waiting = 512;
    Duration time_out = std::chrono::seconds(10);
  };

  explicit ReadSlots(Options options) : options_(options) {}

  enum class Grant { kWaiting, kGranted, kRefused, kCancelled };
  struct Awaiter;

  // co_await: kGranted: read, then Release(). kRefused: too many wait already. kCancelled: the call
  // was, while it waited. Takes the call's OnCancel().
  Awaiter Acquire(ServerCall& call);

  // Gives the slot on. False: the time-out has ended the call; it is not to be finished again.
  bool Release(ServerCall& call);

  std::size_t reading() const { return reading_.size(); }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Reader {
    ServerCall* call;
    std::chrono::steady_clock::time_point since;
    bool ended = false;
  };

  void StartReading(ServerCall& call);
  void SetTimer(EventLoop& loop, Duration delay);
  void EndLate(EventLoop& loop);
  void StopWaiting(Awaiter& awaiter, Grant grant);

  const Options options_;
  std::list<Reader> reading_;    // oldest first; those that were ended do not take a slot
  std::size_t taken_ = 0;        // slots
  std::list<Awaiter*> waiting_;  // oldest first
  bool timer_set_ = false;
};

struct ReadSlots::Awaiter {
  bool await_ready();
  void await_suspend(std::coroutine_handle<> handle);
  Grant await_resume() const noexcept { return grant; }

  ReadSlots& slots;
  ServerCall& call;
  Grant grant = Grant::kWaiting;
  std::coroutine_handle<> waiter = nullptr;
};

inline ReadSlots::Awaiter ReadSlots::Acquire(ServerCall& call) { return Awaiter{*this, call}; }

}  // namespace sidebus
