#include <thread>

#include "sidebus/v1/event_bus.pb.h"
#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class PublishRpcTest : public RpcFixture {
 protected:
  // Publish() calls under way, each with a client of its own in the background.
  class Calls {
   public:
    explicit Calls(v1::EventBus::Stub& stub) : stub_(stub) {}
    ~Calls() { WaitAll(); }

    void Start(const v1::PublishRequest& request) {
      auto& call = *calls_.emplace_back(std::make_unique<Call>());
      call.request = request;
      call.context.set_deadline(std::chrono::system_clock::now() + seconds(20));
      stub_.async()->Publish(&call.context, &call.request, &call.response,
                             [this, &call](grpc::Status status) {
                               call.status = std::move(status);
                               call.done = true;
                               ++done_;
                             });
    }
    int done() const { return done_; }
    void CancelAll() {
      for (auto& call : calls_) call->context.TryCancel();
    }
    void WaitAll() {
      EXPECT_TRUE(Eventually([this] { return done_ == static_cast<int>(calls_.size()); }));
    }
    std::map<grpc::StatusCode, int> codes() const {
      std::map<grpc::StatusCode, int> codes;
      for (const auto& call : calls_) {
        if (call->done) ++codes[call->status.error_code()];
      }
      return codes;
    }

   private:
    struct Call {
      grpc::ClientContext context;
      v1::PublishRequest request;
      v1::PublishResponse response;
      grpc::Status status;
      std::atomic<bool> done{false};
    };
    v1::EventBus::Stub& stub_;
    std::vector<std::unique_ptr<Call>> calls_;
    std::atomic<int> done_{0};
  };
};

TEST_F(PublishRpcTest, AnswersEveryEventWithItsPosition) {
  StartServer();
  KeepWriting();

  v1::PublishResponse response;
  const grpc::Status status = Publish(RequestOf(3), &response);

  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_THAT(response.results(), SizeIs(3));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(response.results(i).event_id(), "id-" + std::to_string(i));
    EXPECT_FALSE(response.results(i).has_error());
    ASSERT_THAT(response.results(i).positions(), SizeIs(1));
    EXPECT_EQ(response.results(i).positions(0).topic(), "orders");
    EXPECT_EQ(response.results(i).positions(0).offset(), i);
  }
}

TEST_F(PublishRpcTest, OneMessageIsReceivedAndOneSentPerCall) {
  StartServer();
  KeepWriting();

  v1::PublishResponse response;
  for (int call = 0; call < 2; ++call) EXPECT_TRUE(Publish(RequestOf(3), &response).ok());

  const std::string labels = MethodLabels("sidebus.v1.EventBus", "Publish", "unary");
  EXPECT_EQ(MetricValue("grpc_server_msg_received_total" + labels), 2);
  EXPECT_EQ(MetricValue("grpc_server_msg_sent_total" + labels), 2);
}

TEST_F(PublishRpcTest, NoEventsAreNoError) {
  StartServer();

  v1::PublishResponse response;

  EXPECT_TRUE(Publish(RequestOf(0), &response).ok());
  EXPECT_THAT(response.results(), SizeIs(0));
}

TEST_F(PublishRpcTest, AnEventThatFailsDoesNotFailTheCall) {
  StartServer();
  KeepWriting();
  v1::PublishRequest request = RequestOf(4);
  request.mutable_events(0)->set_type("nobody.knows.it");
  request.mutable_events(1)->set_type("off");
  request.mutable_events(2)->mutable_time()->set_seconds(-5);

  v1::PublishResponse response;
  ASSERT_TRUE(Publish(request, &response).ok());

  ASSERT_THAT(response.results(), SizeIs(4));
  const RpcError unknown = ErrorOf(response.results(0).error());
  EXPECT_EQ(unknown.reason, "EVENT_TYPE_UNKNOWN");
  EXPECT_EQ(unknown.metadata.at("event_type"), "nobody.knows.it");
  EXPECT_EQ(unknown.metadata.at("outcome"), "not_written");
  EXPECT_FALSE(unknown.retry);
  EXPECT_EQ(ErrorOf(response.results(1).error()).reason, "ROUTE_DISABLED");
  const RpcError time = ErrorOf(response.results(2).error());
  EXPECT_EQ(time.reason, "EVENT_INVALID");
  EXPECT_EQ(time.bad_field, "time");
  EXPECT_FALSE(response.results(3).has_error());
}

