#include "server/rpc/call_server.h"

#include <fmt/format.h>
#include <grpc/grpc.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>

#include <algorithm>
#include <utility>

#include "server/base/error.h"

namespace sidebus {
namespace {

// Calls that may arrive before the loop looks again. More wait inside gRPC.
constexpr std::size_t kRequestedCalls = 32;

constexpr int Ms(std::chrono::milliseconds duration) { return static_cast<int>(duration.count()); }

void SetChannelArguments(const TransportLimits& limits, bool is_unix,
                         grpc::ServerBuilder& builder) {
  using std::chrono::minutes;
  using std::chrono::seconds;
  builder.SetMaxReceiveMessageSize(static_cast<int>(limits.max_message_bytes));
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8 << 10);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Ms(seconds(10)));
  // Counts of each call and connection for a service that is not there.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  // Memory before speed: the transport takes no more of an unread message than this, and does not
  // guess a larger window from the bandwidth.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, limits.lookahead_bytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Ms(seconds(60)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Ms(seconds(20)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Ms(seconds(10)));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  if (limits.max_idle.has_value() || !is_unix) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                               Ms(limits.max_idle.value_or(minutes(5))));
  }
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
}

}  // namespace

MethodTable::MethodTable(Metrics& metrics)
    : metrics_(metrics),
      unknown_{[](CallRef call) {
                 ServerCall::Finish(std::move(call),
                                    MakeError(Reason::kNotSupported, "there is no such method"));
               },
               MethodMetrics(metrics, "other", "other", RpcType::kUnary)} {}

void MethodTable::Add(std::string_view service, std::string_view method, RpcType type,
                      Handler handler) {
  methods_[fmt::format("/{}/{}", service, method)] = std::make_unique<Method>(
      Method{std::move(handler), MethodMetrics(metrics_, service, method, type)});
}

void MethodTable::AddRead(std::string_view service, std::string_view method, RpcType type,
                          UnaryReader& reader, ReadHandler handler) {
  Add(service, method, type, [&reader, handler = std::move(handler)](CallRef call) {
    reader.Read(std::move(call), [&handler](CallRef read, grpc::ByteBuffer message) {
      handler(std::move(read), std::move(message));
    });
  });
}

MethodTable::Method& MethodTable::Find(const std::string& path) {
  const auto found = methods_.find(path);
  return found == methods_.end() ? unknown_ : *found->second;
}

CallServer::CallServer(ListenerOptions options, TransportLimits limits, std::size_t first_loop,
                       MethodTable& methods, ConnectionLimit& connections, Metrics& metrics)
    : options_(std::move(options)),
      limits_(limits),
      first_loop_(first_loop),
      methods_(methods),
      connections_(connections),
      metrics_(metrics) {}

CallServer::~CallServer() { Shutdown(SteadyTime{}); }

absl::StatusOr<std::string> CallServer::Start() {
  auto socket = ListeningSocket::Open(options_);
  if (!socket.ok()) return socket.status();
  const std::string address = socket->address();

  grpc::ServerBuilder builder;
  SetChannelArguments(limits_, socket->is_unix(), builder);
  // gRPC holds a message whole before it looks at its length, which the client made up (1.51).
  grpc::ResourceQuota quota;
  quota.Resize(limits_.memory_bytes);
  builder.SetResourceQuota(quota);
  builder.RegisterAsyncGenericService(&service_);
  handover_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  for (std::size_t i = 0; i < limits_.loops; ++i) {
    loops_.push_back(std::make_unique<EventLoop>(first_loop_ + i, builder.AddCompletionQueue()));
  }
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    return absl::InternalError(fmt::format("gRPC does not start a server on {}", address));
  }
  for (auto& loop : loops_) {
    for (std::size_t i = 0; i < kRequestedCalls; ++i) RequestCall(*loop);
    loop->Start();
  }
  acceptor_ = std::make_unique<ConnectionAcceptor>(
      *std::move(socket), options_.name, connections_, metrics_, [this](int fd) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
        connection.fd = fd;
        handover_->HandleNewConnection(&connection);
      });
  acceptor_->Start();
  return address;
}

void CallServer::Shutdown(SteadyTime deadline) {
  if (acceptor_ != nullptr) acceptor_->Stop();
  if (server_ != nullptr) {
    const auto left = std::max(deadline - std::chrono::steady_clock::now(), Duration::zero());
    server_->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                   gpr_time_from_nanos(left.count(), GPR_TIMESPAN)));
    MutexLock lock(mu_);
    while (calls_ > 0) gone_.Wait(mu_);
  }
  for (auto& loop : loops_) loop->Stop();
  acceptor_.reset();
  server_.reset();
  loops_.clear();
}

void CallServer::RequestCall(EventLoop& loop) {
  {
    MutexLock lock(mu_);
    ++calls_;
  }
  // Owned by its references.
  (new ServerCall(*this, loop))->Request(service_);
}

void CallServer::OnCall(ServerCall& call, bool ok) {
  if (!ok) return;
  RequestCall(call.loop());
  std::size_t alive = 0;
  {
    MutexLock lock(mu_);
    alive = calls_ - std::min(calls_, kRequestedCalls * loops_.size());
  }
  MethodTable::Method& method = methods_.Find(call.method());
  call.Accept(method.metrics);
  if (alive <= limits_.max_calls) return method.handler(CallRef(call));
  ServerCall::Finish(
      CallRef(call),
      MakeError(Reason::kTooManyStreams,
                fmt::format("more than {} calls are under way on this listener", limits_.max_calls),
                {{std::string(error_key::kLimit), fmt::to_string(limits_.max_calls)}}));
}

void CallServer::OnCallGone() {
  MutexLock lock(mu_);
  if (--calls_ == 0) gone_.NotifyAll();
}

}  // namespace sidebus
