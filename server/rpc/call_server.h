#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/rpc/connection_acceptor.h"
#include "server/rpc/server_call.h"
#include "server/rpc/unary_reader.h"

namespace sidebus {

// What there is to call. Filled before the servers start, constant afterwards.
class MethodTable {
 public:
  // Starts the method's coroutine, on the call's loop. It ends with one ServerCall::Finish().
  using Handler = std::function<void(CallRef)>;
  struct Method {
    Handler handler;
    MethodMetrics metrics;
  };

  explicit MethodTable(Metrics& metrics);

  void Add(std::string_view service, std::string_view method, RpcType type, Handler handler);

  // For a method that only looks at its one, small message: `reader` reads it first.
  using ReadHandler = std::function<void(CallRef, grpc::ByteBuffer)>;
  void AddRead(std::string_view service, std::string_view method, RpcType type, UnaryReader& reader,
               ReadHandler handler);

  // `path` as on the wire: "/sidebus.v1.EventBus/Publish". A path that nobody knows finds a method
  // that answers UNIMPLEMENTED.
  Method& Find(const std::string& path);

 private:
  Metrics& metrics_;
  absl::flat_hash_map<std::string, std::unique_ptr<Method>> methods_;
  Method unknown_;
};

// What a server lets a transport do.
struct TransportLimits {
  std::uint64_t max_message_bytes = 5 << 20;
  int max_concurrent_streams = 256;     // per connection
  int lookahead_bytes = 64 << 10;       // of a message that nobody reads yet, per stream
  std::uint32_t max_calls = 2048;       // alive at once, on all connections of a listener
  std::size_t memory_bytes = 64 << 20;  // that the transport may hold; beyond it calls are ended
  // After so long a connection without a call is closed. Default: 5 min, and on Unix sockets never.
  std::optional<std::chrono::milliseconds> max_idle;
  std::size_t loops = 1;  // completion queues, each with one thread
};

// The gRPC server of one listener: accepts connections and calls, and starts the methods'
// coroutines on its loops.
//
//   acceptor thread --descriptor--> grpc::Server --call--> one of the loops --> MethodTable
//
// Bounded: connections (ConnectionLimit), calls (max_calls; one more is answered RESOURCE_EXHAUSTED
// with its message unread), bytes per unread call (lookahead_bytes), bytes per message, bytes of all
// messages on their way (memory_bytes: a message is held whole before its length is looked at).
// Messages are taken uncompressed only: a few compressed bytes could become more than the limit.
//
// Life: Start() once, then Shutdown() once. Thread safety: both by the owner.
class CallServer final : private CallHost {
 public:
  // Loops are numbered from `first_loop`.
  CallServer(ListenerOptions options, TransportLimits limits, std::size_t first_loop,
             MethodTable& methods, ConnectionLimit& connections, Metrics& metrics);
  ~CallServer() override;

  // The bound address.
  absl::StatusOr<std::string> Start();

  // Accepts no more connections and calls; cancels at `deadline` what still runs. Returns when all
  // calls are gone.
  void Shutdown(SteadyTime deadline);

 private:
  const std::string& listener() const override { return options_.name; }
  void OnCall(ServerCall& call, bool ok) override;
  void OnCallGone() override;
  void RequestCall(EventLoop& loop);

  const ListenerOptions options_;
  const TransportLimits limits_;
  const std::size_t first_loop_;
  MethodTable& methods_;
  ConnectionLimit& connections_;
  Metrics& metrics_;

  Mutex mu_;
  CondVar gone_;
  std::size_t calls_ ABSL_GUARDED_BY(mu_) = 0;  // requested ones too

  grpc::AsyncGenericService service_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> handover_;
  std::unique_ptr<ConnectionAcceptor> acceptor_;
};

}  // namespace sidebus
