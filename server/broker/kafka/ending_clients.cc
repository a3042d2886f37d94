#include "server/broker/kafka/ending_clients.h"

#include <chrono>
#include <thread>
#include <utility>

#include "server/base/clock.h"

namespace sidebus {
namespace {

constexpr Duration kEndPatience = std::chrono::seconds(10);

}  // namespace

EndingClients& EndingClients::Instance() {
  // Never destroyed: a client that takes longer than the patience still says that it is gone.
  static EndingClients& instance = *new EndingClients;
  struct AtExit {
    ~AtExit() { instance.Wait(); }
  };
  static const AtExit at_exit;
  return instance;
}

void EndingClients::Wait() {
  const SteadyTime until = Clock::Real().Now() + kEndPatience;
  MutexLock lock(mu_);
  while (count_ > 0 && changed_.WaitUntil(mu_, until)) {
  }
}

void EndingClients::End(KafkaClient client, std::shared_ptr<KafkaLog> log) {
  {
    MutexLock lock(mu_);
    ++count_;
  }
  std::thread([this, client = std::move(client), log = std::move(log)]() mutable {
    client.reset();
    log.reset();
    MutexLock lock(mu_);
    --count_;
    changed_.NotifyAll();
  }).detach();
}

}  // namespace sidebus
