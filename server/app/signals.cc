#include "server/app/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>

#include "server/base/check.h"

namespace sidebus {

EventFlag::EventFlag() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { SIDEBUS_CHECK(fd_ >= 0); }

EventFlag::~EventFlag() { close(fd_); }

void EventFlag::Raise() {
  const std::uint64_t one = 1;
  (void)!write(fd_, &one, sizeof one);  // fails only when it is raised already
}

namespace {

volatile std::sig_atomic_t g_exit_code = 0;

sigset_t OurSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Signals::Signals() {
  const sigset_t set = OurSignals();
  SIDEBUS_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  std::signal(SIGPIPE, SIG_IGN);
  fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  SIDEBUS_CHECK(fd_ >= 0);
}

Signals::~Signals() { close(fd_); }

void Signals::WaitForSignal() {
  while (WaitUntil(Clock::Real().Now() + std::chrono::hours(24)) != Woken::kSignal) {
  }
}

void Signals::ExitOnNext(int exit_code) {
  g_exit_code = exit_code;
  for (const int signal : {SIGTERM, SIGINT}) {
    std::signal(signal, [](int) { _exit(static_cast<int>(g_exit_code)); });
  }
  const sigset_t set = OurSignals();
  SIDEBUS_CHECK(pthread_sigmask(SIG_UNBLOCK, &set, nullptr) == 0);
}

Signals::Woken Signals::WaitUntil(SteadyTime deadline, const EventFlag* flag) {
  while (true) {
    pollfd fds[2] = {{fd_, POLLIN, 0}, {flag != nullptr ? flag->fd() : -1, POLLIN, 0}};
    const Duration left = std::max(deadline - Clock::Real().Now(), Duration(0));
    const timespec wait = {
        std::chrono::duration_cast<std::chrono::seconds>(left).count(),
        (left % std::chrono::seconds(1)).count(),
    };
    const int ready = ppoll(fds, 2, &wait, nullptr);
    if (ready == 0) return Woken::kTime;
    if (ready < 0) continue;  // EINTR by a signal that is not ours
    if (fds[0].revents != 0) {
      signalfd_siginfo info;
      if (read(fd_, &info, sizeof info) == sizeof info) return Woken::kSignal;
      continue;
    }
    return Woken::kFlag;
  }
}

}  // namespace sidebus
