#include "server/rpc/read_slots.h"

#include <algorithm>
#include <utility>

#include "server/base/error.h"

namespace sidebus {
namespace {

const ServerCall* WaitingCall(const ReadSlots::Awaiter* awaiter) { return &awaiter->call; }

}  // namespace

bool ReadSlots::Awaiter::await_ready() {
  if (call.cancelled()) {
    grant = Grant::kCancelled;
  } else if (slots.taken_ < slots.options_.slots) {
    slots.StartReading(call);
    grant = Grant::kGranted;
  } else if (slots.waiting_.size() >= slots.options_.max_waiting) {
    grant = Grant::kRefused;
  }
  return grant != Grant::kWaiting;
}

void ReadSlots::Awaiter::await_suspend(std::coroutine_handle<> handle) {
  waiter = handle;
  slots.waiting_.push_back(this);
  // Found by its call, as the hook may run when this awaiter is long gone, and another one at its
  // address.
  call.OnCancel([&list = slots, waiting_call = &call] {
    const auto self = std::ranges::find(list.waiting_, waiting_call, &WaitingCall);
    if (self == list.waiting_.end()) return;
    Awaiter& awaiter = **self;
    list.waiting_.erase(self);
    list.StopWaiting(awaiter, Grant::kCancelled);
  });
}

void ReadSlots::StopWaiting(Awaiter& awaiter, Grant grant) {
  awaiter.grant = grant;
  awaiter.waiter.resume();
}

bool ReadSlots::Release(ServerCall& call) {
  const auto reader =
      std::ranges::find_if(reading_, [&call](const Reader& r) { return r.call == &call; });
  const bool in_time = !reader->ended;
  reading_.erase(reader);
  if (!in_time) return false;
  --taken_;
  // The next one reads on, from inside: its Read() only starts here.
  if (!waiting_.empty() && taken_ < options_.slots) {
    Awaiter& next = *waiting_.front();
    waiting_.pop_front();
    StartReading(next.call);
    StopWaiting(next, Grant::kGranted);
  }
  return true;
}

void ReadSlots::StartReading(ServerCall& call) {
  reading_.push_back({&call, std::chrono::steady_clock::now()});
  ++taken_;
  if (!timer_set_) SetTimer(call.loop(), options_.time_out);
}

void ReadSlots::SetTimer(EventLoop& loop, Duration delay) {
  timer_set_ = true;
  loop.After(delay, [this, &loop] { EndLate(loop); });
}

// One timer for all: it is set while anybody reads, and looks at the oldest.
void ReadSlots::EndLate(EventLoop& loop) {
  timer_set_ = false;
  const auto now = std::chrono::steady_clock::now();
  std::size_t ended = 0;
  for (Reader& reader : reading_) {
    if (reader.ended) continue;
    if (const Duration left = reader.since + options_.time_out - now; left > Duration::zero()) {
      SetTimer(loop, left);
      break;
    }
    reader.ended = true;
    ++ended;
    ServerCall::Finish(CallRef(*reader.call),
                       MakeError(Reason::kMemoryBudget,
                                 "the request did not arrive in time: send it faster, or less"));
  }
  taken_ -= ended;
  for (; ended > 0 && !waiting_.empty(); --ended) {
    Awaiter& next = *waiting_.front();
    waiting_.pop_front();
    StartReading(next.call);
    StopWaiting(next, Grant::kGranted);
  }
}

}  // namespace sidebus
