// EventBusAdmin on its own listener; operations are played by the test.

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/rpc/admin_fixture.h"
#include "tests/rpc/raw_client.h"
#include "tests/rpc/raw_http2.h"

namespace sidebus {
namespace {

namespace health = grpc::health::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(AdminTest, GroupsAreListed) {
  operations_.groups = {{.group = "g",
                         .topics = {"a", "b"},
                         .streams = 2,
                         .lag_events = 5,
                         .oldest_unsettled = seconds(3),
                         .held_back = 1}};
  v1::ListGroupsResponse response;

  ASSERT_TRUE(Call(&v1::EventBusAdmin::Stub::ListGroups, v1::ListGroupsRequest(), &response).ok());

  ASSERT_THAT(response.items(), SizeIs(1));
  const v1::GroupState& group = response.items(0);
  EXPECT_EQ(group.group(), "g");
  EXPECT_THAT(group.topics(), ElementsAre("a", "b"));
  EXPECT_EQ(group.streams(), 2u);
  EXPECT_EQ(group.lag_events(), 5u);
  EXPECT_EQ(group.oldest_unsettled().seconds(), 3);
  EXPECT_EQ(group.held_back_keys(), 1u);
}

TEST_F(AdminTest, AGroupIsExplainedWithTheHeadsOfItsPartitions) {
  operations_.partitions = {
      {.topic = "orders",
       .partition = 1,
       .owner = "pod-1",
       .committed = 10,
       .end = 20,
       .held = 3,
       .settled_above = 4,
       .held_back = 2,
       .oldest_unsettled = seconds(9),
       .lost = {.events = 7, .went_on_at = 8},
       .head = PartitionState::Head{10, 5, RecordState::kHalted, "no stock"}},
      {.topic = "orders", .partition = 2, .owner = "", .committed = -1, .end = 0, .head = {}}};
  operations_.missing_topics = {"ordres"};
  v1::ExplainGroupRequest request;
  request.set_group("g");
  v1::ExplainGroupResponse response;

  ASSERT_TRUE(Call(&v1::EventBusAdmin::Stub::ExplainGroup, request, &response).ok());

  EXPECT_THAT(response.missing_topics(), ElementsAre("ordres"));

  ASSERT_THAT(response.partitions(), SizeIs(2));
  const v1::PartitionState& state = response.partitions(0);
  EXPECT_EQ(state.owner(), "pod-1");
  EXPECT_EQ(state.committed_offset(), 10);
  EXPECT_EQ(state.end_offset(), 20);
  EXPECT_EQ(state.in_flight(), 3u);
  EXPECT_EQ(state.settled_out_of_order(), 4u);
  EXPECT_EQ(state.keys_held_back(), 2u);
  EXPECT_EQ(state.oldest_unsettled().seconds(), 9);
  EXPECT_EQ(state.head().topic(), "orders");
  EXPECT_EQ(state.head().partition(), 1);
  EXPECT_EQ(state.head().offset(), 10);
  EXPECT_EQ(state.head_attempt(), 5u);
  EXPECT_EQ(state.head_state(), v1::PartitionState::STATE_HALTED);
  EXPECT_EQ(state.last_error(), "no stock");
  EXPECT_EQ(state.lost_to_retention(), 7u);
  EXPECT_EQ(state.went_on_at().topic(), "orders");
  EXPECT_EQ(state.went_on_at().partition(), 1);
  EXPECT_EQ(state.went_on_at().offset(), 8);
  EXPECT_FALSE(response.partitions(1).has_went_on_at());
  EXPECT_FALSE(response.partitions(1).has_head());
  EXPECT_EQ(response.partitions(1).head_state(), v1::PartitionState::STATE_UNSPECIFIED);
}

TEST_F(AdminTest, ConnectionsWithoutACallDoNotKeepOperatorsOut) {
  AdminRpcServerOptions options;
  options.max_idle = std::chrono::milliseconds(200);
  StartAdmin(std::move(options));
  std::vector<std::unique_ptr<RawHttp2>> idle;
  for (int i = 0; i < 1'000; ++i) {
    idle.push_back(std::make_unique<RawHttp2>(Socket() + "a"));
    if (!idle.back()->connected() || !idle.back()->Send(RawHttp2::Preface())) idle.pop_back();
  }

  EXPECT_TRUE(Eventually([&] {
    v1::ListGroupsResponse response;
    return Call(&v1::EventBusAdmin::Stub::ListGroups, v1::ListGroupsRequest(), &response).ok();
  }));
  EXPECT_GE(
      MetricValue("sidebus_connections_rejected_total{listener=\"admin_api\",reason=\"limit\"}"),
      500);
}

TEST_F(AdminTest, ACallThatTakesLongIsNotIdle) {
  AdminRpcServerOptions options;
  options.max_idle = std::chrono::milliseconds(100);
  StartAdmin(std::move(options));
  auto answer = std::async(std::launch::async, [this] {
    v1::DrainResponse response;
    return Call(&v1::EventBusAdmin::Stub::Drain, v1::DrainRequest(), &response);
  });
  ASSERT_TRUE(Eventually([&] { return operations_.drain_is_asked(); }));
  RawHttp2 idle(Socket() + "a");
  ASSERT_TRUE(idle.Send(RawHttp2::Preface()));
  ASSERT_TRUE(idle.ReadToEnd()) << "one that came later and has no call is closed";

  operations_.EndDrain(0);

  EXPECT_TRUE(answer.get().ok());
}

TEST_F(AdminTest, ErrorsOfOperationsAreErrorsOfTheCall) {
  v1::ExplainGroupRequest request;
  request.set_group("nobody");
  v1::ExplainGroupResponse response;

  const RpcError error = ErrorOf(Call(&v1::EventBusAdmin::Stub::ExplainGroup, request, &response));

  EXPECT_EQ(error.code, grpc::NOT_FOUND);
  EXPECT_EQ(error.reason, "GROUP_UNKNOWN");
}

TEST_F(AdminTest, AHeadIsSkippedOrRejectedAndNothingElse) {
  v1::SettleHeadRequest request;
  request.set_group("g");
  request.mutable_position()->set_topic("orders");
  request.mutable_position()->set_partition(2);
  request.mutable_position()->set_offset(41);
  request.set_reason("by hand");
  v1::SettleHeadResponse response;
  const auto settle = [&](v1::Nack::Action action) {
    request.set_action(action);
    return Call(&v1::EventBusAdmin::Stub::SettleHead, request, &response);
  };

  EXPECT_TRUE(settle(v1::Nack::ACTION_SKIP).ok());
  EXPECT_TRUE(settle(v1::Nack::ACTION_REJECT).ok());
  EXPECT_EQ(ErrorOf(settle(v1::Nack::ACTION_RETRY)).bad_field, "action");
  EXPECT_EQ(ErrorOf(settle(v1::Nack::ACTION_UNSPECIFIED)).reason, "START_INVALID");
  request.clear_position();
  EXPECT_EQ(ErrorOf(settle(v1::Nack::ACTION_SKIP)).bad_field, "position");

  ASSERT_THAT(operations_.heads, SizeIs(2));
  EXPECT_EQ(operations_.heads[0].action, Nack::Action::kSkip);
  EXPECT_EQ(operations_.heads[1].action, Nack::Action::kReject);
  EXPECT_EQ(operations_.heads[1].head, (Position{"orders", 2, 41}));
  EXPECT_EQ(operations_.heads[1].reason, "by hand");
}

TEST_F(AdminTest, ASeekSaysWhereToInOneWay) {
  v1::SeekRequest request;
  request.set_group("g");
  v1::SeekResponse response;
  const auto seek = [&] { return Call(&v1::EventBusAdmin::Stub::Seek, request, &response); };

  EXPECT_EQ(ErrorOf(seek()).bad_field, "target");
  request.set_earliest(false);
  EXPECT_EQ(ErrorOf(seek()).bad_field, "earliest");
  request.set_latest(false);
  EXPECT_EQ(ErrorOf(seek()).bad_field, "latest");
  request.mutable_time()->set_seconds(1LL << 50);
  EXPECT_EQ(ErrorOf(seek()).bad_field, "time");
  EXPECT_THAT(operations_.seeks, IsEmpty());
  request.set_earliest(true);
  request.add_topics("orders");
  request.set_force(true);
  ASSERT_TRUE(seek().ok());
  auto& position = *request.mutable_positions()->add_items();
  position.set_topic("orders");
  position.set_offset(7);
  request.clear_topics();
  request.set_force(false);
  request.set_dry_run(true);
  ASSERT_TRUE(seek().ok());

  ASSERT_THAT(operations_.seeks, SizeIs(2));
  EXPECT_EQ(operations_.seeks[0].to.at, StartPosition::At::kEarliest);
  EXPECT_THAT(operations_.seeks[0].topics, ElementsAre("orders"));
  EXPECT_TRUE(operations_.seeks[0].force);
  EXPECT_FALSE(operations_.seeks[0].dry_run);
  EXPECT_THAT(operations_.seeks[1].to.positions, ElementsAre(Position{"orders", 0, 7}));
  EXPECT_TRUE(operations_.seeks[1].dry_run);
  EXPECT_EQ(response.from(0).offset(), -1);
  EXPECT_EQ(response.to(0).offset(), 7);
}

TEST_F(AdminTest, ADrainAnswersWhenItIsDone) {
  v1::DrainRequest request;
  request.mutable_grace()->set_seconds(30);
  request.set_reason("roll out");
  v1::DrainResponse response;
  std::atomic<bool> answered{false};
  grpc::ClientContext context;
  admin_->async()->Drain(&context, &request, &response,
                         [&](const grpc::Status& status) { answered = status.ok(); });
  ASSERT_TRUE(Eventually([&] { return operations_.drain_is_asked(); }));
  EXPECT_FALSE(answered);

  operations_.EndDrain(3);

  EXPECT_TRUE(Eventually([&] { return answered.load(); }));
  EXPECT_EQ(response.unsettled(), 3u);
  EXPECT_EQ(operations_.drain_grace, seconds(30));
  EXPECT_EQ(operations_.drain_reason, "roll out");
  request.mutable_grace()->set_seconds(-1);
  EXPECT_EQ(ErrorOf(Call(&v1::EventBusAdmin::Stub::Drain, request, &response)).bad_field, "grace");
}

TEST_F(AdminTest, AResumeThatCannotBeSaysWhy) {
  v1::ResumeResponse response;
  EXPECT_TRUE(Call(&v1::EventBusAdmin::Stub::Resume, v1::ResumeRequest(), &response).ok());
  operations_.resume = MakeError(Reason::kDraining, "the gateway is stopping");

  const grpc::Status status =
      Call(&v1::EventBusAdmin::Stub::Resume, v1::ResumeRequest(), &response);

  EXPECT_EQ(ErrorOf(status).reason, "DRAINING");
  EXPECT_THAT(status.error_message(), HasSubstr("stopping"));
}

TEST_F(AdminTest, ACallWhoseClientHasGoneNeedsNoAnswerAndALateOneIsDropped) {
  v1::DrainResponse response;
  v1::DrainRequest request;
  std::atomic<bool> ended{false};
  grpc::ClientContext context;
  admin_->async()->Drain(&context, &request, &response, [&](const grpc::Status&) { ended = true; });
  ASSERT_TRUE(Eventually([&] { return operations_.drain_is_asked(); }));

  context.TryCancel();
  ASSERT_TRUE(Eventually([&] { return ended.load(); }));
  admin_server_->Shutdown(Clock::Real().Now());

  operations_.EndDrain(0);
}

TEST_F(AdminTest, TheEndOfTheServerEndsWhatIsNotAnswered) {
  v1::DrainResponse response;
  v1::DrainRequest request;
  std::atomic<bool> ended{false};
  grpc::ClientContext context;
  admin_->async()->Drain(&context, &request, &response,
                         [&](const grpc::Status& status) { ended = !status.ok(); });
  ASSERT_TRUE(Eventually([&] { return operations_.drain_is_asked(); }));

  admin_server_->Shutdown(Clock::Real().Now());

  EXPECT_TRUE(Eventually([&] { return ended.load(); }));
}

TEST_F(AdminTest, NeitherListenerServesTheOthersService) {
  StartServer();
  const std::string message;

  EXPECT_EQ(RawClient(channel_).Call("/sidebus.v1.EventBusAdmin/ListGroups", &message).error_code(),
            grpc::UNIMPLEMENTED);
  EXPECT_EQ(RawClient(admin_channel_).Call("/sidebus.v1.EventBus/Describe", &message).error_code(),
            grpc::UNIMPLEMENTED);
  EXPECT_EQ(MetricValue("sidebus_connections{listener=\"admin_api\"}"), 1);
}

TEST_F(AdminTest, HasHealthAndReflectionOfItsOwn) {
  const auto check = [&](const std::string& service) {
    grpc::ClientContext context;
    health::HealthCheckRequest request;
    request.set_service(service);
    health::HealthCheckResponse response;
    const auto status =
        health::Health::NewStub(admin_channel_)->Check(&context, request, &response);
    return status.ok() ? response.status() : health::HealthCheckResponse::SERVICE_UNKNOWN;
  };
  EXPECT_EQ(check(""), health::HealthCheckResponse::SERVING);
  EXPECT_EQ(check("sidebus.v1.EventBusAdmin"), health::HealthCheckResponse::SERVING);
  EXPECT_EQ(check("sidebus.v1.EventBus"), health::HealthCheckResponse::SERVICE_UNKNOWN);
  admin_server_->SetServing(false);
  EXPECT_EQ(check(""), health::HealthCheckResponse::NOT_SERVING);
  const std::string message;
  const std::string reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  EXPECT_EQ(RawClient(admin_channel_).Call(reflection, &message).error_code(), grpc::UNIMPLEMENTED);

  StartAdmin(true);

  EXPECT_TRUE(RawClient(admin_channel_).Call(reflection, &message).ok());
}

TEST_F(AdminTest, AMessageThatIsNoRequestIsRefused) {
  const std::string message = "\xff\xff";

  const RpcError error =
      ErrorOf(RawClient(admin_channel_).Call("/sidebus.v1.EventBusAdmin/Seek", &message));

  EXPECT_EQ(error.reason, "START_INVALID");
}

}  // namespace
}  // namespace sidebus
