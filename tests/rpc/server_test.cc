#include <google/protobuf/descriptor.pb.h>
#include <sys/stat.h>

#include <fstream>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/reflection_service.h"
#include "tests/rpc/raw_client.h"
#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

namespace health = grpc::health::v1;
namespace reflection = grpc::reflection::v1alpha;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

class RpcServerTest : public RpcFixture {
 protected:
  // Nothing but calls: no server yet.
  void Serve(std::vector<ListenerOptions> listeners) {
    options_.listeners = std::move(listeners);
    StartServer();
  }

  static bool Answers(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(10));
    v1::DescribeResponse response;
    return v1::EventBus::NewStub(channel)->Describe(&context, {}, &response).ok();
  }

  grpc::Status Check(const std::string& service, health::HealthCheckResponse* response) {
    grpc::ClientContext context;
    health::HealthCheckRequest request;
    request.set_service(service);
    return health::Health::NewStub(channel_)->Check(&context, request, response);
  }
};

TEST_F(RpcServerTest, ServesAllListenersAndTellsTheBoundPort) {
  Serve({UnixListener("app", Socket()), TcpListener("tcp")});

  ASSERT_THAT(addresses_, SizeIs(2));
  EXPECT_EQ(addresses_[0], "unix:" + Socket());
  EXPECT_THAT(addresses_[1], StartsWith("127.0.0.1:"));
  EXPECT_NE(addresses_[1], "127.0.0.1:0");
  EXPECT_TRUE(Answers(channel_));
  EXPECT_TRUE(Answers(Connect(addresses_[1])));
}

TEST_F(RpcServerTest, TheSocketHasTheModeThatWasAsked) {
  auto listener = UnixListener("app", Socket());
  listener.mode = 0620;
  Serve({listener});

  struct stat info {};
  ASSERT_EQ(stat(Socket().c_str(), &info), 0);

  EXPECT_EQ(info.st_mode & 0777, 0620u);
}

TEST_F(RpcServerTest, ASecondInstanceOnTheSocketIsRefusedAndTheFirstGoesOn) {
  StartServer();

  const auto second = MakeServer(options_)->Start();

  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("address in use"));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(Socket()));
  EXPECT_TRUE(Answers(Connect(addresses_[0])));
}

TEST_F(RpcServerTest, ASecondInstanceOnThePortIsRefused) {
  Serve({TcpListener("tcp")});
  const auto port = std::stoi(addresses_[0].substr(addresses_[0].rfind(':') + 1));
  options_.listeners = {TcpListener("tcp", static_cast<std::uint16_t>(port))};

  const auto second = MakeServer(options_)->Start();

  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("address in use"));
}

TEST_F(RpcServerTest, WhatADeadInstanceLeftIsRemoved) {
  {
    auto left = ListeningSocket::Open(UnixListener("app", Socket()));
    ASSERT_TRUE(left.ok());
    std::filesystem::rename(Socket(), Socket() + "2");
  }
  std::filesystem::rename(Socket() + "2", Socket());  // bound once, nobody listens

  StartServer();

  EXPECT_TRUE(Answers(channel_));
}

TEST_F(RpcServerTest, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(Socket()) << "precious";

  const auto socket = ListeningSocket::Open(UnixListener("app", Socket()));

  ASSERT_FALSE(socket.ok());
  EXPECT_THAT(std::string(socket.status().message()), HasSubstr("no socket"));
  EXPECT_TRUE(std::filesystem::is_regular_file(Socket()));
}

TEST_F(RpcServerTest, APathThatIsTooLongOrNowhereIsRefusedWithTheReason) {
  const auto longer = ListeningSocket::Open(UnixListener("app", "/tmp/" + std::string(103, 'x')));
  const auto nowhere = ListeningSocket::Open(UnixListener("app", Socket() + "/no/such/folder"));

  EXPECT_THAT(std::string(longer.status().message()), HasSubstr("at most 107"));
  EXPECT_THAT(std::string(nowhere.status().message()), HasSubstr("No such file"));
}

