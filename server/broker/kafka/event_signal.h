#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "server/base/check.h"

namespace sidebus {

// An eventfd: many writers, one thread that waits.
//
// Thread safety: Raise() from any thread; Wait() from one.
class EventSignal {
 public:
  EventSignal() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { SIDEBUS_CHECK(fd_ >= 0); }
  ~EventSignal() { close(fd_); }
  EventSignal(const EventSignal&) = delete;
  EventSignal& operator=(const EventSignal&) = delete;

  int fd() const { return fd_; }
  void Raise();

  // Returns when it was raised, or after `timeout_ms`, and lowers it.
  void Wait(int timeout_ms);

 private:
  const int fd_;
};

}  // namespace sidebus
