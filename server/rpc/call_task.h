#pragma once

#include <coroutine>
#include <exception>
#include <utility>

namespace sidebus {

// The return type of a coroutine that nobody waits for: it starts at once, and its frame goes away
// when it ends. Each gRPC call is one such coroutine, a stream is two.
//
// An exception that leaves it ends the process: nothing in the house throws but the allocator.
struct CallTask {
  struct promise_type {
    CallTask get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

// Lets one coroutine wait for another one of the same thread. A Set() that nobody waits for is
// kept, once.
//
// Thread safety: none; both sides are on the call's thread. Set() resumes the waiter in place, so
// it is the last thing that its caller does with state that the waiter may change.
class LocalEvent {
 public:
  void Set() {
    set_ = true;
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }

  auto Wait() {
    struct Awaiter {
      LocalEvent& event;
      bool await_ready() const noexcept { return event.set_; }
      void await_suspend(std::coroutine_handle<> waiter) noexcept { event.waiter_ = waiter; }
      void await_resume() const noexcept { event.set_ = false; }
    };
    return Awaiter{*this};
  }

 private:
  bool set_ = false;
  std::coroutine_handle<> waiter_;
};

}  // namespace sidebus