TEST_F(RpcServerTest, TheSocketIsRemovedAtTheEnd) {
  StartServer();
  ASSERT_TRUE(std::filesystem::exists(Socket()));

  server_.reset();

  EXPECT_FALSE(std::filesystem::exists(Socket()));
}

TEST_F(RpcServerTest, ConnectionsBeyondTheLimitAreClosedAndCounted) {
  options_.max_connections = 2;
  StartServer();
  ASSERT_TRUE(Answers(channel_));
  auto second = Connect(addresses_[0]);
  ASSERT_TRUE(Answers(second));

  const auto third = Connect(addresses_[0]);
  EXPECT_FALSE(Answers(third));
  EXPECT_GE(MetricValue("sidebus_connections_rejected_total{listener=\"app\",reason=\"limit\"}"),
            1);
  EXPECT_EQ(MetricValue("sidebus_connections{listener=\"app\"}"), 2);

  second.reset();
  EXPECT_TRUE(
      Eventually([&] { return MetricValue("sidebus_connections{listener=\"app\"}") == 1; }));
  EXPECT_TRUE(Answers(Connect(addresses_[0])));
}

TEST_F(RpcServerTest, ShutdownWithOpenCallsEndsAtItsDeadline) {
  StartServer();
  grpc::ClientContext publish_context;
  grpc::ClientContext subscribe_context;
  grpc::ClientContext watch_context;
  grpc::ClientContext unary_context;
  const auto publish = stub_->PublishStream(&publish_context);
  v1::PublishStreamRequest events;
  FillEvent(1, 10, *events.add_events());
  ASSERT_TRUE(publish->Write(events));
  const auto subscribe = stub_->Subscribe(&subscribe_context);
  v1::SubscribeRequest start;
  start.mutable_start()->set_group("g");
  ASSERT_TRUE(subscribe->Write(start));
  const auto watch = health::Health::NewStub(channel_)->Watch(&watch_context, {});
  health::HealthCheckResponse told;
  ASSERT_TRUE(watch->Read(&told));
  const v1::PublishRequest request = RequestOf(1);
  v1::PublishResponse response;
  std::atomic<bool> unary_done{false};
  stub_->async()->Publish(&unary_context, &request, &response,
                          [&](const grpc::Status&) { unary_done = true; });
  ASSERT_TRUE(Eventually(
      [&] { return producer_.accepted().size() == 2 && subscribers_.seen().starts.size() == 1; }));

  const auto before = std::chrono::steady_clock::now();
  server_->Shutdown(Clock::Real().Now() + milliseconds(200));

  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(5));
  EXPECT_FALSE(publish->Finish().ok());
  EXPECT_FALSE(subscribe->Finish().ok());
  EXPECT_FALSE(watch->Finish().ok());
  EXPECT_TRUE(Eventually([&] { return unary_done.load(); }));
  EXPECT_EQ(subscribers_.seen().destroyed_before_end, 1);
}

TEST_F(RpcServerTest, SeveralThreadsServeSeveralConnections) {
  options_.threads = 2;
  Serve({UnixListener("app", Socket()), TcpListener("tcp")});
  KeepWriting();

  std::atomic<int> ok{0};
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      const auto stub = v1::EventBus::NewStub(Connect(addresses_[i % 2]));
      for (int call = 0; call < 50; ++call) {
        grpc::ClientContext context;
        v1::PublishResponse response;
        if (stub->Publish(&context, RequestOf(2), &response).ok()) ++ok;
      }
    });
  }
  for (std::thread& client : clients) client.join();

  EXPECT_EQ(ok, 400);
}

