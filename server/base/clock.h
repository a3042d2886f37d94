#pragma once

#include <chrono>
#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "server/base/strong_id.h"

namespace sidebus {

using Duration = std::chrono::nanoseconds;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using SystemTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

// Where time comes from. Deadlines and ages use the steady clock, stamps on records the system
// clock. Thread safety: all methods may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;
  virtual SystemTime WallNow() const = 0;

  // The machine's clocks.
  static const Clock& Real();
};

using TimerId = StrongId<struct TimerTag, std::uint64_t>;

// Runs functions at times of the steady clock, one at a time, on one thread of its own.
//
// Thread safety: all methods may be called from any thread, also from inside a timer function.
// A function runs with no lock held by Timers, must not block and must not throw.
class Timers {
 public:
  virtual ~Timers() = default;

  // Runs `run` once, at `when` or as soon as possible after, never from inside this call. The id is
  // never 0, so that TimerId() can mean "none".
  virtual TimerId At(SteadyTime when, absl::AnyInvocable<void()> run) = 0;

  // After it returns the function will not start. It may still be running on the timer thread, so
  // what it refers to must be kept alive by the function itself (a shared_ptr or weak_ptr).
  // Unknown, past and zero ids are fine. Returns whether a function was taken back.
  virtual bool Cancel(TimerId id) = 0;
};

}  // namespace sidebus
