#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/subscribe/subscriber.h"

namespace sidebus {

// Subscribers that a test plays: what it queues is what the stream sends, what the stream does is
// written down. Outlives the streams.
//
// Thread safety: all methods may be called from any thread.
class FakeSubscribers {
 public:
  struct Seen {
    std::vector<SubscribeStart> starts;
    std::vector<SettleRequest> requests;
    int written = 0;
    bool half_closed = false;
    int destroyed = 0;
    int destroyed_before_end = 0;
  };

  // Every later Open() fails with it.
  void RefuseWith(absl::Status status) {
    MutexLock lock(mu_);
    refusal_ = std::move(status);
  }

  absl::StatusOr<std::unique_ptr<Subscriber>> Open(SubscribeStart start, StreamSink& sink) {
    MutexLock lock(mu_);
    if (!refusal_.ok()) return refusal_;
    seen_.starts.push_back(std::move(start));
    sink_ = &sink;
    return std::make_unique<FakeSubscriber>(*this);
  }

  // The stream's next Take().
  void Send(Outgoing outgoing) {
    MutexLock lock(mu_);
    outgoing_.push_back(std::move(outgoing));
    // With the lock, so that the sink stays: the stream's destructor of the subscriber waits.
    if (sink_ != nullptr) sink_->OnOutgoing();
  }

  Seen seen() const {
    MutexLock lock(mu_);
    return seen_;
  }

 private:
  class FakeSubscriber final : public Subscriber {
   public:
    explicit FakeSubscriber(FakeSubscribers& owner) : owner_(owner) {}
    ~FakeSubscriber() override {
      MutexLock lock(owner_.mu_);
      owner_.sink_ = nullptr;
      ++owner_.seen_.destroyed;
      if (!ended_) ++owner_.seen_.destroyed_before_end;
    }

    void Handle(SettleRequest request) override {
      MutexLock lock(owner_.mu_);
      owner_.seen_.requests.push_back(std::move(request));
    }

    Outgoing Take(std::uint32_t, std::uint64_t) override {
      MutexLock lock(owner_.mu_);
      if (owner_.outgoing_.empty()) return {};
      Outgoing outgoing = std::move(owner_.outgoing_.front());
      owner_.outgoing_.pop_front();
      ended_ = outgoing.end.has_value();
      return outgoing;
    }

    void Written() override {
      MutexLock lock(owner_.mu_);
      ++owner_.seen_.written;
    }

    void HalfClosed() override {
      MutexLock lock(owner_.mu_);
      owner_.seen_.half_closed = true;
    }

   private:
    FakeSubscribers& owner_;
    bool ended_ = false;
  };

  mutable Mutex mu_;
  absl::Status refusal_ ABSL_GUARDED_BY(mu_);
  std::deque<Outgoing> outgoing_ ABSL_GUARDED_BY(mu_);
  StreamSink* sink_ ABSL_GUARDED_BY(mu_) = nullptr;
  Seen seen_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