TEST_F(RpcServerTest, DescribeTellsRoutesLimitsAndCondition) {
  StartServer();
  draining_ = true;
  grpc::ClientContext context;
  v1::DescribeResponse response;

  ASSERT_TRUE(stub_->Describe(&context, {}, &response).ok());

  ASSERT_THAT(response.event_types(), SizeIs(2));
  EXPECT_EQ(response.event_types(0).type(), "order.created");
  EXPECT_TRUE(response.event_types(0).can_publish());
  EXPECT_EQ(response.event_types(0).encoding(), "cloudevents");
  EXPECT_EQ(response.event_types(0).routes(0).topic(), "orders");
  EXPECT_EQ(response.event_types(0).routes(0).full_topic(), "dev-orders");
  EXPECT_EQ(response.event_types(0).routes(0).event_key_field(), "order.id");
  EXPECT_FALSE(response.event_types(1).can_publish());
  EXPECT_TRUE(response.event_types(1).can_subscribe());
  EXPECT_EQ(response.limits().max_events_per_request(), 1000u);
  EXPECT_TRUE(response.condition().broker_reachable());
  EXPECT_GE(response.condition().broker_state_age().seconds(), 5);
  EXPECT_TRUE(response.condition().draining());
  EXPECT_EQ(response.version(), "1.2.3");
}

TEST_F(RpcServerTest, DescribeOfAnUnknownTypeIsNotFound) {
  StartServer();
  grpc::ClientContext context;
  v1::DescribeRequest request;
  request.add_event_types("nobody.knows.it");
  v1::DescribeResponse response;

  const RpcError error = ErrorOf(stub_->Describe(&context, request, &response));

  EXPECT_EQ(error.code, grpc::NOT_FOUND);
  EXPECT_EQ(error.reason, "EVENT_TYPE_UNKNOWN");
}

TEST_F(RpcServerTest, HealthFollowsTheServersState) {
  StartServer();
  health::HealthCheckResponse response;

  ASSERT_TRUE(Check("", &response).ok());
  EXPECT_EQ(response.status(), health::HealthCheckResponse::SERVING);
  server_->SetServing(false);
  ASSERT_TRUE(Check("sidebus.v1.EventBus", &response).ok());
  EXPECT_EQ(response.status(), health::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("nobody.knows.it", &response).error_code(), grpc::NOT_FOUND);
}

TEST_F(RpcServerTest, AHealthWatcherIsToldOfEveryChange) {
  StartServer();
  grpc::ClientContext context;
  const auto watch = health::Health::NewStub(channel_)->Watch(&context, {});
  health::HealthCheckResponse response;

  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), health::HealthCheckResponse::SERVING);
  server_->SetServing(false);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), health::HealthCheckResponse::NOT_SERVING);

  context.TryCancel();
  EXPECT_EQ(watch->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(RpcServerTest, ReflectionIsThereOnlyWhenAskedFor) {
  StartServer();
  const std::string message;

  EXPECT_EQ(RawClient(channel_)
                .Call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &message)
                .error_code(),
            grpc::UNIMPLEMENTED);

  server_.reset();
  options_.reflection = true;
  server_ = MakeServer(options_);
  ASSERT_TRUE(server_->Start().ok());
  EXPECT_TRUE(RawClient(Connect(addresses_[0]))
                  .Call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &message)
                  .ok());
}

TEST(ReflectionServiceTest, FindsAServiceWithEverythingThatItImports) {
  const ReflectionService service({"sidebus.v1.EventBus"});
  reflection::ServerReflectionRequest request;
  request.set_list_services("*");
  EXPECT_EQ(service.Answer(request).list_services_response().service(0).name(),
            "sidebus.v1.EventBus");
  request.set_file_containing_symbol("sidebus.v1.EventBus");

  const auto response = service.Answer(request);

  std::vector<std::string> files;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    files.push_back(file.name());
  }
  EXPECT_THAT(files, Contains("sidebus/v1/event.proto"));
  EXPECT_THAT(files, Contains("google/protobuf/timestamp.proto"));
  EXPECT_EQ(files.back(), "sidebus/v1/event_bus.proto");
}

TEST(ReflectionServiceTest, WhatIsNotThereIsNotFound) {
  const ReflectionService service({});
  reflection::ServerReflectionRequest request;
  request.set_file_by_filename("no/such.proto");

  EXPECT_EQ(service.Answer(request).error_response().error_code(), grpc::NOT_FOUND);
}

}  // namespace
}  // namespace sidebus
