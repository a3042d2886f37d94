#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <cstdio>

#include "sidebus/v1/event_bus.grpc.pb.h"

namespace {

using namespace sidebus::v1;  // NOLINT(google-build-using-namespace): one small program

// Answers Publish at once with as many empty results as there were events: what gRPC alone costs,
// with the generated callback API.
class EmptyService final : public EventBus::CallbackService {
  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const PublishRequest* request,
                                    PublishResponse* response) override {
    for (int i = 0; i < request->events_size(); ++i) response->add_results();
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

// Usage: bench_empty_server ADDRESS. Prints "ready" and serves until SIGTERM or SIGINT.
int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: bench_empty_server unix:/path/to/socket\n", stderr);
    return 2;
  }
  sigset_t ends;  // blocked before gRPC starts its threads, which inherit it
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  EmptyService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(argv[1], grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "bench_empty_server: cannot listen on %s\n", argv[1]);
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  server->Shutdown();
  return 0;
}
