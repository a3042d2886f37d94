#include "server/rpc/redrive_service.h"

#include <memory>
#include <optional>
#include <utility>

#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/rpc/admin_conversions.h"
#include "server/rpc/message_buffer.h"
#include "server/rpc/signal.h"

namespace sidebus {
namespace {

// The latest word of a redrive; a client that reads slowly misses those before it.
//
// Ownership: shared by the call and the redrive. Thread safety: all methods may be called from any
// thread.
class LatestProgress {
 public:
  explicit LatestProgress(EventLoop& loop) : wake(std::make_shared<Signal>(loop)) {}

  void Set(absl::StatusOr<RedriveProgress> progress) {
    {
      MutexLock lock(mu_);
      latest_ = std::move(progress);
    }
    wake->Notify();
  }

  std::optional<absl::StatusOr<RedriveProgress>> Take() {
    MutexLock lock(mu_);
    return std::exchange(latest_, std::nullopt);
  }

  const std::shared_ptr<Signal> wake;

 private:
  Mutex mu_;
  std::optional<absl::StatusOr<RedriveProgress>> latest_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

CallTask RedriveService::Serve(CallRef call, grpc::ByteBuffer message) {
  sidebus::v1::RedriveRequest request;
  if (!ParseMessage(message, request)) {
    ServerCall::Finish(std::move(call), MakeError(Reason::kStartInvalid,
                                                  "the message is no sidebus.v1.RedriveRequest"));
    co_return;
  }
  const auto latest = std::make_shared<LatestProgress>(call->loop());
  call->OnCancel([wake = latest->wake] { wake->Notify(); });
  auto stop = operations_.Redrive(
      RedriveFromProto(std::move(request)),
      [latest](absl::StatusOr<RedriveProgress> progress) { latest->Set(std::move(progress)); });

  absl::Status end = absl::CancelledError();
  while (!call->cancelled()) {
    const auto progress = latest->Take();
    if (!progress.has_value()) {
      co_await latest->wake->Wait();
      continue;
    }
    if (!progress->ok()) {
      end = progress->status();
      break;
    }
    const grpc::ByteBuffer update = ToBuffer(RedriveToProto(**progress));
    if (!co_await call->Write(update)) break;
    if ((*progress)->done) {
      end = absl::OkStatus();
      break;
    }
  }
  latest->wake->Close();
  stop();
  ServerCall::Finish(std::move(call), end);
}

}  // namespace sidebus
