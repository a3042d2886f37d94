// The whole gateway with the embedded broker: how it starts, and how it ends.
#include "server/app/gateway.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "sidebus/v1/admin.grpc.pb.h"
#include "sidebus/v1/event_bus.grpc.pb.h"
#include "tests/support/metric_value.h"

namespace sidebus {
namespace {

namespace v1 = ::sidebus::v1;
namespace health = ::grpc::health::v1;
using std::chrono::hours;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest() {
    char name[] = "/tmp/sbXXXXXX";
    folder_ = mkdtemp(name);
    config_.listen = {{Address{"", 0, folder_ + "/s"}, "app", 0600, "", false}};
    config_.admin = Address{"127.0.0.1", 0, ""};
    config_.broker.kind = BrokerKind::kEmbedded;
    config_.producer_config = {{"order.created", {{"orders", "", true}}}};
    config_.shutdown_grace = hours(1);  // whoever waits for its end fails
  }
  ~GatewayTest() override { std::filesystem::remove_all(folder_); }

  void Start() {
    auto started = Gateway::Start(config_);
    ASSERT_TRUE(started.ok()) << started.status();
    gateway_ = *std::move(started);
    channel_ = grpc::CreateChannel("unix:" + folder_ + "/s", grpc::InsecureChannelCredentials());
    stub_ = v1::EventBus::NewStub(channel_);
  }

  // The answer to publishing one event.
  v1::PublishResult Publish() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(30));
    v1::PublishRequest request;
    v1::PublishResponse response;
    request.add_events()->set_type("order.created");
    request.mutable_events(0)->set_data("{}");
    const grpc::Status status = stub_->Publish(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.results(0);
  }

  // A stream that has a delivery of the group.
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>> Hold(
      const std::string& group, grpc::ClientContext& context) {
    auto stream = stub_->Subscribe(&context);
    v1::SubscribeRequest start;
    start.mutable_start()->set_group(group);
    start.mutable_start()->add_event_types("order.created");
    EXPECT_TRUE(stream->Write(start));
    v1::SubscribeResponse response;
    do {
      EXPECT_TRUE(stream->Read(&response));
    } while (!response.has_deliveries() && !::testing::Test::HasFailure());
    return stream;
  }

  // What the admin listener answers.
  std::string Get(const std::string& path) const {
    const std::string line = gateway_->ReadyLine();
    const std::string before = "admin 127.0.0.1:";
    const int port = std::stoi(line.substr(line.find(before) + before.size()));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    std::string answer;
    char chunk[4096];
    for (ssize_t count = 0; (count = read(fd, chunk, sizeof chunk)) > 0;) {
      answer.append(chunk, static_cast<std::size_t>(count));
    }
    close(fd);
    return answer;
  }

  // Until the series has the value, or 30 s have passed.
  bool Becomes(const std::string& series, double value) const {
    const SteadyTime end = Clock::Real().Now() + seconds(30);
    do {
      if (ValueOf(Get("/metrics"), series) == value) return true;
    } while (Clock::Real().Now() < end);
    return false;
  }

  bool StopsSoon() {
    const SteadyTime before = Clock::Real().Now();
    left_ = gateway_->Stop(signals_);
    return Clock::Real().Now() - before < seconds(30);
  }

  Signals signals_;  // before any thread
  std::string folder_;
  Config config_;
  std::unique_ptr<Gateway> gateway_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::EventBus::Stub> stub_;
  Gateway::Leftovers left_;
};

TEST_F(GatewayTest, TheReadyLineTellsAddressesBrokerAndEventTypes) {
  Start();

  EXPECT_THAT(gateway_->ReadyLine(),
              AllOf(HasSubstr("API unix:" + folder_ + "/s"), HasSubstr("broker embedded"),
                    HasSubstr("admin 127.0.0.1:"), HasSubstr("; 1 event type")));
}

TEST_F(GatewayTest, AnAddressInUseIsAnErrorThatNamesIt) {
  Start();

  const auto second = Gateway::Start(config_);

  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr(folder_ + "/s"), HasSubstr("in use")));
}

