#pragma once

#include <coroutine>
#include <string>

#include "server/rpc/event_loop.h"

namespace sidebus {

class ServerCall;

// Where calls come from and go to: the server of one listener.
class CallHost {
 public:
  virtual ~CallHost() = default;

  // The name of the listener that the call came in on.
  virtual const std::string& listener() const = 0;

  // A client's call is here (`ok`), or the server is shutting down. On the loop's thread.
  virtual void OnCall(ServerCall& call, bool ok) = 0;

  // The call's memory is free again. On any thread; the host may be gone as soon as it returns.
  virtual void OnCallGone() = 0;
};

// An operation of gRPC that a coroutine waits for. It lives in the coroutine's frame and is the
// operation's tag. Starting it is the last thing that await_suspend() does: on another thread the
// coroutine may go on, and end, before that returns.
class CallOperation : public CqTag {
 public:
  bool await_ready() const noexcept { return false; }
  void OnEvent(bool ok) override {
    result = ok;
    waiter.resume();
  }
  void* tag() { return static_cast<CqTag*>(this); }

  std::coroutine_handle<> waiter;
  bool result = false;

 protected:
  ~CallOperation() = default;
};

}  // namespace sidebus
