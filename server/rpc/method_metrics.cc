#include "server/rpc/method_metrics.h"

#include <algorithm>

namespace sidebus {
namespace {

// In the order of the codes' numbers, spelt as grpc-ecosystem spells them.
constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

std::string TypeName(RpcType type) {
  switch (type) {
    case RpcType::kUnary:
      return "unary";
    case RpcType::kServerStream:
      return "server_stream";
    case RpcType::kBidiStream:
      break;
  }
  return "bidi_stream";
}

}  // namespace

MethodMetrics::MethodMetrics(Metrics& metrics, std::string_view service, std::string_view method,
                             RpcType type) {
  Labels labels{{"grpc_type", TypeName(type)},
                {"grpc_service", std::string(service)},
                {"grpc_method", std::string(method)}};
  started_ =
      metrics.AddCounter("grpc_server_started_total", "Calls started on the server.", labels);
  received_ = metrics.AddCounter("grpc_server_msg_received_total",
                                 "Messages received from clients on streams and calls.", labels);
  sent_ = metrics.AddCounter("grpc_server_msg_sent_total",
                             "Messages sent to clients on streams and calls.", labels);
  if (type == RpcType::kUnary) {
    seconds_ = metrics.AddHistogram("grpc_server_handling_seconds",
                                    "From the start of a unary call to its answer.",
                                    buckets::kLatency, labels);
  }
  labels.emplace_back("grpc_code", "");
  for (std::size_t code = 0; code < kCodeNames.size(); ++code) {
    labels.back().second = kCodeNames.at(code);
    handled_.at(code) = metrics.AddCounter("grpc_server_handled_total",
                                           "Calls completed on the server, by code.", labels);
  }
}

void MethodMetrics::Handled(absl::StatusCode code, Duration took) {
  seconds_.Observe(std::chrono::duration<double>(took).count());
  const auto index = static_cast<std::size_t>(code);
  handled_.at(index < handled_.size() ? index : 2).Increment();
}

}  // namespace sidebus
