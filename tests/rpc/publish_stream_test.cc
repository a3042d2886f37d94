#include <algorithm>
#include <set>

#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

using ::testing::Contains;
using ::testing::Not;
using ::testing::SizeIs;

class PublishStreamRpcTest : public RpcFixture {
 protected:
  using ClientStream =
      grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>;

  void Open() {
    context_.set_deadline(std::chrono::system_clock::now() + seconds(20));
    stream_ = stub_->PublishStream(&context_);
  }

  bool Send(std::size_t events, std::size_t bytes = 10) {
    v1::PublishStreamRequest request;
    for (std::size_t i = 0; i < events; ++i) FillEvent(i, bytes, *request.add_events());
    return stream_->Write(request);
  }

  // Reads acks until as many events as that are settled.
  void ReadAcksUntil(std::uint64_t events) {
    v1::PublishStreamResponse response;
    while (settled_.size() < events && stream_->Read(&response)) Take(response);
    ASSERT_EQ(settled_.size(), events);
    EXPECT_EQ(*settled_.rbegin(), events) << "every number up to here";
  }

  void Take(const v1::PublishStreamResponse& response) {
    for (const auto& range : response.ack().settled()) {
      EXPECT_LE(range.first(), range.last());
      for (std::uint64_t number = range.first(); number <= range.last(); ++number) {
        EXPECT_TRUE(settled_.insert(number).second) << number << " was settled twice";
      }
    }
    for (const auto& failure : response.ack().failures()) failures_.push_back(failure);
    positions_ += response.ack().positions_size();
    ++acks_;
  }

  grpc::ClientContext context_;
  std::unique_ptr<ClientStream> stream_;
  std::set<std::uint64_t> settled_;
  int acks_ = 0;
  int positions_ = 0;
  std::vector<v1::PublishFailure> failures_;
};

TEST_F(PublishStreamRpcTest, AnswersEverythingAfterAHalfCloseAndEndsWithOk) {
  StartServer();
  KeepWriting();
  Open();

  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Send(50));
  stream_->WritesDone();
  ReadAcksUntil(1000);

  v1::PublishStreamResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_TRUE(stream_->Finish().ok());
  EXPECT_EQ(positions_, 0);
  EXPECT_THAT(failures_, SizeIs(0));
  const std::string labels = MethodLabels("sidebus.v1.EventBus", "PublishStream", "bidi_stream");
  EXPECT_EQ(MetricValue("grpc_server_msg_received_total" + labels), 20);
  EXPECT_EQ(MetricValue("grpc_server_msg_sent_total" + labels), acks_);
}

