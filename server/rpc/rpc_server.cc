#include "server/rpc/rpc_server.h"

#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "server/rpc/call_server.h"
#include "server/rpc/health_service.h"
#include "server/rpc/library_setup.h"
#include "server/rpc/publish_service.h"
#include "server/rpc/reflection_service.h"
#include "server/rpc/service_names.h"

namespace sidebus {
namespace {

using service_name::kEventBus;
using service_name::kHealth;
using service_name::kReflection;

// Beyond max_request_bytes, so that the refusal of what is a little too large is ours.
constexpr std::uint64_t kMessageMargin = 1 << 20;

std::size_t ThreadsOf(const RpcServerOptions& options) {
  if (options.threads > 0) return options.threads;
  return std::thread::hardware_concurrency() >= 4 ? 2 : 1;
}

// Of all listeners together.
std::size_t LoopsOf(const RpcServerOptions& options) {
  return ThreadsOf(options) * std::max<std::size_t>(1, options.listeners.size());
}

TransportLimits TransportOf(const RpcServerOptions& options) {
  TransportLimits limits;
  limits.max_message_bytes = options.description.requests.max_request_bytes + kMessageMargin;
  limits.loops = ThreadsOf(options);
  // Less, and calls would be ended that do no harm.
  constexpr std::uint64_t kLeastMemory = 16 << 20;
  limits.memory_bytes = std::max(
      kLeastMemory, options.transport_memory / std::max<std::size_t>(1, options.listeners.size()));
  return limits;
}

}  // namespace

class RpcServer::Impl {
 public:
  Impl(RpcServerOptions options, RpcBackends backends);

  const RpcServerOptions options_;
  const TransportLimits transport_;
  Metrics& metrics_;
  DrainNotice drain_;
  UnaryReader describe_reader_;  // a slow Describe is not to hold up a Publish, nor the reverse
  UnaryReader health_reader_;    // and nothing is to hold up a probe
  HealthService health_;
  PublishService publish_;
  PublishStreamService publish_stream_;
  SubscribeService subscribe_;
  DescribeService describe_;
  ReflectionService reflection_;
  MethodTable methods_;
  ConnectionLimit connections_;
  std::vector<std::unique_ptr<CallServer>> servers_;  // last: their calls use all of the above
};

RpcServer::Impl::Impl(RpcServerOptions options, RpcBackends backends)
    : options_(std::move(options)),
      transport_(TransportOf(options_)),
      metrics_(backends.metrics),
      describe_reader_(LoopsOf(options_), {.slots = 2, .time_out = options_.read_time_out}),
      health_reader_(LoopsOf(options_), HealthService::ReadOptions(options_.read_time_out)),
      health_(kEventBus),
      publish_(backends.publisher, backends.publish_budget, options_.description.requests,
               static_cast<std::uint64_t>(transport_.lookahead_bytes), LoopsOf(options_),
               options_.read_time_out, backends.clock),
      publish_stream_(backends.publisher, backends.publish_budget, options_.description.requests,
                      options_.publish_streams, drain_, backends.clock),
      subscribe_(std::move(backends.subscribe), options_.max_subscribe_streams),
      describe_(options_.description, std::move(backends.router), std::move(backends.condition),
                std::move(backends.draining), backends.clock),
      reflection_({kEventBus, kHealth, kReflection}),
      methods_(backends.metrics),
      connections_(options_.max_connections) {
  using enum RpcType;
  const auto add = [this](const char* service, const char* method, RpcType type, auto& object,
                          auto serve) {
    methods_.Add(service, method, type,
                 [&object, serve](CallRef call) { (object.*serve)(std::move(call)); });
  };
  add(kEventBus, "Publish", kUnary, publish_, &PublishService::Serve);
  add(kEventBus, "PublishStream", kBidiStream, publish_stream_, &PublishStreamService::Serve);
  add(kEventBus, "Subscribe", kBidiStream, subscribe_, &SubscribeService::Serve);
  methods_.AddRead(kEventBus, "Describe", kUnary, describe_reader_,
                   [this](CallRef call, grpc::ByteBuffer message) {
                     describe_.Serve(std::move(call), std::move(message));
                   });
  health_.AddTo(methods_, health_reader_);
  if (options_.reflection) {
    add(kReflection, "ServerReflectionInfo", kBidiStream, reflection_, &ReflectionService::Serve);
  }
}

RpcServer::RpcServer(RpcServerOptions options, RpcBackends backends)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(backends))) {}

RpcServer::~RpcServer() { Shutdown(SteadyTime{}); }

absl::StatusOr<std::vector<std::string>> RpcServer::Start() {
  SetUpLibraries();
  std::vector<std::string> addresses;
  for (const ListenerOptions& listener : impl_->options_.listeners) {
    const std::size_t first_loop = impl_->servers_.size() * impl_->transport_.loops;
    auto& server = impl_->servers_.emplace_back(
        std::make_unique<CallServer>(listener, impl_->transport_, first_loop, impl_->methods_,
                                     impl_->connections_, impl_->metrics_));
    auto address = server->Start();
    if (!address.ok()) {
      Shutdown(SteadyTime{});
      return address.status();
    }
    addresses.push_back(*std::move(address));
  }
  return addresses;
}

void RpcServer::SetServing(bool serving) { impl_->health_.SetServing(serving); }

void RpcServer::BeginDrain(Duration grace, const std::string& reason) {
  impl_->drain_.Begin({grace, reason});
}

// The listeners stop one after the other; the deadline is one for all.
void RpcServer::Shutdown(SteadyTime deadline) {
  for (auto& server : impl_->servers_) server->Shutdown(deadline);
  impl_->servers_.clear();
}

std::string RpcLibraryVersion() { return grpc::Version(); }

std::string ProtobufLibraryVersion() {
  return google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
}

}  // namespace sidebus
