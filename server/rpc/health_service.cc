#include "server/rpc/health_service.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "server/rpc/message_buffer.h"
#include "server/rpc/service_names.h"

namespace sidebus {
namespace {

using grpc::health::v1::HealthCheckResponse;

grpc::ByteBuffer Answer(HealthCheckResponse::ServingStatus status) {
  HealthCheckResponse response;
  response.set_status(status);
  return ToBuffer(response);
}

}  // namespace

void HealthService::AddTo(MethodTable& methods, UnaryReader& reader) {
  methods.AddRead(service_name::kHealth, "Check", RpcType::kUnary, reader,
                  [this](CallRef call, grpc::ByteBuffer message) {
                    Check(std::move(call), std::move(message));
                  });
  methods.AddRead(service_name::kHealth, "Watch", RpcType::kServerStream, reader,
                  [this](CallRef call, grpc::ByteBuffer message) {
                    Watch(std::move(call), std::move(message));
                  });
}

void HealthService::SetServing(bool serving) {
  serving_.store(serving);
  watchers_.NotifyAll();
}

HealthService::Status HealthService::StatusOf(const std::string& service) const {
  if (!service.empty() && service != service_) {
    return HealthCheckResponse::SERVICE_UNKNOWN;
  }
  return serving_.load() ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

std::optional<std::string> HealthService::ServiceOf(grpc::ByteBuffer& message) {
  grpc::health::v1::HealthCheckRequest request;
  if (!ParseMessage(message, request)) return std::nullopt;
  return std::move(*request.mutable_service());
}

void HealthService::Check(CallRef call, grpc::ByteBuffer message) {
  const auto service = ServiceOf(message);
  if (!service.has_value()) {
    return ServerCall::Finish(std::move(call),
                              absl::InvalidArgumentError("not a HealthCheckRequest"));
  }
  const Status status = StatusOf(*service);
  if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
    ServerCall::Finish(std::move(call), absl::NotFoundError("unknown service"));
  } else {
    ServerCall::FinishWith(std::move(call), Answer(status));
  }
}

CallTask HealthService::Watch(CallRef call, grpc::ByteBuffer message) {
  const auto service = ServiceOf(message);
  if (!service.has_value()) {
    ServerCall::Finish(std::move(call), absl::InvalidArgumentError("not a HealthCheckRequest"));
    co_return;
  }
  const auto wake = std::make_shared<Signal>(call->loop());
  watchers_.Join(wake);
  const absl::Cleanup leave = [&] {
    watchers_.Leave(wake);
    wake->Close();
  };
  call->OnCancel([wake] { wake->Notify(); });
  std::optional<Status> told;
  while (!call->cancelled()) {
    const Status now = StatusOf(*service);
    if (told == now) {
      co_await wake->Wait();
      continue;
    }
    told = now;
    const grpc::ByteBuffer answer = Answer(now);
    if (!co_await call->Write(answer)) break;
  }
  ServerCall::Finish(std::move(call), absl::CancelledError());
}

}  // namespace sidebus
