#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/base/clock.h"

namespace sidebus {

// A flag that one thread raises and another one waits for. Raise() may be called from any thread,
// any number of times.
class EventFlag {
 public:
  EventFlag();
  ~EventFlag();
  EventFlag(const EventFlag&) = delete;
  EventFlag& operator=(const EventFlag&) = delete;

  void Raise();
  int fd() const { return fd_; }

 private:
  int fd_;
};

// SIGTERM and SIGINT, taken as they come by the thread that waits here.
//
// Made before any other thread: it blocks the two signals in the calling thread and in all that it
// starts later, and ignores SIGPIPE. Thread safety: none; the main thread owns it.
class Signals {
 public:
  enum class Woken { kSignal, kFlag, kTime };

  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Waits for the next signal. Does not return without one.
  void WaitForSignal();

  // Waits for a signal, the flag, or the time, whichever is first. A signal is consumed, a flag
  // stays raised. A signal that came before the call counts.
  Woken WaitUntil(SteadyTime deadline, const EventFlag* flag = nullptr);

  // From now on a signal ends the process at once, with this exit code: nobody waits any more.
  void ExitOnNext(int exit_code);

 private:
  int fd_;
};

}  // namespace sidebus
