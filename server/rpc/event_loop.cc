#include "server/rpc/event_loop.h"

#include <grpc/support/time.h>

#include <utility>

#include "server/base/check.h"

namespace sidebus {
namespace {

// While there are events. Looking at the clock for each of them was a hundredth of a unary call.
constexpr int kEventsBetweenTimers = 16;

// The steady clock by which queues wait, and timers are due: a change of the machine's time moves none.
Duration Now() {
  const gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

EventLoop::EventLoop(std::size_t index, std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : index_(index), queue_(std::move(queue)) {}

EventLoop::~EventLoop() { Stop(); }

void EventLoop::Start() {
  thread_ = std::thread([this] { Run(); });
}

void EventLoop::Stop() {
  queue_->Shutdown();
  if (thread_.joinable()) return thread_.join();
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
  }
}

void EventLoop::Post(absl::AnyInvocable<void()> run) {
  MutexLock lock(mu_);
  Push(std::move(run));
}

bool EventLoop::PostBehindOthers(absl::AnyInvocable<void()> run) {
  MutexLock lock(mu_);
  if (inbox_.empty() && !running_) return false;
  Push(std::move(run));
  return true;
}

void EventLoop::Push(absl::AnyInvocable<void()> run) {
  inbox_.push_back(std::move(run));
  if (inbox_.size() > 1) return;
  alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), static_cast<CqTag*>(&inbox_tag_));
}

void EventLoop::After(Duration delay, absl::AnyInvocable<void()> run) {
  timers_.emplace(Now() + delay, std::move(run));
}

void EventLoop::Run() {
  void* tag = nullptr;
  bool ok = false;
  int events = 0;  // since the last look at the timers
  while (true) {
    switch (queue_->AsyncNext(&tag, &ok, NextDeadline())) {
      case grpc::CompletionQueue::SHUTDOWN:
        timers_.clear();
        return;
      case grpc::CompletionQueue::GOT_EVENT:
        static_cast<CqTag*>(tag)->OnEvent(ok);
        if (++events < kEventsBetweenTimers) continue;
        break;
      case grpc::CompletionQueue::TIMEOUT:
        break;
    }
    events = 0;
    if (!timers_.empty()) RunTimers();
  }
}

void EventLoop::RunInbox() {
  std::vector<absl::AnyInvocable<void()>> inbox;
  {
    MutexLock lock(mu_);
    inbox.swap(inbox_);
    running_ = true;
  }
  for (auto& run : inbox) run();
  MutexLock lock(mu_);
  running_ = false;
}

void EventLoop::RunTimers() {
  const Duration now = Now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    auto node = timers_.extract(timers_.begin());
    node.mapped()();
  }
}

gpr_timespec EventLoop::NextDeadline() const {
  if (timers_.empty()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_from_nanos(timers_.begin()->first.count(), GPR_CLOCK_MONOTONIC);
}

}  // namespace sidebus
