#include "server/rpc/event_loop.h"

#include <grpc/support/time.h>

#include <algorithm>
#include <utility>

#include "server/base/check.h"

namespace sidebus {

namespace {

// While there are events: a look at the clock costs as much as a small part of handling one.
constexpr int kEventsBetweenTimers = 16;

std::chrono::nanoseconds Nanoseconds(gpr_timespec time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

EventLoop::EventLoop(std::size_t index, std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : index_(index),
      queue_(std::move(queue)),
      ahead_(Nanoseconds(gpr_now(GPR_CLOCK_MONOTONIC)) -
             std::chrono::steady_clock::now().time_since_epoch()) {}

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
  inbox_.push_back(std::move(run));
  if (inbox_.size() > 1) return;
  alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), static_cast<CqTag*>(&inbox_tag_));
}

void EventLoop::After(Duration delay, absl::AnyInvocable<void()> run) {
  timers_.emplace(std::chrono::steady_clock::now() + delay, std::move(run));
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
  }
  for (auto& run : inbox) run();
}

void EventLoop::RunTimers() {
  const auto now = std::chrono::steady_clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    auto node = timers_.extract(timers_.begin());
    node.mapped()();
  }
}

// By gRPC's steady clock: a change of the machine's time moves no timer.
gpr_timespec EventLoop::NextDeadline() const {
  if (timers_.empty()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  const std::chrono::nanoseconds due = timers_.begin()->first.time_since_epoch() + ahead_;
  return gpr_time_from_nanos(due.count(), GPR_CLOCK_MONOTONIC);
}

}  // namespace sidebus
