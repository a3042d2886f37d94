// What a hostile or broken peer may send below gRPC's calls: no crash, no leak (the fixture looks
// at the budget, the sanitizers at memory), and everybody else is served as before.
#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "server/rpc/call_server.h"
#include "tests/rpc/raw_client.h"
#include "tests/rpc/raw_http2.h"
#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

constexpr char kPublish[] = "/sidebus.v1.EventBus/Publish";

class TransportTest : public RpcFixture {
 protected:
  // The application is connected before anybody else comes.
  void StartAndConnect() {
    StartServer();
    v1::PublishResponse response;
    ASSERT_TRUE(Publish(RequestOf(0), &response).ok());
  }

  // After whatever was done: an application is served, and only its connection counts.
  void ExpectAllIsWell() {
    v1::PublishResponse response;
    EXPECT_TRUE(Publish(RequestOf(0), &response).ok());
    // Called again, because a transport short of memory may close a connection that is idle.
    EXPECT_TRUE(Eventually([&] {
      return Publish(RequestOf(0), &response).ok() &&
             MetricValue("sidebus_connections{listener=\"app\"}") == 1;
    }));
  }
};

TEST_F(TransportTest, OtherProtocolsAreHungUpOn) {
  StartAndConnect();
  const std::string client_hello("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", 10);
  for (const std::string& bytes :
       {client_hello, std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(4096, '\0'),
        std::string("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")}) {
    RawHttp2 peer(Socket());
    peer.Send(bytes);

    EXPECT_TRUE(peer.ReadToEnd());
  }

  ExpectAllIsWell();
}

TEST_F(TransportTest, RandomBytesAloneAndAfterAPrefaceDoNoHarm) {
  StartAndConnect();
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    std::string bytes(random() % 3000 + 1, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    RawHttp2 peer(Socket());
    peer.Send(round % 2 == 0 ? bytes : RawHttp2::Preface() + bytes);
  }

  ExpectAllIsWell();
}

TEST_F(TransportTest, ConnectionsThatStopInThePrefaceHoldNobodyUp) {
  options_.max_connections = 600;
  StartAndConnect();
  {
    std::vector<std::unique_ptr<RawHttp2>> peers;
    for (int i = 0; i < 200; ++i) {  // three descriptors each
      peers.push_back(std::make_unique<RawHttp2>(Socket()));
      ASSERT_TRUE(peers.back()->connected());
      peers.back()->Send("PRI * HT");
    }
    v1::PublishResponse response;
    EXPECT_TRUE(Publish(RequestOf(0), &response).ok());
  }

  ExpectAllIsWell();
}

TEST_F(TransportTest, ManyShortConnectionsLeaveNothingBehind) {
  StartAndConnect();
  for (int i = 0; i < 1000; ++i) RawHttp2(Socket()).Send(i % 2 == 0 ? "" : RawHttp2::Preface());

  ExpectAllIsWell();
}

TEST_F(TransportTest, FloodsOfPingsAndSettingsEndTheConnection) {
  StartAndConnect();
  for (const std::string& frame : {RawHttp2::Frame(RawHttp2::kPing, 0, 0, "12345678"),
                                   RawHttp2::Frame(RawHttp2::kSettings, 0, 0, "")}) {
    RawHttp2 peer(Socket());
    peer.Send(RawHttp2::Preface());
    for (int i = 0; i < 20'000 && peer.Send(frame); ++i) {
    }
  }

  ExpectAllIsWell();
}

TEST_F(TransportTest, CallsThatAreResetAtOnceLeaveNothingBehind) {
  StartAndConnect();
  RawHttp2 peer(Socket());
  peer.Send(RawHttp2::Preface());
  for (std::uint32_t stream = 1; stream < 4000; stream += 2) {
    const bool sent =
        peer.Send(RawHttp2::Frame(RawHttp2::kHeaders, RawHttp2::kEndHeaders, stream,
                                  RawHttp2::Call(kPublish)) +
                  RawHttp2::Frame(RawHttp2::kRstStream, 0, stream, std::string("\0\0\0\x08", 4)));
    if (!sent) break;
  }
  v1::PublishResponse response;
  EXPECT_TRUE(Publish(RequestOf(0), &response).ok());
}

TEST_F(TransportTest, HeadersThatAreTooLargeOrNeverEndAreRefused) {
  StartAndConnect();
  std::string large = RawHttp2::Call(kPublish);
  for (int i = 0; i < 120; ++i) large += RawHttp2::Header("x", std::string(120, 'y'));
  RawHttp2 once(Socket());
  once.Send(RawHttp2::Preface() + RawHttp2::Frame(RawHttp2::kHeaders,
                                                  RawHttp2::kEndHeaders | RawHttp2::kEndStream, 1,
                                                  large));
  RawHttp2 endless(Socket());
  endless.Send(RawHttp2::Preface() + RawHttp2::Frame(RawHttp2::kHeaders, 0, 1, large));
  for (int i = 0; i < 2000; ++i) {
    if (!endless.Send(RawHttp2::Frame(RawHttp2::kContinuation, 0, 1, large))) break;
  }
  v1::PublishResponse response;
  EXPECT_TRUE(Publish(RequestOf(0), &response).ok());
}