TEST_F(PublishRpcTest, AFewCallsAreAnsweredWhereTheyAreReportedManyByTheirLoop) {
  StartServer();
  const std::string answered =
      "grpc_server_handled_total" + MethodLabels("sidebus.v1.EventBus", "Publish", "unary", "OK");
  Calls calls(*stub_);
  // How many are answered while their loop is busy.
  const auto answered_meanwhile = [&](std::size_t count) {
    const double before = MetricValue(answered);
    for (std::size_t i = 0; i < count; ++i) calls.Start(RequestOf(1));
    EXPECT_TRUE(Eventually([&] { return producer_.accepted().size() == count; }));
    double meanwhile = 0;
    WhileTheLoopIsBusy([&] {
      producer_.WriteAll();
      meanwhile = MetricValue(answered) - before;
    });
    calls.WaitAll();
    return meanwhile;
  };

  EXPECT_EQ(answered_meanwhile(10), 10);
  EXPECT_EQ(answered_meanwhile(150), 0);
  EXPECT_EQ(calls.codes(), (std::map<grpc::StatusCode, int>{{grpc::OK, 160}}));
}

TEST_F(PublishRpcTest, ACallThatIsCancelledWhileItsAnswerIsOnItsWayEndsOnce) {
  StartServer();
  Calls calls(*stub_);
  constexpr int kCalls = 150;
  for (int i = 0; i < kCalls; ++i) calls.Start(RequestOf(1));
  ASSERT_TRUE(Eventually([&] { return producer_.accepted().size() == kCalls; }));

  std::thread reporting([this] { producer_.WriteAll(); });
  calls.CancelAll();
  reporting.join();

  calls.WaitAll();
  EXPECT_EQ(calls.codes()[grpc::OK] + calls.codes()[grpc::CANCELLED], kCalls);
  EXPECT_TRUE(Eventually([&] { return publisher_->in_flight_events() == 0; }));
}

TEST_F(PublishRpcTest, TheTraceOfTheCallGoesToEventsThatHaveNone) {
  StartServer();
  v1::PublishRequest request = RequestOf(2);
  auto* own = request.mutable_events(1)->add_headers();
  own->set_name("traceparent");
  own->set_value("own");

  Calls calls(*stub_);
  grpc::ClientContext context;
  context.AddMetadata("traceparent", "of-the-call");
  context.AddMetadata("tracestate", "state");
  v1::PublishResponse response;
  std::atomic<bool> done{false};
  stub_->async()->Publish(&context, &request, &response, [&](const grpc::Status&) { done = true; });
  ASSERT_TRUE(Eventually([&] { return producer_.accepted().size() == 2; }));

  const auto accepted = producer_.accepted();
  const auto& first = accepted[0].record->record.headers;
  const auto& second = accepted[1].record->record.headers;
  EXPECT_THAT(first, ::testing::Contains(Header{"traceparent", "of-the-call"}));
  EXPECT_THAT(first, ::testing::Contains(Header{"tracestate", "state"}));
  EXPECT_THAT(second, ::testing::Contains(Header{"traceparent", "own"}));
  EXPECT_THAT(second, ::testing::Not(::testing::Contains(Header{"tracestate", "state"})));
  producer_.WriteAll();
  EXPECT_TRUE(Eventually([&] { return done.load(); }));
}

TEST_F(PublishRpcTest, MoreEventsThanAllowedAreRefusedWithTheLimit) {
  options_.description.requests.max_events_per_request = 5;
  StartServer();

  v1::PublishResponse response;
  const RpcError error = ErrorOf(Publish(RequestOf(6), &response));

  EXPECT_EQ(error.code, grpc::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "REQUEST_TOO_LARGE");
  EXPECT_EQ(error.metadata.at("limit"), "5");
  EXPECT_FALSE(error.retry);
}

