#include <thread>

#include "server/base/error.h"
#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class SubscribeRpcTest : public RpcFixture {
 protected:
  using ClientStream = grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>;

  void Open() {
    context_.set_deadline(std::chrono::system_clock::now() + seconds(20));
    stream_ = stub_->Subscribe(&context_);
  }

  static v1::SubscribeRequest StartMessage() {
    v1::SubscribeRequest request;
    request.mutable_start()->set_group("g");
    request.mutable_start()->add_event_types("order.created");
    return request;
  }

  // Opens a stream and waits until the subscriber is there.
  void OpenAndStart() {
    Open();
    ASSERT_TRUE(stream_->Write(StartMessage()));
    ASSERT_TRUE(Eventually([&] { return subscribers_.seen().starts.size() == 1; }));
  }

  grpc::Status End() {
    v1::SubscribeResponse response;
    while (stream_->Read(&response)) {
    }
    return stream_->Finish();
  }

  static Delivery MakeDelivery(std::uint64_t id) {
    Delivery delivery;
    delivery.id = id;
    delivery.attempt = 1;
    Event event;
    event.id = "e" + std::to_string(id);
    event.type = "order.created";
    event.data = "{}";
    delivery.event = std::make_shared<const Event>(event);
    delivery.topic = std::make_shared<const std::string>("orders");
    delivery.partition = 3;
    delivery.offset = 42;
    return delivery;
  }

  grpc::ClientContext context_;
  std::unique_ptr<ClientStream> stream_;
};

TEST_F(SubscribeRpcTest, HandsTheStartOnAndSaysWhatIsInForce) {
  StartServer();
  Open();
  v1::SubscribeRequest request = StartMessage();
  auto& start = *request.mutable_start();
  start.add_topics("orders");
  start.set_member("m");
  start.set_ordering(v1::ORDERING_BY_PARTITION);
  start.mutable_window()->set_events(7);
  start.mutable_lease()->set_seconds(30);
  start.mutable_retry()->set_max_attempts(4);
  start.mutable_retry()->set_on_exhausted(v1::RetryPolicy::EXHAUSTED_SKIP);
  start.mutable_start_from()->mutable_time()->set_seconds(100);
  ASSERT_TRUE(stream_->Write(request));
  ASSERT_TRUE(Eventually([&] { return subscribers_.seen().starts.size() == 1; }));

  Outgoing out;
  out.started = StartedInfo{"s1",
                            {7, 100},
                            seconds(30),
                            {4, milliseconds(500), seconds(30), Exhausted::kSkip},
                            Ordering::kByPartition,
                            {"orders"}};
  subscribers_.Send(std::move(out));
  v1::SubscribeResponse response;
  ASSERT_TRUE(stream_->Read(&response));

  const SubscribeStart seen = subscribers_.seen().starts[0];
  EXPECT_EQ(seen.group, "g");
  EXPECT_THAT(seen.event_types, ElementsAre("order.created"));
  EXPECT_THAT(seen.topics, ElementsAre("orders"));
  EXPECT_EQ(seen.member, "m");
  EXPECT_EQ(seen.ordering, Ordering::kByPartition);
  EXPECT_EQ(seen.window, (Window{7, 0}));
  EXPECT_EQ(seen.lease, seconds(30));
  EXPECT_EQ(seen.retry.max_attempts, 4u);
  EXPECT_EQ(seen.retry.on_exhausted, Exhausted::kSkip);
  ASSERT_TRUE(seen.start.has_value());
  EXPECT_EQ(seen.start->at, StartPosition::At::kTime);
  EXPECT_EQ(seen.start->time, SystemTime(seconds(100)));
  ASSERT_TRUE(response.has_started());
  EXPECT_EQ(response.started().stream_id(), "s1");
  EXPECT_EQ(response.started().window().events(), 7u);
  EXPECT_EQ(response.started().ordering(), v1::ORDERING_BY_PARTITION);
  EXPECT_EQ(response.started().retry().min_backoff().nanos(), 500'000'000);
  EXPECT_EQ(response.started().topics(0), "orders");
}

TEST_F(SubscribeRpcTest, SendsDeliveriesAndStartsTheirLeasesWhenTheyAreWritten) {
  StartServer();
  OpenAndStart();

  Outgoing out;
  out.deliveries = {MakeDelivery(1), MakeDelivery(2)};
  subscribers_.Send(std::move(out));
  v1::SubscribeResponse response;
  ASSERT_TRUE(stream_->Read(&response));

  ASSERT_THAT(response.deliveries().items(), SizeIs(2));
  EXPECT_EQ(response.deliveries().items(1).delivery_id(), 2u);
  EXPECT_EQ(response.deliveries().items(1).event().id(), "e2");
  EXPECT_EQ(response.deliveries().items(1).position().offset(), 42);
  EXPECT_TRUE(Eventually([&] { return subscribers_.seen().written == 1; }));
}