TEST_F(TransportTest, OfAMessageThatClaimsToBeHugeNoMoreThanTheTransportsMemoryIsTaken) {
  options_.transport_memory = 16 << 20;
  StartAndConnect();
  for (const char* method : {kPublish, "/sidebus.v1.EventBus/PublishStream"}) {
    RawHttp2 peer(Socket());
    peer.Send(
        RawHttp2::Preface() +
        RawHttp2::Frame(RawHttp2::kHeaders, RawHttp2::kEndHeaders, 1, RawHttp2::Call(method)) +
        RawHttp2::Frame(RawHttp2::kData, 0, 1, RawHttp2::Message(0x7fffffff, "")));

    EXPECT_LE(peer.Flood(1, RawHttp2::kMessageHead, 64 << 20), 20u << 20) << method;
  }

  ExpectAllIsWell();
}

TEST_F(TransportTest, AMessageThatIsShorterThanItClaimsEndsTheCall) {
  StartAndConnect();
  RawHttp2 peer(Socket());
  peer.Send(
      RawHttp2::Preface() +
      RawHttp2::Frame(RawHttp2::kHeaders, RawHttp2::kEndHeaders, 1, RawHttp2::Call(kPublish)) +
      RawHttp2::Frame(RawHttp2::kData, RawHttp2::kEndStream, 1, RawHttp2::Message(100, "abc")));

  EXPECT_TRUE(peer.ReadUntil("grpc-status"));
}

TEST_F(TransportTest, ADeadlineThatIsOverOnArrivalIsAnswered) {
  StartAndConnect();
  for (const char* left : {"0n", "1n", "1u"}) {
    RawHttp2 peer(Socket());
    peer.Send(RawHttp2::Preface() +
              RawHttp2::Frame(RawHttp2::kHeaders, RawHttp2::kEndHeaders, 1,
                              RawHttp2::Call(kPublish) + RawHttp2::Header("grpc-timeout", left)) +
              RawHttp2::Frame(RawHttp2::kData, RawHttp2::kEndStream, 1, RawHttp2::Message(0, "")));
  }

  ExpectAllIsWell();
}

TEST(MethodTableTest, TenThousandMethodsThatNobodyKnowsShareTheirSeries) {
  Metrics metrics;
  MethodTable methods(metrics);
  methods.Add("sidebus.v1.EventBus", "Publish", RpcType::kUnary, [](CallRef) {});
  const auto series = [&] {
    const std::string text = metrics.Serialize();
    return std::count(text.begin(), text.end(), '\n');
  };
  const auto before = series();

  for (int i = 0; i < 10'000; ++i) {
    MethodMetrics& counted = methods.Find("/made.up/Method" + std::to_string(i)).metrics;
    counted.Started();
    counted.Handled(absl::StatusCode::kUnimplemented, Duration(0));
  }

  EXPECT_EQ(series(), before);
  EXPECT_EQ(ValueOf(metrics.Serialize(), R"(grpc_server_started_total{grpc_method="other",)"
                                         R"(grpc_service="other",grpc_type="unary"})"),
            10'000);
}

TEST_F(TransportTest, RandomMethodsMakeNoNewSeries) {
  StartAndConnect();
  std::mt19937 random(2);
  const std::string message;
  const auto series = [this] {
    const std::string text = metrics_.Serialize();
    return std::count(text.begin(), text.end(), '\n');
  };
  RawClient client(channel_);
  EXPECT_EQ(client.Call("/a/b", &message).error_code(), grpc::UNIMPLEMENTED);
  const auto before = series();
  for (int i = 0; i < 300; ++i) {
    const std::string method =
        "/service-" + std::to_string(random()) + "/method-" + std::to_string(random());
    EXPECT_EQ(client.Call(method, &message).error_code(), grpc::UNIMPLEMENTED);
  }

  EXPECT_EQ(series(), before);
  EXPECT_EQ(MetricValue("grpc_server_handled_total" +
                        MethodLabels("other", "other", "unary", "Unimplemented")),
            301);
}

TEST_F(TransportTest, UnaryCallsAreTimed) {
  StartAndConnect();

  EXPECT_EQ(MetricValue("grpc_server_handling_seconds_count" +
                        MethodLabels("sidebus.v1.EventBus", "Publish", "unary")),
            1);
  EXPECT_EQ(MetricValue("grpc_server_handling_seconds_count" +
                        MethodLabels("sidebus.v1.EventBus", "Subscribe", "bidi_stream")),
            -1);
}

TEST_F(TransportTest, PublishesThatAreCancelledGiveTheirMemoryBack) {
  StartAndConnect();
  std::atomic<int> ended{0};
  const v1::PublishRequest request = RequestOf(3, 1000);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<v1::PublishResponse> responses(50);
  for (auto& response : responses) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    stub_->async()->Publish(contexts.back().get(), &request, &response,
                            [&](const grpc::Status&) { ++ended; });
    if (contexts.size() % 2 == 0) contexts.back()->TryCancel();  // some before they arrive
  }
  for (const auto& context : contexts) context->TryCancel();

  EXPECT_TRUE(Eventually([&] { return ended == 50; }));
  EXPECT_TRUE(Eventually([&] {
    producer_.WriteAll();
    return budget().used() == 0;
  }));
}

}  // namespace
}  // namespace sidebus
