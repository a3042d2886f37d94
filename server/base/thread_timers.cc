#include "server/base/thread_timers.h"

namespace sidebus {

ThreadTimers::ThreadTimers() : thread_([this] { Run(); }) {}

ThreadTimers::~ThreadTimers() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

TimerId ThreadTimers::At(SteadyTime when, absl::AnyInvocable<void()> run) {
  MutexLock lock(mu_);
  const TimerId id(++last_id_);
  const bool is_next = waiting_.empty() || when < waiting_.begin()->first.first;
  waiting_.emplace(Key{when, id}, std::move(run));
  when_.emplace(id, when);
  if (is_next) changed_.NotifyAll();
  return id;
}

bool ThreadTimers::Cancel(TimerId id) {
  absl::AnyInvocable<void()> dropped;  // destroyed after the lock is given back
  MutexLock lock(mu_);
  const auto when = when_.find(id);
  if (when == when_.end()) return false;
  const auto entry = waiting_.find(Key{when->second, id});
  dropped = std::move(entry->second);
  waiting_.erase(entry);
  when_.erase(when);
  return true;
}

void ThreadTimers::Run() {
  while (true) {
    absl::AnyInvocable<void()> run;
    {
      MutexLock lock(mu_);
      while (true) {
        if (stopping_) return;
        if (waiting_.empty()) {
          changed_.Wait(mu_);
          continue;
        }
        const auto first = waiting_.begin();
        if (first->first.first > Clock::Real().Now()) {
          changed_.WaitUntil(mu_, first->first.first);
          continue;
        }
        run = std::move(first->second);
        when_.erase(first->first.second);
        waiting_.erase(first);
        break;
      }
    }
    run();
  }
}

}  // namespace sidebus