TEST_F(SubscribeRpcTest, SendsEverythingElseInItsOrder) {
  StartServer();
  OpenAndStart();

  Outgoing out;
  out.revoked = {{{1, 2}, seconds(1)}};
  out.failures = {{9, MakeError(Reason::kDeliveryUnknown, "no such delivery")}};
  out.deliveries = {MakeDelivery(3)};
  out.heartbeat = Heartbeat{SystemTime(seconds(1)), 5, seconds(2), {"ordres"}};
  out.draining = Draining{seconds(3), "bye"};
  out.end = absl::OkStatus();
  subscribers_.Send(std::move(out));
  std::vector<v1::SubscribeResponse> read(6);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(stream_->Read(&read[static_cast<std::size_t>(i)]));

  EXPECT_THAT(read[0].revoked().delivery_ids(), ElementsAre(1, 2));
  EXPECT_EQ(ErrorOf(read[1].settle_result().failures(0).error()).reason, "DELIVERY_UNKNOWN");
  EXPECT_EQ(read[2].deliveries().items(0).delivery_id(), 3u);
  EXPECT_EQ(read[3].heartbeat().lag_events(), 5u);
  EXPECT_THAT(read[3].heartbeat().missing_topics(), ElementsAre("ordres"));
  EXPECT_EQ(read[4].draining().reason(), "bye");
  EXPECT_FALSE(stream_->Read(&read[5]));
  EXPECT_TRUE(stream_->Finish().ok());
  EXPECT_TRUE(Eventually([&] { return subscribers_.seen().destroyed == 1; }));
  EXPECT_EQ(subscribers_.seen().destroyed_before_end, 0);
}

