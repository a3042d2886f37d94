#pragma once

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/mutex.h"

namespace sidebus {

// Lets callbacks to an object in until it is shut, so that the object may go away before whoever
// calls back.
//
// Thread safety: all methods may be called from any thread. Shut() waits for those that are inside;
// from inside one it does not wait for that one. Ownership: shared with the callbacks.
class Gate {
 public:
  // True: inside, until Leave().
  bool Enter() {
    MutexLock lock(mu_);
    if (shut_) return false;
    inside_.push_back(std::this_thread::get_id());
    return true;
  }

  void Leave() {
    MutexLock lock(mu_);
    inside_.erase(std::ranges::find(inside_, std::this_thread::get_id()));
    left_.NotifyAll();
  }

  void Shut() {
    const std::thread::id self = std::this_thread::get_id();
    MutexLock lock(mu_);
    shut_ = true;
    while (std::ranges::any_of(inside_, [&](std::thread::id one) { return one != self; })) {
      left_.Wait(mu_);
    }
  }

 private:
  Mutex mu_;
  CondVar left_;
  bool shut_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread::id> inside_ ABSL_GUARDED_BY(mu_);
};

// `run` behind the gate.
template <typename Run>
auto Behind(std::shared_ptr<Gate> gate, Run run) {
  return [gate = std::move(gate), run = std::move(run)](auto&&... with) mutable {
    if (!gate->Enter()) return;
    run(std::forward<decltype(with)>(with)...);
    gate->Leave();
  };
}

}  // namespace sidebus
