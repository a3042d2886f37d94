#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <coroutine>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/rpc/call_operation.h"
#include "server/rpc/event_loop.h"
#include "server/rpc/method_metrics.h"

namespace sidebus {

class ServerCall;

// Keeps a ServerCall alive. Not thread-safe itself; copies may be on different threads.
class CallRef {
 public:
  explicit CallRef(ServerCall& call);
  CallRef(const CallRef& other) : CallRef(*other.call_) {}
  CallRef(CallRef&& other) noexcept : call_(other.call_) { other.call_ = nullptr; }
  CallRef& operator=(CallRef) = delete;
  ~CallRef();

  ServerCall* operator->() const { return call_; }
  ServerCall& operator*() const { return *call_; }

 private:
  friend class ServerCall;
  ServerCall* call_;
};

// One call of a client, of any method: bytes in, bytes out.
//
//   requested --client calls--> accepted --Read()/Write() by its coroutine--> Finish() --> gone
//
// A message is not read from the transport before Read(): gRPC holds at most the stream's
// look-ahead of an unread one.
// Rules: one Read() and one Write() outstanding; Finish() exactly once, as the coroutine's last use
// of the call, also when it was cancelled.
// Ownership: references; every operation under way holds one. Deletes itself with the last one.
// Thread safety: Finish() may be called from any thread; everything else on the loop's thread.
class ServerCall {
 public:
  ServerCall(CallHost& host, EventLoop& loop) : host_(host), loop_(loop) {}
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;

  // Waits for a client to call: CallHost::OnCall().
  void Request(grpc::AsyncGenericService& service);

  const std::string& method() const { return context_.method(); }
  const std::string& listener() const { return host_.listener(); }
  EventLoop& loop() { return loop_; }

  // Called by the host before the method's coroutine starts.
  void Accept(MethodMetrics& metrics) {
    metrics_ = &metrics;
    accepted_ = std::chrono::steady_clock::now();
    metrics.Started();
  }

  // Time left until the client's deadline; nullopt without one.
  std::optional<Duration> TimeLeft() const;

  // Value of the client's metadata; empty when absent. Valid as long as the call.
  std::string_view Metadata(std::string_view name) const;

  // Whether the client cancelled, or went away, or its deadline passed before Finish().
  bool cancelled() const { return cancelled_; }

  // `hook` runs once, on the loop's thread, when cancelled() becomes true: at once, from inside
  // this call, if it is true already. It is destroyed when the call's fate is known.
  void OnCancel(absl::AnyInvocable<void()> hook);

  struct ReadAwaiter;
  struct WriteAwaiter;

  // co_await: true with the next message in `into`; false: the client sends no more, or the call
  // was cancelled (see cancelled(), which may follow a little later).
  ReadAwaiter Read(grpc::ByteBuffer& into);

  // co_await: false when the call is over and the message was not sent.
  WriteAwaiter Write(const grpc::ByteBuffer& message);

  // Ends the call. Gives up the reference: the call may be gone when it returns.
  static void Finish(CallRef call, const absl::Status& status);

  // Sends the answer of a unary call and ends it with OK. As Finish() otherwise.
  static void FinishWith(CallRef call, const grpc::ByteBuffer& answer);

 private:
  friend class CallRef;

  template <void (ServerCall::*Handler)(bool)>
  class Tag final : public CqTag {
   public:
    explicit Tag(ServerCall& call) : call_(call) {}
    void OnEvent(bool ok) override { (call_.*Handler)(ok); }

   private:
    ServerCall& call_;
  };

  void Ref() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void Unref();
  void OnRequested(bool ok);
  void OnDone(bool ok);
  void OnFinished(bool) { Unref(); }

  CallHost& host_;
  EventLoop& loop_;
  MethodMetrics* metrics_ = nullptr;
  SteadyTime accepted_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  std::atomic<int> refs_{0};
  Tag<&ServerCall::OnRequested> requested_{*this};
  Tag<&ServerCall::OnDone> done_tag_{*this};
  Tag<&ServerCall::OnFinished> finished_{*this};
  absl::AnyInvocable<void()> on_cancel_;
  bool done_ = false;
  bool cancelled_ = false;
};

struct ServerCall::ReadAwaiter final : CallOperation {
  ReadAwaiter(ServerCall& c, grpc::ByteBuffer& i) : call(c), into(i) {}
  void await_suspend(std::coroutine_handle<> h) {
    waiter = h;
    call.stream_.Read(&into, tag());
  }
  bool await_resume() const {
    if (result) call.metrics_->Received();
    return result;
  }

  ServerCall& call;
  grpc::ByteBuffer& into;
};

struct ServerCall::WriteAwaiter final : CallOperation {
  WriteAwaiter(ServerCall& c, const grpc::ByteBuffer& m) : call(c), message(m) {}
  void await_suspend(std::coroutine_handle<> h) {
    waiter = h;
    call.metrics_->Sent();
    call.stream_.Write(message, tag());
  }
  bool await_resume() const noexcept { return result; }

  ServerCall& call;
  const grpc::ByteBuffer& message;
};

inline ServerCall::ReadAwaiter ServerCall::Read(grpc::ByteBuffer& into) {
  return ReadAwaiter(*this, into);
}

inline ServerCall::WriteAwaiter ServerCall::Write(const grpc::ByteBuffer& message) {
  return WriteAwaiter(*this, message);
}

inline CallRef::CallRef(ServerCall& call) : call_(&call) { call_->Ref(); }
inline CallRef::~CallRef() {
  if (call_ != nullptr) call_->Unref();
}

}  // namespace sidebus
