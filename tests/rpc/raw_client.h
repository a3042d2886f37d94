#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace sidebus {

// A client that sends bytes, whatever they are, to any method.
class RawClient {
 public:
  explicit RawClient(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {}

  // One call with one message (none: half-closes at once).
  grpc::Status Call(const std::string& method, const std::string* message) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    grpc::CompletionQueue queue;
    auto call = stub_.PrepareCall(&context, method, &queue);
    call->StartCall(Tag());
    Next(queue);
    if (message != nullptr) {
      const grpc::Slice slice(*message);
      call->Write(grpc::ByteBuffer(&slice, 1), Tag());
      Next(queue);
    }
    call->WritesDone(Tag());
    Next(queue);
    grpc::ByteBuffer answer;
    do {
      call->Read(&answer, Tag());
    } while (Next(queue));
    grpc::Status status;
    call->Finish(&status, Tag());
    Next(queue);
    queue.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {
    }
    return status;
  }

 private:
  void* Tag() { return this; }
  static bool Next(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
};

}  // namespace sidebus
