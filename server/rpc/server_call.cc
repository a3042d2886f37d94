#include "server/rpc/server_call.h"

#include <grpc/support/time.h>

#include <utility>

#include "server/rpc/rpc_status.h"

namespace sidebus {

void ServerCall::Request(grpc::AsyncGenericService& service) {
  Ref();
  context_.AsyncNotifyWhenDone(static_cast<CqTag*>(&done_tag_));
  service.RequestCall(&context_, &stream_, &loop_.queue(), &loop_.queue(),
                      static_cast<CqTag*>(&requested_));
}

void ServerCall::OnRequested(bool ok) {
  // gRPC hands the done tag back only for calls that there were.
  if (ok) Ref();
  host_.OnCall(*this, ok);
  Unref();
}

void ServerCall::OnDone(bool) {
  done_ = true;
  cancelled_ = context_.IsCancelled();
  if (auto hook = std::exchange(on_cancel_, nullptr); cancelled_ && hook) hook();
  Unref();
}

void ServerCall::Unref() {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  CallHost& host = host_;
  delete this;
  host.OnCallGone();
}

std::optional<Duration> ServerCall::TimeLeft() const {
  const gpr_timespec deadline = context_.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return std::nullopt;
  const gpr_timespec left = gpr_time_sub(gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC),
                                         gpr_now(GPR_CLOCK_MONOTONIC));
  // Longer than a day is for ever; the sum of the two would overflow long before that matters.
  if (left.tv_sec > 24 * 3600) return std::nullopt;
  return std::chrono::seconds(left.tv_sec) + std::chrono::nanoseconds(left.tv_nsec);
}

std::string_view ServerCall::Metadata(std::string_view name) const {
  const auto& metadata = context_.client_metadata();
  const auto found = metadata.find(grpc::string_ref(name.data(), name.size()));
  if (found == metadata.end()) return {};
  return {found->second.data(), found->second.size()};
}

void ServerCall::OnCancel(absl::AnyInvocable<void()> hook) {
  if (cancelled_) return hook();
  if (!done_) on_cancel_ = std::move(hook);
}

void ServerCall::Finish(CallRef call, const absl::Status& status) {
  ServerCall& self = *std::exchange(call.call_, nullptr);  // OnFinished() has the reference
  self.metrics_->Handled(status.code(), std::chrono::steady_clock::now() - self.accepted_);
  self.stream_.Finish(ToGrpcStatus(status), static_cast<CqTag*>(&self.finished_));
}

void ServerCall::FinishWith(CallRef call, const grpc::ByteBuffer& answer) {
  ServerCall& self = *std::exchange(call.call_, nullptr);
  self.metrics_->Sent();
  self.metrics_->Handled(absl::StatusCode::kOk, std::chrono::steady_clock::now() - self.accepted_);
  self.stream_.WriteAndFinish(answer, grpc::WriteOptions(), grpc::Status::OK,
                              static_cast<CqTag*>(&self.finished_));
}

}  // namespace sidebus
