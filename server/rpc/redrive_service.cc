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

// The latest totals of a redrive, and its error after them; a client that reads slowly misses those
// before.
//
// Ownership: shared by the call and the redrive. Thread safety: all methods may be called from any
// thread.
class LatestProgress {
 public:
  explicit LatestProgress(EventLoop& loop) : wake(std::make_shared<Signal>(loop)) {}

  void Set(absl::StatusOr<RedriveProgress> progress) {
    {
      MutexLock lock(mu_);
      (progress.ok() ? latest_ : error_) = std::move(progress);
    }
    wake->Notify();
  }

  std::optional<absl::StatusOr<RedriveProgress>> Take() {
    MutexLock lock(mu_);
    return std::exchange(latest_.has_value() ? latest_ : error_, std::nullopt);
  }

  const std::shared_ptr<Signal> wake;

 private:
  Mutex mu_;
  std::optional<absl::StatusOr<RedriveProgress>> latest_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::StatusOr<RedriveProgress>> error_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

CallTask RedriveService::Serve(CallRef call, grpc::ByteBuffer message) {
  auto request = ParseRequest<sidebus::v1::RedriveRequest>(message);
  if (!request.ok()) {
    ServerCall::Finish(std::move(call), request.status());
    co_return;
  }
  const auto latest = std::make_shared<LatestProgress>(call->loop());
  call->OnCancel([wake = latest->wake] { wake->Notify(); });
  auto stop = operations_.Redrive(
      RedriveFromProto(*std::move(request)),
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