TEST_F(PublishRpcTest, OneByteTooManyIsRefusedByUsAndFarTooManyByGrpc) {
  options_.description.requests.max_request_bytes = 1 << 20;
  StartServer();
  v1::PublishRequest request = RequestOf(1, 0);
  auto& data = *request.mutable_events(0)->mutable_data();
  // Grown to exactly the limit, with the length prefixes that it has there.
  data.assign(1 << 20, 'x');
  data.resize((1 << 20) - (request.ByteSizeLong() - (1 << 20)));
  ASSERT_EQ(request.ByteSizeLong(), 1u << 20);
  KeepWriting();

  v1::PublishResponse response;
  EXPECT_TRUE(Publish(request, &response).ok());
  data.push_back('x');
  const RpcError one_more = ErrorOf(Publish(request, &response));
  data.resize((2 << 20) + 1);
  const grpc::Status far_more = Publish(request, &response);

  EXPECT_EQ(one_more.reason, "REQUEST_TOO_LARGE");
  EXPECT_EQ(one_more.metadata.at("limit"), "1048576");
  EXPECT_EQ(far_more.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(far_more.error_details().empty());
}

TEST_F(PublishRpcTest, TheClientsDeadlineEndsTheWaitWithTheTruth) {
  StartServer();
  producer_.SetReadiness("dev-orders", TopicReadiness::kWaiting, publisher_.get());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + milliseconds(300));

  v1::PublishResponse response;
  const v1::PublishRequest request = RequestOf(1);
  const grpc::Status status = stub_->Publish(&context, request, &response);

  ASSERT_TRUE(status.ok()) << status.error_message();
  const RpcError error = ErrorOf(response.results(0).error());
  EXPECT_EQ(error.code, grpc::UNAVAILABLE);
  EXPECT_EQ(error.metadata.at("outcome"), "not_written");
  EXPECT_TRUE(error.retry);
}

TEST_F(PublishRpcTest, ACancelledCallEndsAtOnceAndItsLateAnswerIsDropped) {
  StartServer();
  Calls calls(*stub_);
  calls.Start(RequestOf(1));
  ASSERT_TRUE(Eventually([&] { return producer_.accepted().size() == 1; }));

  calls.CancelAll();
  calls.WaitAll();
  const std::string canceled = "grpc_server_handled_total" +
                               MethodLabels("sidebus.v1.EventBus", "Publish", "unary", "Canceled");
  EXPECT_TRUE(Eventually([&] { return MetricValue(canceled) == 1; })) << metrics_.Serialize();

  EXPECT_EQ(producer_.WriteAll(), 1u);
  v1::PublishResponse response;
  EXPECT_TRUE(Publish(RequestOf(0), &response).ok());
}

TEST_F(PublishRpcTest, StuckCallsOfOneMebibyteNeverHoldMoreThanTheBudget) {
  budget_bytes_ = 8 << 20;
  StartServer();
  Calls calls(*stub_);
  std::uint64_t most = 0;
  for (int i = 0; i < 64; ++i) calls.Start(RequestOf(1, 1 << 20));

  // Whatever does not fit is refused, and the rest stays where it is.
  ASSERT_TRUE(Eventually([&] {
    most = std::max(most, budget().used());
    return calls.done() + static_cast<int>(producer_.accepted().size()) == 64;
  }));

  // One message may be counted twice for a moment: read, and as an event.
  EXPECT_LE(most, budget_bytes_ + (2 << 20));
  EXPECT_EQ(calls.codes()[grpc::RESOURCE_EXHAUSTED], calls.done());
  EXPECT_GE(calls.done(), 64 - 8);
  producer_.WriteAll();
  calls.WaitAll();
}

TEST_F(PublishRpcTest, ARefusalForMemoryAsksTheClientToComeBack) {
  StartServer();
  budget().Take(budget().limit());

  v1::PublishResponse response;
  const RpcError error = ErrorOf(Publish(RequestOf(1), &response));

  budget().Return(budget().limit());
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "MEMORY_BUDGET");
  EXPECT_TRUE(error.retry);
}

TEST_F(PublishRpcTest, AllCallsAreCountedByCode) {
  StartServer();
  KeepWriting();
  v1::PublishResponse response;
  ASSERT_TRUE(Publish(RequestOf(1), &response).ok());
  ASSERT_FALSE(Publish(RequestOf(1001), &response).ok());

  const auto handled = [&](const std::string& code) {
    return MetricValue("grpc_server_handled_total" +
                       MethodLabels("sidebus.v1.EventBus", "Publish", "unary", code));
  };
  EXPECT_EQ(MetricValue("grpc_server_started_total" +
                        MethodLabels("sidebus.v1.EventBus", "Publish", "unary")),
            2);
  EXPECT_EQ(handled("OK"), 1);
  EXPECT_EQ(handled("InvalidArgument"), 1);
  EXPECT_EQ(handled("Internal"), 0);
}

}  // namespace
}  // namespace sidebus
