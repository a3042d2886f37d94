#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/rpc/signal.h"
#include "server/subscribe/subscriber.h"

namespace sidebus {

// Streams that are to be woken when something changes that concerns all of them.
//
// Thread safety: all methods may be called from any thread. Cost: O(streams) to leave and notify.
class StreamGroup {
 public:
  void Join(std::shared_ptr<Signal> stream) {
    MutexLock lock(mu_);
    streams_.push_back(std::move(stream));
  }

  void Leave(const std::shared_ptr<Signal>& stream) {
    MutexLock lock(mu_);
    std::erase(streams_, stream);
  }

  void NotifyAll() {
    MutexLock lock(mu_);
    for (const auto& stream : streams_) stream->Notify();
  }

 private:
  Mutex mu_;  // before Signal's
  std::vector<std::shared_ptr<Signal>> streams_ ABSL_GUARDED_BY(mu_);
};

// Whether the gateway is going away, and the publish streams that are told.
class DrainNotice {
 public:
  void Begin(Draining draining) {
    {
      MutexLock lock(mu_);
      draining_ = std::move(draining);
    }
    streams.NotifyAll();
  }

  std::optional<Draining> current() const {
    MutexLock lock(mu_);
    return draining_;
  }

  StreamGroup streams;

 private:
  mutable Mutex mu_;
  std::optional<Draining> draining_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
