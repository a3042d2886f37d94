#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <deque>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/rpc/raw_client.h"
#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

class BadInputRpcTest : public RpcFixture {};

TEST_F(BadInputRpcTest, AnUnknownMethodIsUnimplementedAndCountsAsOther) {
  StartServer();
  const std::string message = "anything";

  const RpcError error =
      ErrorOf(RawClient(channel_).Call("/sidebus.v1.EventBus/NoSuchThing", &message));

  EXPECT_EQ(error.code, grpc::UNIMPLEMENTED);
  EXPECT_EQ(error.reason, "NOT_SUPPORTED");
  EXPECT_EQ(MetricValue("grpc_server_started_total" + MethodLabels("other", "other", "unary")), 1);
}

TEST_F(BadInputRpcTest, GarbageInPlaceOfAMessageIsAnInvalidArgument) {
  StartServer();
  const std::string garbage = "\xff\xff\xff\xff no protobuf";

  for (const char* method : {"Publish", "PublishStream", "Subscribe", "Describe"}) {
    const grpc::Status status =
        RawClient(channel_).Call(std::string("/sidebus.v1.EventBus/") + method, &garbage);

    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << method;
  }
}

TEST_F(BadInputRpcTest, TextThatIsNotUtf8IsAnInvalidArgument) {
  StartServer();
  // events[0].id = "\xff"
  const std::string message = "\x0a\x03\x0a\x01\xff";

  const RpcError error =
      ErrorOf(RawClient(channel_).Call("/sidebus.v1.EventBus/Publish", &message));

  EXPECT_EQ(error.code, grpc::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "EVENT_INVALID");
}

TEST_F(BadInputRpcTest, AUnaryCallWithoutAMessageEnds) {
  StartServer();

  for (const char* method : {"/sidebus.v1.EventBus/Publish", "/sidebus.v1.EventBus/Describe",
                             "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"}) {
    EXPECT_FALSE(RawClient(channel_).Call(method, nullptr).ok()) << method;
  }
}

TEST_F(BadInputRpcTest, ACompressedMessageIsRefused) {
  StartServer();
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);

  v1::PublishResponse response;
  const v1::PublishRequest request = RequestOf(1, 100'000);
  const grpc::Status status = stub_->Publish(&context, request, &response);

  EXPECT_EQ(status.error_code(), grpc::UNIMPLEMENTED) << status.error_message();
}

TEST_F(BadInputRpcTest, AClientThatDoesNotSendItsMessageLosesItsSlot) {
  options_.read_time_out = milliseconds(100);
  budget_bytes_ = 1;  // one slot
  StartServer();
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  auto call = stub.PrepareCall(&context, "/sidebus.v1.EventBus/Publish", &queue);
  call->StartCall(nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));

  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));

  const RpcError error = ErrorOf(status);
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "MEMORY_BUDGET");
  // The slot is free again.
  v1::PublishResponse response;
  EXPECT_EQ(ErrorOf(Publish(RequestOf(1, 100), &response)).reason, "MEMORY_BUDGET");
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

// Calls that have begun and send nothing.
class SilentCalls {
 public:
  SilentCalls(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, int count)
      : stub_(channel), contexts_(static_cast<std::size_t>(count)) {
    for (grpc::ClientContext& context : contexts_) {
      calls_.push_back(stub_.PrepareCall(&context, method, &queue_));
      calls_.back()->StartCall(nullptr);
      void* tag = nullptr;
      bool ok = false;
      EXPECT_TRUE(queue_.Next(&tag, &ok));
    }
  }
  ~SilentCalls() {
    for (grpc::ClientContext& context : contexts_) context.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

 private:
  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::deque<grpc::ClientContext> contexts_;
  std::vector<std::unique_ptr<grpc::GenericClientAsyncReaderWriter>> calls_;
};

TEST_F(BadInputRpcTest, CallsThatSendNothingDoNotHoldUpAProbe) {
  StartServer();
  const SilentCalls silent(channel_, "/sidebus.v1.EventBus/Describe", 10);
  const SilentCalls probes(channel_, "/grpc.health.v1.Health/Check", 10);

  const auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(5));
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_TRUE(health->Check(&context, {}, &response).ok());
}

TEST_F(BadInputRpcTest, ASettlementOfTooManyBytesOrNacksEndsTheStream) {
  StartServer();
  v1::SubscribeRequest nacks;
  for (int i = 0; i < 50'000; ++i) nacks.add_nack();
  v1::SubscribeRequest large;
  large.mutable_start()->set_group(std::string(2 << 20, 'g'));

  for (const v1::SubscribeRequest* request : {&nacks, &large}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(20));
    const auto stream = stub_->Subscribe(&context);
    stream->Write(*request);
    v1::SubscribeResponse response;
    EXPECT_FALSE(stream->Read(&response));
    const RpcError error = ErrorOf(stream->Finish());
    EXPECT_EQ(error.reason, request == &nacks ? "START_INVALID" : "REQUEST_TOO_LARGE");
  }
}

TEST_F(BadInputRpcTest, BytesThatAreNoHttp2DoNotDisturbOthers) {
  StartServer();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, Socket().c_str(), sizeof(address.sun_path) - 1);
  const FileDescriptor client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  ASSERT_EQ(write(client.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));

  v1::PublishResponse response;
  EXPECT_TRUE(Publish(RequestOf(0), &response).ok());
  // The server hangs up, and the connection does not count any more.
  char byte = 0;
  while (read(client.get(), &byte, 1) > 0) {
  }
  EXPECT_TRUE(
      Eventually([&] { return MetricValue("sidebus_connections{listener=\"app\"}") == 1; }));
}

}  // namespace
}  // namespace sidebus
