#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "server/rpc/message_buffer.h"
#include "server/rpc/server_call.h"

namespace sidebus {

// The answer of a unary call that comes later, from any thread, or never: the call ends with the
// answer, or, if the client goes away first or the server stops, without.
//
// Ownership: shared by whoever answers and the call's own hook. Thread safety: Make() on the loop's
// thread; Finish() from any thread, what comes after the first is dropped.
class LateAnswer {
 public:
  // Takes the call's OnCancel().
  static std::shared_ptr<LateAnswer> Make(CallRef call) {
    auto answer = std::make_shared<LateAnswer>(std::move(call));
    (*answer->call_)->OnCancel([answer] { answer->Finish(absl::CancelledError()); });
    return answer;
  }
  explicit LateAnswer(CallRef call) : call_(std::move(call)) {}

  void Finish(const absl::Status& status) {
    if (finished_.exchange(true)) return;
    ServerCall::Finish(Take(), status);
  }
  template <typename Message>
  void FinishWith(const Message& message) {
    if (finished_.exchange(true)) return;
    ServerCall::FinishWith(Take(), ToBuffer(message));
  }

 private:
  CallRef Take() {
    CallRef call = *std::move(call_);
    call_.reset();
    return call;
  }

  std::atomic<bool> finished_{false};
  std::optional<CallRef> call_;  // until it is finished
};

}  // namespace sidebus
