// What one unary call of 1 KiB costs the server, on a Unix socket: our generic coroutine server
// against a server of the generated callback API, both with an empty handler.
//
//   call_bench generic|callback IN_FLIGHT CALLS
//
// Prints calls per second, and the server's CPU per call (user and system, all threads).

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "server/rpc/call_server.h"
#include "server/rpc/call_task.h"
#include "server/rpc/message_buffer.h"
#include "sidebus/v1/event_bus.grpc.pb.h"

namespace sidebus {
namespace {

namespace v1 = ::sidebus::v1;

CallTask Answer(CallRef call) {
  grpc::ByteBuffer message;
  co_await call->Read(message);
  v1::PublishRequest request;
  ParseMessage(message, request);
  ServerCall::FinishWith(std::move(call), ToBuffer(v1::PublishResponse()));
}

class CallbackServer final : public v1::EventBus::CallbackService {
  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context, const v1::PublishRequest*,
                                    v1::PublishResponse*) override {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Serves until `control` is closed, then writes its CPU seconds to `result`. A byte from `control`
// begins the count.
void Serve(const std::string& kind, const std::string& path, int control, int result) {
  Metrics metrics;
  MethodTable methods(metrics);
  ConnectionLimit connections(16);
  methods.Add("sidebus.v1.EventBus", "Publish", RpcType::kUnary,
              [](CallRef call) { Answer(std::move(call)); });
  ListenerOptions listener;
  listener.name = "bench";
  listener.path = path;
  CallServer ours(listener, TransportLimits{}, 0, methods, connections, metrics);
  CallbackServer callback;
  std::unique_ptr<grpc::Server> theirs;
  if (kind == "generic") {
    if (!ours.Start().ok()) std::abort();
  } else {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
    builder.RegisterService(&callback);
    theirs = builder.BuildAndStart();
  }
  char byte = 0;
  if (write(result, &byte, 1) != 1 || read(control, &byte, 1) != 1) std::abort();
  const double before = CpuSeconds();
  while (read(control, &byte, 1) > 0) {
  }
  const double used = CpuSeconds() - before;
  if (write(result, &used, sizeof(used)) != sizeof(used)) std::abort();
  _exit(0);
}

// Keeps `in_flight` calls under way until `calls` are done.
class Load {
 public:
  Load(v1::EventBus::Stub& stub, int in_flight, int calls)
      : stub_(stub), left_(calls), running_(in_flight) {
    auto& event = *request_.add_events();
    event.set_type("order.created");
    event.set_data(std::string(1000, 'x'));
    for (int i = 0; i < in_flight; ++i) Next();
    done_.get_future().wait();
  }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::PublishResponse response;
  };

  void Next() {
    if (left_.fetch_sub(1) <= 0) {
      if (running_.fetch_sub(1) == 1) done_.set_value();
      return;
    }
    auto* call = new Call;
    stub_.async()->Publish(&call->context, &request_, &call->response,
                           [this, call](const grpc::Status& status) {
                             if (!status.ok()) std::abort();
                             delete call;
                             Next();
                           });
  }

  v1::EventBus::Stub& stub_;
  v1::PublishRequest request_;
  std::atomic<int> left_;
  std::atomic<int> running_;
  std::promise<void> done_;
};

int Run(const std::string& kind, int in_flight, int calls) {
  const std::string path = fmt::format("/tmp/call-bench-{}", getpid());
  int control[2];
  int result[2];
  if (pipe(control) != 0 || pipe(result) != 0) return 1;
  const pid_t server = fork();
  if (server == 0) {
    close(control[1]);
    Serve(kind, path, control[0], result[1]);
  }
  close(control[0]);
  char byte = 0;
  if (read(result[0], &byte, 1) != 1) return 1;
  const auto stub = v1::EventBus::NewStub(
      grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials()));
  { const Load warm_up(*stub, in_flight, calls / 10); }
  if (write(control[1], &byte, 1) != 1) return 1;
  const auto begin = std::chrono::steady_clock::now();
  { const Load load(*stub, in_flight, calls); }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  close(control[1]);
  double used = 0;
  if (read(result[0], &used, sizeof(used)) != sizeof(used)) return 1;
  waitpid(server, nullptr, 0);
  unlink(path.c_str());
  unlink((path + ".lock").c_str());
  fmt::print("{:9} {:4} in flight: {:7.0f} calls/s, {:6.1f} us server CPU per call\n", kind,
             in_flight, calls / took.count(), used / calls * 1e6);
  return 0;
}

}  // namespace
}  // namespace sidebus

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return sidebus::Run(argv[1], std::atoi(argv[2]), std::atoi(argv[3]));
}