TEST_F(PublishStreamRpcTest, TheTraceOfTheCallGoesToEventsThatHaveNone) {
  StartServer();
  context_.AddMetadata("traceparent", "of-the-call");
  context_.AddMetadata("tracestate", "state");
  Open();
  v1::PublishStreamRequest request;
  FillEvent(1, 10, *request.add_events());
  FillEvent(2, 10, *request.add_events());
  auto* own = request.mutable_events(1)->add_headers();
  own->set_name("traceparent");
  own->set_value("own");

  ASSERT_TRUE(stream_->Write(request));
  ASSERT_TRUE(Send(1));
  ASSERT_TRUE(Eventually([&] { return producer_.accepted().size() == 3; }));

  const auto accepted = producer_.accepted();
  for (const std::size_t without : {0u, 2u}) {
    const auto& headers = accepted[without].record->record.headers;
    EXPECT_THAT(headers, Contains(Header{"traceparent", "of-the-call"}));
    EXPECT_THAT(headers, Contains(Header{"tracestate", "state"}));
  }
  const auto& headers = accepted[1].record->record.headers;
  EXPECT_THAT(headers, Contains(Header{"traceparent", "own"}));
  EXPECT_THAT(headers, Not(Contains(Header{"tracestate", "state"})));
  producer_.WriteAll();
  stream_->WritesDone();
  ReadAcksUntil(3);
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(PublishStreamRpcTest, OneAckCoversAllThatWasAnsweredMeanwhile) {
  StartServer();
  Open();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Send(10));
  ASSERT_TRUE(Eventually([&] { return producer_.accepted().size() == 200; }));

  WhileTheLoopIsBusy([this] { producer_.WriteAll(); });
  ReadAcksUntil(200);

  EXPECT_EQ(acks_, 1);
  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(PublishStreamRpcTest, TellsPositionsWhenAskedTo) {
  StartServer();
  KeepWriting();
  Open();
  v1::PublishStreamRequest request;
  request.mutable_start()->set_want_positions(true);
  FillEvent(1, 10, *request.add_events());
  FillEvent(2, 10, *request.add_events());

  ASSERT_TRUE(stream_->Write(request));
  ReadAcksUntil(2);

  EXPECT_EQ(positions_, 2);
  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(PublishStreamRpcTest, AnEventThatFailsIsNamedByItsNumberAndTheStreamGoesOn) {
  StartServer();
  KeepWriting();
  Open();
  ASSERT_TRUE(Send(2));
  v1::PublishStreamRequest request;
  FillEvent(1, 10, *request.add_events());
  request.mutable_events(0)->set_type("nobody.knows.it");
  ASSERT_TRUE(stream_->Write(request));
  ASSERT_TRUE(Send(1));

  ReadAcksUntil(4);

  ASSERT_THAT(failures_, SizeIs(1));
  EXPECT_EQ(failures_[0].number(), 3u);
  EXPECT_EQ(ErrorOf(failures_[0].error()).reason, "EVENT_TYPE_UNKNOWN");
  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(PublishStreamRpcTest, ManyFailuresAreToldInAcksThatEveryClientCanRead) {
  StartServer();
  producer_.SetReadiness("dev-orders", TopicReadiness::kWaiting);
  Open();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Send(2500));
  ASSERT_TRUE(Eventually([&] { return publisher_->in_flight_events() == 10'000; }));

  publisher_->Refuse();
  publisher_->DropWaiting();
  v1::PublishStreamResponse response;
  while (settled_.size() < 10'000 && stream_->Read(&response)) {
    EXPECT_LT(response.ByteSizeLong(), 512u << 10);
    Take(response);
  }

  EXPECT_THAT(failures_, SizeIs(10'000));
  // The last batch may still be on its way into the line when the others are dropped from it.
  std::ranges::sort(failures_, {}, [](const auto& failure) { return failure.number(); });
  std::uint64_t number = 0;
  for (const auto& failure : failures_) ASSERT_EQ(failure.number(), ++number);
  EXPECT_TRUE(ErrorOf(failures_.back().error()).retry);
  stream_->WritesDone();
  EXPECT_FALSE(stream_->Read(&response)) << "nothing is told twice";
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(PublishStreamRpcTest, MoreEventsInAMessageThanTheLimitEndTheStream) {
  options_.publish_streams.events_in_flight = 100;
  StartServer();
  Open();
  ASSERT_TRUE(Send(101));

  v1::PublishStreamResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  const RpcError error = ErrorOf(stream_->Finish());

  EXPECT_EQ(error.reason, "REQUEST_TOO_LARGE");
  EXPECT_EQ(error.metadata.at("limit"), "100");
}

TEST_F(PublishStreamRpcTest, StopsReadingAtItsLimitOfEventsUntilAnAckIsWritten) {
  options_.publish_streams.events_in_flight = 100;
  StartServer();
  Open();
  std::thread client([&] {
    for (int i = 0; i < 50; ++i) Send(10, 10'000);
    stream_->WritesDone();
  });
  ASSERT_TRUE(Eventually([&] { return producer_.accepted().size() == 100; }));

  // What was read and not acked is never more than the limit and one message.
  std::thread reader([&] { ReadAcksUntil(500); });
  std::size_t most = 0;
  std::size_t written = 0;
  ASSERT_TRUE(Eventually([&] {
    most = std::max(most, producer_.accepted().size());
    if (!producer_.accepted().empty()) written += producer_.WriteAll();
    return written == 500;
  }));

  client.join();
  reader.join();
  EXPECT_LE(most, 110u);
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(PublishStreamRpcTest, WaitsWhileOthersUseUpTheMemory) {
  StartServer();
  budget().Take(budget().limit());
  Open();
  ASSERT_TRUE(Send(1));
  KeepWriting();

  // There is nothing to wait for but time: the stream looks again by itself.
  budget().Return(budget().limit());
  ReadAcksUntil(1);

  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(PublishStreamRpcTest, AStartThatIsNotFirstEndsTheStream) {
  StartServer();
  KeepWriting();
  Open();
  ASSERT_TRUE(Send(1));
  v1::PublishStreamRequest request;
  request.mutable_start();
  ASSERT_TRUE(stream_->Write(request));

  v1::PublishStreamResponse response;
  while (stream_->Read(&response)) {
  }
  const RpcError error = ErrorOf(stream_->Finish());

  EXPECT_EQ(error.code, grpc::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "START_INVALID");
  EXPECT_EQ(error.bad_field, "start");
}

TEST_F(PublishStreamRpcTest, IsToldThatTheGatewayGoesAwayAndMayFinish) {
  StartServer();
  KeepWriting();
  Open();
  ASSERT_TRUE(Send(1));
  ReadAcksUntil(1);

  server_->BeginDrain(seconds(7), "stopping");
  v1::PublishStreamResponse response;
  ASSERT_TRUE(stream_->Read(&response));

  ASSERT_TRUE(response.has_draining());
  EXPECT_EQ(response.draining().grace().seconds(), 7);
  EXPECT_EQ(response.draining().reason(), "stopping");
  ASSERT_TRUE(Send(1));
  stream_->WritesDone();
  ReadAcksUntil(2);
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(PublishStreamRpcTest, MoreStreamsThanAllowedAreRefusedUnread) {
  options_.publish_streams.max_streams = 1;
  StartServer();
  KeepWriting();
  Open();
  ASSERT_TRUE(Send(1));
  ReadAcksUntil(1);

  grpc::ClientContext context;
  const auto second = stub_->PublishStream(&context);
  v1::PublishStreamResponse response;
  EXPECT_FALSE(second->Read(&response));
  const RpcError error = ErrorOf(second->Finish());

  EXPECT_EQ(error.reason, "TOO_MANY_STREAMS");
  EXPECT_TRUE(error.retry);
  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(PublishStreamRpcTest, ACancelledStreamDropsItsLateAnswers) {
  StartServer();
  Open();
  ASSERT_TRUE(Send(5));
  ASSERT_TRUE(Eventually([&] { return producer_.accepted().size() == 5; }));

  context_.TryCancel();
  EXPECT_EQ(stream_->Finish().error_code(), grpc::CANCELLED);
  server_.reset();

  EXPECT_EQ(producer_.WriteAll(), 5u);
}

}  // namespace
}  // namespace sidebus
