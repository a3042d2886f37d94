#include "server/rpc/admin_rpc_server.h"

#include <utility>

#include "server/rpc/admin_service.h"
#include "server/rpc/call_server.h"
#include "server/rpc/health_service.h"
#include "server/rpc/library_setup.h"
#include "server/rpc/reflection_service.h"
#include "server/rpc/service_names.h"

namespace sidebus {
namespace {

using service_name::kEventBusAdmin;
using service_name::kHealth;
using service_name::kReflection;

constexpr std::uint32_t kMaxConnections = 16;
constexpr std::size_t kLoops = 1;

TransportLimits Limits(const AdminRpcServerOptions& options) {
  TransportLimits limits;
  limits.max_idle = options.max_idle;
  limits.max_message_bytes = 1 << 20;
  limits.max_concurrent_streams = 16;
  limits.max_calls = 64;
  limits.memory_bytes = 16 << 20;
  limits.loops = kLoops;
  return limits;
}

}  // namespace

class AdminRpcServer::Impl {
 public:
  Impl(AdminRpcServerOptions options, Operations& operations, Metrics& metrics)
      : reader_(kLoops, {.slots = 4, .time_out = options.read_time_out}),
        health_reader_(kLoops, HealthService::ReadOptions(options.read_time_out)),
        admin_(operations),
        health_(kEventBusAdmin),
        reflection_({kEventBusAdmin, kHealth, kReflection}),
        methods_(metrics),
        connections_(kMaxConnections),
        server_(std::move(options.listener), Limits(options), 0, methods_, connections_, metrics) {
    admin_.AddTo(methods_, reader_);
    health_.AddTo(methods_, health_reader_);
    if (!options.reflection) return;
    methods_.Add(kReflection, "ServerReflectionInfo", RpcType::kBidiStream,
                 [this](CallRef call) { reflection_.Serve(std::move(call)); });
  }

  UnaryReader reader_;
  UnaryReader health_reader_;
  AdminService admin_;
  HealthService health_;
  ReflectionService reflection_;
  MethodTable methods_;
  ConnectionLimit connections_;
  CallServer server_;  // last: its calls use all of the above
};

AdminRpcServer::AdminRpcServer(AdminRpcServerOptions options, Operations& operations,
                               Metrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), operations, metrics)) {}

AdminRpcServer::~AdminRpcServer() { Shutdown(SteadyTime{}); }

absl::StatusOr<std::string> AdminRpcServer::Start() {
  SetUpLibraries();
  return impl_->server_.Start();
}

void AdminRpcServer::SetServing(bool serving) { impl_->health_.SetServing(serving); }

void AdminRpcServer::Shutdown(SteadyTime deadline) { impl_->server_.Shutdown(deadline); }

}  // namespace sidebus
