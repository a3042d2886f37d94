#pragma once

#include <atomic>
#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

#include "server/publish/publisher.h"
#include "server/rpc/server_call.h"

namespace sidebus {

// co_await: the results of one batch, or nullopt when the call was cancelled first.
//
// While little else is in flight, and nothing is posted to the loop, the coroutine goes on in
// place: on the producer's thread where the last report came in (or the timer's, at the deadline),
// without a hop to the loop, which a lone call would wait for. There it may use its own locals and
// ServerCall::FinishWith(), nothing else. Otherwise it goes on on the loop's thread, so that
// answers that come together are sent together: two threads that send on one connection cost more
// than that hop (docs/adr/0081). So it does after a cancellation; then late results are dropped.
//
// Takes the call's OnCancel(), and claims its turn in a flag that both sides share.
class PublishWait {
 public:
  PublishWait(Publisher& publisher, PublishBatch batch, ServerCall& call)
      : publisher_(publisher), batch_(std::move(batch)), call_(call) {}

  bool await_ready() const noexcept { return call_.cancelled(); }

  bool await_suspend(std::coroutine_handle<> waiter) {
    auto shared = std::make_shared<Shared>();
    shared_ = shared;
    call_.OnCancel([shared, waiter] {
      if (shared->Claim()) waiter.resume();
    });
    auto done = [shared, waiter, &publisher = publisher_,
                 &loop = call_.loop()](Publisher::Results results) {
      if (!shared->Claim()) return;
      shared->results = std::move(results);
      // The loop is there as long as the call, which only its coroutine ends.
      if (publisher.in_flight_events() >= kManyInFlight) return loop.Post(waiter);
      if (!loop.PostBehindOthers(waiter)) waiter.resume();
    };
    auto results = publisher_.Publish(std::move(batch_), std::move(done));
    // Without results the coroutine may have ended by now: nothing of it is touched.
    if (!results.has_value()) return true;
    shared->Claim();
    shared->results = std::move(results);
    return false;
  }

  std::optional<Publisher::Results> await_resume() {
    if (shared_ == nullptr) return std::nullopt;
    return std::move(shared_->results);
  }

 private:
  // Events of other calls and streams. Measured with one connection: up to 32 calls are cheaper in
  // place, 64 and more by the loop.
  static constexpr std::size_t kManyInFlight = 48;

  struct Shared {
    bool Claim() { return !claimed.exchange(true, std::memory_order_acq_rel); }

    std::atomic<bool> claimed{false};
    std::optional<Publisher::Results> results;
  };

  Publisher& publisher_;
  PublishBatch batch_;
  ServerCall& call_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace sidebus
