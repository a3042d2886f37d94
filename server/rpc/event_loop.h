#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <cstddef>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace sidebus {

// What a completion queue hands back when an operation is complete.
class CqTag {
 public:
  // On the loop's thread. `ok` as gRPC says it for the operation.
  virtual void OnEvent(bool ok) = 0;

 protected:
  ~CqTag() = default;
};

// One completion queue and the one thread that runs it.
//
// A call lives on one loop: all its events arrive on this thread, one at a time, so a call's state
// needs no lock. Other threads reach it through Post().
//
// Thread safety: Post(), PostBehindOthers() and queue() may be used from any thread; After() only
// from the loop's own; Start() and Stop() by the owner.
// Life: Stop() comes after every call of the loop has ended and nobody posts any more.
class EventLoop {
 public:
  EventLoop(std::size_t index, std::unique_ptr<grpc::ServerCompletionQueue> queue);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Start();

  // Drains the queue and joins the thread. Timers that are waiting are dropped.
  void Stop();

  // Runs `run` on the loop's thread, never from inside this call. Cost: a lock, and for the first
  // of those that wait an alarm (which wakes the thread).
  void Post(absl::AnyInvocable<void()> run);

  // The same, if something that was posted waits or runs; else does nothing. Whether it did.
  bool PostBehindOthers(absl::AnyInvocable<void()> run);

  // Runs `run` on the loop's thread at least `delay` from now. Loop thread only.
  void After(Duration delay, absl::AnyInvocable<void()> run);

  // Numbers the loops of a server from 0: for state that is per loop.
  std::size_t index() const { return index_; }
  grpc::ServerCompletionQueue& queue() { return *queue_; }

 private:
  class InboxTag final : public CqTag {
   public:
    explicit InboxTag(EventLoop& loop) : loop_(loop) {}
    void OnEvent(bool) override { loop_.RunInbox(); }

   private:
    EventLoop& loop_;
  };

  void Run();
  void RunInbox();
  void Push(absl::AnyInvocable<void()> run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunTimers();
  gpr_timespec NextDeadline() const;

  const std::size_t index_;
  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  InboxTag inbox_tag_{*this};
  std::multimap<Duration, absl::AnyInvocable<void()>> timers_;  // by gRPC's steady clock

  Mutex mu_;
  std::vector<absl::AnyInvocable<void()>> inbox_ ABSL_GUARDED_BY(mu_);
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mu_);     // set exactly while inbox_ is not empty
  bool running_ ABSL_GUARDED_BY(mu_) = false;  // what was taken out of inbox_

  std::thread thread_;
};

}  // namespace sidebus
