#pragma once

#include <map>
#include <utility>

#include "server/base/clock.h"

namespace sidebus {

// Clock and timers that stand still until a test moves them. Timer functions run inside Advance()
// and RunDue(), on the calling thread, in order of time, then of registration.
//
// Thread safety: none; one thread owns it.
class ManualTime final : public Clock, public Timers {
 public:
  SteadyTime Now() const override { return now_; }
  SystemTime WallNow() const override {
    return SystemTime(std::chrono::hours(24 * 365 * 56)) + now_.time_since_epoch();
  }

  TimerId At(SteadyTime when, absl::AnyInvocable<void()> run) override {
    const TimerId id(++last_id_);
    waiting_.emplace(std::pair(when, id), std::move(run));
    return id;
  }

  bool Cancel(TimerId id) override {
    for (auto timer = waiting_.begin(); timer != waiting_.end(); ++timer) {
      if (timer->first.second == id) {
        waiting_.erase(timer);
        return true;
      }
    }
    return false;
  }

  // Moves the time, stopping at each timer on the way.
  void Advance(Duration by) {
    const SteadyTime until = now_ + by;
    while (!waiting_.empty() && waiting_.begin()->first.first <= until) {
      now_ = std::max(now_, waiting_.begin()->first.first);
      RunFirst();
    }
    now_ = until;
  }

  // Runs what is due now, and what that makes due.
  void RunDue() { Advance(Duration(0)); }

  std::size_t waiting() const { return waiting_.size(); }

 private:
  void RunFirst() {
    auto node = waiting_.extract(waiting_.begin());
    node.mapped()();
  }

  SteadyTime now_{std::chrono::hours(1)};
  std::uint64_t last_id_ = 0;
  std::map<std::pair<SteadyTime, TimerId>, absl::AnyInvocable<void()>> waiting_;
};

}  // namespace sidebus
