#include "server/broker/kafka/event_signal.h"

#include <poll.h>

namespace sidebus {

void EventSignal::Raise() {
  const std::uint64_t one = 1;
  // It can only fail by being full, and then it is raised.
  (void)!write(fd_, &one, sizeof(one));
}

void EventSignal::Wait(int timeout_ms) {
  pollfd waiting{fd_, POLLIN, 0};
  if (poll(&waiting, 1, timeout_ms) <= 0) return;
  std::uint64_t count = 0;
  (void)!read(fd_, &count, sizeof(count));
}

}  // namespace sidebus
