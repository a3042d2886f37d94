#include "server/subscribe/sink_gate.h"

#include <algorithm>

namespace sidebus {

void SinkGate::Notify() {
  const std::thread::id self = std::this_thread::get_id();
  StreamSink* sink = nullptr;
  {
    MutexLock lock(mu_);
    if (sink_ == nullptr) return;
    sink = sink_;
    callers_.push_back(self);
  }
  sink->OnOutgoing();
  MutexLock lock(mu_);
  callers_.erase(std::find(callers_.begin(), callers_.end(), self));
  done_.NotifyAll();
}

void SinkGate::Shut() {
  const std::thread::id self = std::this_thread::get_id();
  MutexLock lock(mu_);
  sink_ = nullptr;
  while (std::any_of(callers_.begin(), callers_.end(),
                     [&](std::thread::id caller) { return caller != self; })) {
    done_.Wait(mu_);
  }
}

}  // namespace sidebus
