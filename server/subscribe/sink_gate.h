#pragma once

#include <thread>
#include <vector>

#include "server/base/mutex.h"
#include "server/subscribe/subscriber.h"

namespace sidebus {

// The way to a StreamSink that can be shut: after Shut() the sink is not called any more, and no
// call is running on another thread.
//
// Thread safety: all methods may be called from any thread. Shut() waits for a running call, which
// by the sink's contract does not block; from inside such a call it returns at once.
class SinkGate {
 public:
  explicit SinkGate(StreamSink& sink) : sink_(&sink) {}

  // Calls the sink, with no lock held.
  void Notify();

  void Shut();

 private:
  Mutex mu_;
  CondVar done_;
  StreamSink* sink_ ABSL_GUARDED_BY(mu_);  // null: shut
  std::vector<std::thread::id> callers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
