#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/rpc/message_buffer.h"
#include "server/rpc/server_call.h"

namespace sidebus {

// The answer of a unary call that comes later, from any thread, or never: the call ends with the
// answer, or, if the client goes away first or the server stops, without.
//
// Ownership: shared by whoever answers and the call's own hook. Thread safety: Make() and WhenGone() on
// the loop's thread; Finish() from any thread, what comes after the first is dropped.
class LateAnswer {
 public:
  // Takes the call's OnCancel().
  static std::shared_ptr<LateAnswer> Make(CallRef call) {
    auto answer = std::make_shared<LateAnswer>(std::move(call));
    (*answer->call_)->OnCancel([answer] { answer->Cancel(); });
    return answer;
  }
  explicit LateAnswer(CallRef call) : call_(std::move(call)) {}

  void Finish(const absl::Status& status) {
    if (finished_.exchange(true)) return;
    ServerCall::Finish(Take(), status);
  }
  // `run` runs on the loop's thread if the client goes away before the answer; at once if it has.
  void WhenGone(absl::AnyInvocable<void()> run) {
    if (gone_) return run();
    when_gone_ = std::move(run);
  }

  template <typename Message>
  void FinishWith(const Message& message) {
    if (finished_.exchange(true)) return;
    ServerCall::FinishWith(Take(), ToBuffer(message));
  }

 private:
  void Cancel() {
    gone_ = true;
    if (finished_) return;
    if (when_gone_) std::exchange(when_gone_, nullptr)();
    Finish(absl::CancelledError());
  }

  CallRef Take() {
    CallRef call = *std::move(call_);
    call_.reset();
    return call;
  }

  std::atomic<bool> finished_{false};
  std::optional<CallRef> call_;  // until it is finished

  // The loop's thread only.
  bool gone_ = false;
  absl::AnyInvocable<void()> when_gone_;
};

}  // namespace sidebus
