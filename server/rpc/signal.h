#pragma once

#include <coroutine>
#include <memory>
#include <utility>

#include "server/base/mutex.h"
#include "server/rpc/event_loop.h"

namespace sidebus {

// Wakes a coroutine on its loop from any thread. Several Notify() before the coroutine looks again
// are one; a Notify() that nobody waits for is kept.
//
//   any thread --Notify()--> loop's inbox --> loop's thread: resume
//
// Thread safety: Notify() may be called from any thread, everything else only on the loop's.
// Life: held by shared_ptr, because the other side may notify after the call has ended. Close()
// when the call ends: from then on Notify() does nothing and the loop may go away.
class Signal : public std::enable_shared_from_this<Signal> {
 public:
  explicit Signal(EventLoop& loop) : loop_(&loop) {}

  void Notify() {
    MutexLock lock(mu_);
    if (loop_ == nullptr || posted_) return;
    posted_ = true;
    loop_->Post([self = shared_from_this()] { self->Fire(); });
  }

  void Close() {
    MutexLock lock(mu_);
    loop_ = nullptr;
  }

  auto Wait() {
    struct Awaiter {
      Signal& signal;
      bool await_ready() const noexcept { return signal.fired_; }
      void await_suspend(std::coroutine_handle<> waiter) noexcept { signal.waiter_ = waiter; }
      void await_resume() const noexcept { signal.fired_ = false; }
    };
    return Awaiter{*this};
  }

 private:
  void Fire() {
    {
      MutexLock lock(mu_);
      posted_ = false;
      if (loop_ == nullptr) return;
    }
    fired_ = true;
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }

  Mutex mu_;
  EventLoop* loop_ ABSL_GUARDED_BY(mu_);  // null: closed
  bool posted_ ABSL_GUARDED_BY(mu_) = false;

  bool fired_ = false;
  std::coroutine_handle<> waiter_;
};

}  // namespace sidebus