TEST_F(GatewayTest, TheMetricsTellWhatWasDoneWithBoundedLabels) {
  config_.metrics_max_groups = 1;
  Start();
  EXPECT_FALSE(Publish().has_error());
  grpc::ClientContext first_context;
  grpc::ClientContext second_context;
  const auto first = Hold("first", first_context);
  const auto second = Hold("second", second_context);

  const std::string metrics = Get("/metrics");

  for (const char* series :
       {"sidebus_build_info{grpc=\"", "process_resident_memory_bytes ", "sidebus_ready 1\n",
        "sidebus_draining 0\n", "sidebus_config_last_reload_successful 1\n",
        "sidebus_event_types{direction=\"publish\"} 1\n",
        "sidebus_published_events_total{event_type=\"order.created\",outcome=\"ok\"} 1\n",
        "sidebus_publish_inflight_events 0\n", "sidebus_subscribe_streams{group=\"first\"} 1\n",
        "sidebus_subscribe_streams{group=\"_other\"} 1\n",
        "sidebus_consumer_lag_events{group=\"first\",topic=\"orders\"}",
        "sidebus_deliveries_total{event_type=\"order.created\",group=\"first\",redelivery="
        "\"false\"} "
        "1\n",
        "sidebus_memory_budget_limit_bytes{part=\"publish\"}",
        "grpc_server_handling_seconds_count{grpc_method=\"Publish\"",
        "sidebus_log_messages_total{level=\"error\"}"}) {
    EXPECT_THAT(metrics, HasSubstr(series));
  }
  EXPECT_THAT(metrics, Not(HasSubstr("\"second\"")));
  EXPECT_THAT(Get("/readyz"), HasSubstr("200 OK"));
  first_context.TryCancel();
  second_context.TryCancel();
}

TEST_F(GatewayTest, TheMetricsTellWhenTheConfigurationWasLoaded) {
  Start();
  const std::string metrics = Get("/metrics");

  const double loaded = ValueOf(metrics, "sidebus_config_last_reload_success_timestamp_seconds");

  constexpr double kLongestTest = 3600;
  EXPECT_NEAR(loaded, ValueOf(metrics, "process_start_time_seconds"), kLongestTest);
}

TEST_F(GatewayTest, TheMetricsTellOfDeadLetterTopicsThatNobodyMade) {
  const std::string series = "sidebus_dead_letter_topics_missing";
  config_.dead_letter.create = false;
  Start();
  EXPECT_FALSE(Publish().has_error());
  grpc::ClientContext context;
  const auto stream = Hold("g", context);
  EXPECT_EQ(ValueOf(Get("/metrics"), series), 0);

  v1::SubscribeRequest reject;
  reject.add_nack()->set_delivery_id(1);
  reject.mutable_nack(0)->set_action(v1::Nack::ACTION_REJECT);
  EXPECT_TRUE(stream->Write(reject));

  EXPECT_TRUE(Becomes(series, 1));
  context.TryCancel();
}

TEST_F(GatewayTest, StopsAtOnceWhenNothingIsPending) {
  Start();
  EXPECT_FALSE(Publish().has_error());

  EXPECT_TRUE(StopsSoon());

  EXPECT_EQ(left_.unflushed + left_.unsettled, 0u);
  EXPECT_FALSE(gateway_->cut_short());
}

TEST_F(GatewayTest, StreamsThatNobodyClosesDoNotHoldTheStopUp) {
  Start();
  grpc::ClientContext publish_context;
  const auto publish = stub_->PublishStream(&publish_context);
  v1::PublishStreamRequest events;
  events.add_events()->set_type("order.created");
  ASSERT_TRUE(publish->Write(events));
  v1::PublishStreamResponse ack;
  ASSERT_TRUE(publish->Read(&ack));
  grpc::ClientContext watch_context;
  const auto watch = health::Health::NewStub(channel_)->Watch(&watch_context, {});
  health::HealthCheckResponse told;
  ASSERT_TRUE(watch->Read(&told));

  EXPECT_TRUE(StopsSoon());

  EXPECT_EQ(left_.unflushed + left_.unsettled, 0u);
  while (publish->Read(&ack)) {  // the notice of the end, which Finish() would wait for
  }
  EXPECT_FALSE(publish->Finish().ok());
  while (watch->Read(&told)) {
  }
  EXPECT_FALSE(watch->Finish().ok());
}