TEST_F(SubscribeRpcTest, ManyFailuresAreSentInMessagesThatEveryClientTakes) {
  StartServer();
  OpenAndStart();

  Outgoing out;
  for (std::uint64_t id = 1; id <= 20'000; ++id) {
    out.failures.push_back({id, MakeError(Reason::kDeliveryUnknown, std::string(200, 'x'))});
  }
  out.end = absl::OkStatus();
  subscribers_.Send(std::move(out));

  std::uint64_t last = 0;
  v1::SubscribeResponse response;
  while (stream_->Read(&response)) {
    for (const auto& failure : response.settle_result().failures()) {
      EXPECT_EQ(failure.delivery_id(), ++last);
    }
  }
  EXPECT_TRUE(stream_->Finish().ok());
  EXPECT_EQ(last, 20'000u);
}

TEST_F(SubscribeRpcTest, AClientThatDoesNotReadItsAnswersIsNotReadEither) {
  StartServer();
  OpenAndStart();
  Outgoing large;
  for (std::uint64_t id = 1; id <= 8; ++id) {
    large.deliveries.push_back(MakeDelivery(id));
    Event event = *large.deliveries.back().event;
    event.data = std::string(1 << 19, 'x');
    large.deliveries.back().event = std::make_shared<const Event>(std::move(event));
  }
  for (int i = 0; i < 4; ++i) {
    Outgoing copy = large;
    subscribers_.Send(std::move(copy));
  }
  constexpr std::size_t kMessages = 60;
  v1::SubscribeRequest request;
  for (std::uint64_t id = 0; id < 10'000; ++id) request.add_ack(id);

  std::thread writer([&] {
    for (std::size_t i = 0; i < kMessages; ++i) ASSERT_TRUE(stream_->Write(request));
  });
  ASSERT_TRUE(Eventually([&] { return subscribers_.seen().requests.size() >= 2; }));
  // Each of these is several turns of the loop that would read on.
  for (int i = 0; i < 200; ++i) {
    grpc::ClientContext context;
    v1::DescribeResponse described;
    ASSERT_TRUE(stub_->Describe(&context, {}, &described).ok());
  }
  // Two for each Take() that came before the stream was full.
  EXPECT_LE(subscribers_.seen().requests.size(), 10u);

  v1::SubscribeResponse response;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(stream_->Read(&response));
  EXPECT_TRUE(Eventually([&] { return subscribers_.seen().requests.size() == kMessages; }));
  writer.join();
}

TEST_F(SubscribeRpcTest, HandsSettlementsOn) {
  StartServer();
  OpenAndStart();
  v1::SubscribeRequest request;
  request.add_ack(1);
  request.add_extend(2);
  auto& nack = *request.add_nack();
  nack.set_delivery_id(3);
  nack.set_action(v1::Nack::ACTION_REJECT);
  nack.set_reason("broken");
  request.mutable_window();
  request.set_drain(true);

  ASSERT_TRUE(stream_->Write(request));
  ASSERT_TRUE(Eventually([&] { return subscribers_.seen().requests.size() == 1; }));

  const SettleRequest seen = subscribers_.seen().requests[0];
  EXPECT_THAT(seen.ack, ElementsAre(1));
  EXPECT_THAT(seen.extend, ElementsAre(2));
  ASSERT_THAT(seen.nack, SizeIs(1));
  EXPECT_EQ(seen.nack[0].action, Nack::Action::kReject);
  EXPECT_EQ(seen.nack[0].reason, "broken");
  EXPECT_EQ(seen.nack[0].delay, std::nullopt);
  EXPECT_EQ(seen.window, (Window{0, 0}));
  EXPECT_TRUE(seen.drain);
}

TEST_F(SubscribeRpcTest, TheFirstMessageHasToBeAStart) {
  StartServer();
  Open();
  v1::SubscribeRequest request;
  request.add_ack(1);
  ASSERT_TRUE(stream_->Write(request));

  const RpcError error = ErrorOf(End());

  EXPECT_EQ(error.code, grpc::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "START_INVALID");
}

TEST_F(SubscribeRpcTest, ASecondStartEndsTheStreamAbnormally) {
  StartServer();
  OpenAndStart();
  ASSERT_TRUE(stream_->Write(StartMessage()));

  EXPECT_EQ(ErrorOf(End()).reason, "START_INVALID");
  EXPECT_EQ(subscribers_.seen().destroyed_before_end, 1);
}

TEST_F(SubscribeRpcTest, MoreThanTenThousandIdsInAMessageEndTheStream) {
  StartServer();
  OpenAndStart();
  v1::SubscribeRequest request;
  for (std::uint64_t id = 0; id < 10'000; ++id) request.add_ack(id);
  ASSERT_TRUE(stream_->Write(request));
  request.add_extend(1);
  ASSERT_TRUE(stream_->Write(request));

  const RpcError error = ErrorOf(End());

  EXPECT_EQ(error.reason, "START_INVALID");
  EXPECT_EQ(error.metadata.at("limit"), "10000");
  EXPECT_THAT(subscribers_.seen().requests, SizeIs(1));
}

TEST_F(SubscribeRpcTest, ARefusedStartIsTheEndOfTheStream) {
  StartServer();
  subscribers_.RefuseWith(MakeError(Reason::kGroupConflict, "another ordering"));
  Open();
  ASSERT_TRUE(stream_->Write(StartMessage()));

  const RpcError error = ErrorOf(End());

  EXPECT_EQ(error.code, grpc::FAILED_PRECONDITION);
  EXPECT_EQ(error.reason, "GROUP_CONFLICT");
  EXPECT_FALSE(error.retry);
}

TEST_F(SubscribeRpcTest, AHalfCloseLetsTheSubscriberEndTheStream) {
  StartServer();
  OpenAndStart();

  stream_->WritesDone();
  ASSERT_TRUE(Eventually([&] { return subscribers_.seen().half_closed; }));
  Outgoing out;
  out.end = absl::OkStatus();
  subscribers_.Send(std::move(out));

  EXPECT_TRUE(End().ok());
  EXPECT_EQ(subscribers_.seen().destroyed_before_end, 0);
}

TEST_F(SubscribeRpcTest, ACancelledStreamIsAnInterruptionAndNoHalfClose) {
  StartServer();
  OpenAndStart();

  context_.TryCancel();

  EXPECT_TRUE(Eventually([&] { return subscribers_.seen().destroyed == 1; }));
  EXPECT_EQ(subscribers_.seen().destroyed_before_end, 1);
  EXPECT_FALSE(subscribers_.seen().half_closed);
  EXPECT_EQ(stream_->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(SubscribeRpcTest, MoreStreamsThanAllowedAreRefused) {
  options_.max_subscribe_streams = 1;
  StartServer();
  OpenAndStart();

  grpc::ClientContext context;
  const auto second = stub_->Subscribe(&context);
  v1::SubscribeResponse response;
  EXPECT_FALSE(second->Read(&response));
  const RpcError error = ErrorOf(second->Finish());

  EXPECT_EQ(error.reason, "TOO_MANY_STREAMS");
  EXPECT_TRUE(error.retry);
}

}  // namespace
}  // namespace sidebus
