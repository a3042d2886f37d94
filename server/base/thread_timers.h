#pragma once

#include <map>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace sidebus {

// Timers on a thread of its own, on the machine's steady clock.
//
// Life: the destructor waits for a function that is running and drops those that are waiting. It
// must not be run from a timer function.
class ThreadTimers final : public Timers {
 public:
  ThreadTimers();
  ~ThreadTimers() override;

  TimerId At(SteadyTime when, absl::AnyInvocable<void()> run) override;
  bool Cancel(TimerId id) override;

 private:
  using Key = std::pair<SteadyTime, TimerId>;

  void Run();

  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::uint64_t last_id_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<Key, absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<TimerId, SteadyTime> when_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sidebus