TEST_F(GatewayTest, ASecondSignalEndsItWhileASubscriberHoldsOn) {
  Start();
  EXPECT_FALSE(Publish().has_error());
  grpc::ClientContext context;
  const auto subscribe = Hold("g", context);

  raise(SIGTERM);  // the first one is what Stop() is called for

  EXPECT_TRUE(StopsSoon());
  EXPECT_TRUE(gateway_->cut_short());
  EXPECT_EQ(left_.unsettled, 1u);
  EXPECT_EQ(left_.uncommitted, 0u);
  v1::SubscribeResponse response;
  while (subscribe->Read(&response)) {
  }
  EXPECT_FALSE(subscribe->Finish().ok());
}

class GatewayAdminTest : public GatewayTest {
 protected:
  GatewayAdminTest() {
    config_.admin_api = Address{"", 0, folder_ + "/a"};
    Start();
    admin_ = v1::EventBusAdmin::NewStub(
        grpc::CreateChannel("unix:" + folder_ + "/a", grpc::InsecureChannelCredentials()));
  }

  // Publishes an event and has a stream hold it.
  void HoldOne() {
    EXPECT_FALSE(Publish().has_error());
    stream_ = Hold("g", context_);
  }

  void Ack() {
    v1::SubscribeRequest ack;
    ack.add_ack(1);
    EXPECT_TRUE(stream_->Write(ack));
  }

  // What ends the stream.
  grpc::Status EndOfStream() {
    v1::SubscribeResponse response;
    while (stream_->Read(&response)) {
    }
    return stream_->Finish();
  }

  std::unique_ptr<v1::EventBusAdmin::Stub> admin_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>> stream_;
};

TEST_F(GatewayAdminTest, TellsItsAddressAndWhatHoldsAGroupBack) {
  HoldOne();
  grpc::ClientContext context;
  v1::ExplainGroupRequest request;
  request.set_group("g");
  v1::ExplainGroupResponse response;

  ASSERT_TRUE(admin_->ExplainGroup(&context, request, &response).ok());

  EXPECT_THAT(gateway_->ReadyLine(), HasSubstr("; admin API unix:" + folder_ + "/a; broker"));
  ASSERT_EQ(response.partitions_size(), 2) << "the embedded broker's";
  const auto& states = response.partitions();
  const auto held = std::ranges::find_if(states, [](const auto& one) { return one.has_head(); });
  ASSERT_NE(held, states.end());
  EXPECT_EQ(held->head_state(), v1::PartitionState::STATE_HELD);
  EXPECT_EQ(held->end_offset(), 1);
  EXPECT_EQ(held->committed_offset(), 0);
  context_.TryCancel();
}

TEST_F(GatewayAdminTest, DrainsAndResumesWhilePublishingGoesOn) {
  HoldOne();
  grpc::ClientContext drain_context;
  grpc::ClientContext resume_context;
  v1::DrainResponse drained;
  grpc::Status end;
  std::thread holder([&] {
    Ack();
    end = EndOfStream();
  });

  ASSERT_TRUE(admin_->Drain(&drain_context, {}, &drained).ok());
  holder.join();

  EXPECT_EQ(drained.unsettled(), 0u);
  EXPECT_EQ(end.error_code(), grpc::UNAVAILABLE);
  EXPECT_THAT(Get("/metrics"), HasSubstr("sidebus_draining 1\n"));
  EXPECT_THAT(Get("/readyz"), HasSubstr("200 OK"));
  EXPECT_FALSE(Publish().has_error());
  v1::ResumeResponse resumed;
  ASSERT_TRUE(admin_->Resume(&resume_context, {}, &resumed).ok());
  EXPECT_THAT(Get("/metrics"), HasSubstr("sidebus_draining 0\n"));
  grpc::ClientContext context;
  const auto again = Hold("g", context);
  context.TryCancel();
}

TEST_F(GatewayAdminTest, TheStopEndsADrainThatWouldLastLonger) {
  HoldOne();
  grpc::ClientContext context;
  v1::DrainRequest request;
  request.mutable_grace()->set_seconds(3600);
  v1::DrainResponse response;
  grpc::Status drained;
  std::thread operator_([&] { drained = admin_->Drain(&context, request, &response); });
  v1::SubscribeResponse told;
  do {
    ASSERT_TRUE(stream_->Read(&told));
  } while (!told.has_draining());

  raise(SIGTERM);
  EXPECT_TRUE(StopsSoon());

  operator_.join();
  EXPECT_FALSE(EndOfStream().ok());
}

}  // namespace
}  // namespace sidebus
