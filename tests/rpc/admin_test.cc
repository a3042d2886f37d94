// EventBusAdmin on its own listener; operations are played by the test.

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/base/error.h"
#include "server/rpc/admin_rpc_server.h"
#include "sidebus/v1/admin.grpc.pb.h"
#include "tests/rpc/raw_client.h"
#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

namespace health = grpc::health::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Answers at once with what the test put in; what it is asked is kept.
class FakeOperations final : public Operations {
 public:
  std::vector<GroupState> ListGroups() override { return groups; }
  void ExplainGroup(const std::string& group, Done<std::vector<PartitionState>> done) override {
    if (group == "nobody") return done(MakeError(Reason::kGroupUnknown, "check its name"));
    done(partitions);
  }
  absl::Status SettleHead(const SettleHeadOrder& order) override {
    heads.push_back(order);
    return absl::OkStatus();
  }
  void Seek(SeekOrder order, Done<SeekResult> done) override {
    seeks.push_back(std::move(order));
    done(SeekResult{{{"orders", 0, -1}}, {{"orders", 0, 7}}});
  }
  absl::AnyInvocable<void()> Redrive(RedriveOrder order, OnRedriveProgress on_progress) override {
    MutexLock lock(mu_);
    redrives.push_back(std::move(order));
    on_progress_ = std::move(on_progress);
    return [this] { ++stopped_redrives; };
  }
  void ListDeadLetters(ListLettersOrder order, Done<std::vector<ListedLetter>> done) override {
    lists.push_back(std::move(order));
    done(letters);
  }
  void Drain(std::optional<Duration> grace, std::string reason,
             absl::AnyInvocable<void(std::size_t)> done) override {
    drain_grace = grace;
    drain_reason = std::move(reason);
    MutexLock lock(mu_);
    drained_ = std::move(done);
  }
  absl::Status Resume() override { return resume; }

  bool drain_is_asked() {
    MutexLock lock(mu_);
    return drained_ != nullptr;
  }
  void EndDrain(std::size_t unsettled) {
    absl::AnyInvocable<void(std::size_t)> done;
    {
      MutexLock lock(mu_);
      done = std::move(drained_);
    }
    done(unsettled);
  }

  // Waits for the order.
  void TellProgress(absl::StatusOr<RedriveProgress> progress) {
    OnRedriveProgress on_progress;
    while (on_progress == nullptr) {
      MutexLock lock(mu_);
      on_progress = std::move(on_progress_);
    }
    on_progress(std::move(progress));
    MutexLock lock(mu_);
    on_progress_ = std::move(on_progress);
  }

  std::vector<RedriveOrder> redrives;
  std::atomic<int> stopped_redrives{0};
  std::vector<ListLettersOrder> lists;
  std::vector<ListedLetter> letters;
  std::vector<GroupState> groups;
  std::vector<PartitionState> partitions;
  std::vector<SettleHeadOrder> heads;
  std::vector<SeekOrder> seeks;
  std::optional<Duration> drain_grace;
  std::string drain_reason;
  absl::Status resume;

 private:
  Mutex mu_;
  absl::AnyInvocable<void(std::size_t)> drained_ ABSL_GUARDED_BY(mu_);
  OnRedriveProgress on_progress_ ABSL_GUARDED_BY(mu_);
};

class AdminTest : public RpcFixture {
 protected:
  AdminTest() { StartAdmin(false); }
  ~AdminTest() override { admin_server_.reset(); }

  void StartAdmin(bool reflection) {
    admin_server_.reset();
    AdminRpcServerOptions options;
    options.listener = UnixListener("admin_api", Socket() + "a");
    options.reflection = reflection;
    admin_server_ = std::make_unique<AdminRpcServer>(options, operations_, metrics_);
    const auto address = admin_server_->Start();
    ASSERT_TRUE(address.ok()) << address.status();
    admin_server_->SetServing(true);
    admin_channel_ = Connect(*address);
    admin_ = v1::EventBusAdmin::NewStub(admin_channel_);
  }

  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::EventBusAdmin::Stub::*method)(grpc::ClientContext*,
                                                                    const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(20));
    return (admin_.get()->*method)(&context, request, response);
  }

  FakeOperations operations_;
  std::unique_ptr<AdminRpcServer> admin_server_;
  std::shared_ptr<grpc::Channel> admin_channel_;
  std::unique_ptr<v1::EventBusAdmin::Stub> admin_;
};

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
       .head = PartitionState::Head{10, 5, RecordState::kHalted, "no stock"}},
      {.topic = "orders", .partition = 2, .owner = "", .committed = -1, .end = 0, .head = {}}};
  v1::ExplainGroupRequest request;
  request.set_group("g");
  v1::ExplainGroupResponse response;

  ASSERT_TRUE(Call(&v1::EventBusAdmin::Stub::ExplainGroup, request, &response).ok());

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
  EXPECT_FALSE(response.partitions(1).has_head());
  EXPECT_EQ(response.partitions(1).head_state(), v1::PartitionState::STATE_UNSPECIFIED);
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

TEST_F(AdminTest, ARedriveTellsItsProgressUntilItIsDone) {
  v1::RedriveRequest request;
  request.set_dead_letter_topic("orders.g.dead");
  request.add_event_types("order");
  request.set_max_per_second(10);
  request.set_limit(7);
  request.set_dry_run(true);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(20));
  const auto reader = admin_->Redrive(&context, request);
  v1::RedriveResponse progress;

  operations_.TellProgress(RedriveProgress{.scanned = 3, .redriven = 2, .skipped = 1});
  ASSERT_TRUE(reader->Read(&progress));
  EXPECT_EQ(progress.redriven(), 2u);
  EXPECT_FALSE(progress.done());
  operations_.TellProgress(
      RedriveProgress{.scanned = 9, .redriven = 7, .skipped = 2, .done = true});
  ASSERT_TRUE(reader->Read(&progress));

  EXPECT_EQ(progress.scanned(), 9u);
  EXPECT_EQ(progress.skipped(), 2u);
  EXPECT_TRUE(progress.done());
  EXPECT_FALSE(reader->Read(&progress));
  EXPECT_TRUE(reader->Finish().ok());
  ASSERT_THAT(operations_.redrives, SizeIs(1));
  EXPECT_EQ(operations_.redrives[0].dead_letter_topic, "orders.g.dead");
  EXPECT_THAT(operations_.redrives[0].event_types, ElementsAre("order"));
  EXPECT_EQ(operations_.redrives[0].max_per_second, 10u);
  EXPECT_EQ(operations_.redrives[0].limit, 7u);
  EXPECT_TRUE(operations_.redrives[0].dry_run);
}

TEST_F(AdminTest, ARedriveThatFailsEndsWithItsError) {
  grpc::ClientContext context;
  const auto reader = admin_->Redrive(&context, v1::RedriveRequest());

  operations_.TellProgress(MakeError(Reason::kTopicMissing, "there is none"));

  v1::RedriveResponse progress;
  EXPECT_FALSE(reader->Read(&progress));
  EXPECT_EQ(ErrorOf(reader->Finish()).reason, "TOPIC_MISSING");
}

TEST_F(AdminTest, ARedriveEndsWithItsClient) {
  grpc::ClientContext context;
  const auto reader = admin_->Redrive(&context, v1::RedriveRequest());
  operations_.TellProgress(RedriveProgress{.scanned = 1});

  context.TryCancel();

  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (operations_.stopped_redrives == 0) std::this_thread::yield();
}

TEST_F(AdminTest, DeadLettersAreListedWithWhatIsSaidOfThem) {
  ListedLetter letter;
  letter.event.id = "1";
  letter.event.type = "order";
  letter.event.key = "k";
  letter.event.data = "d";
  letter.event.headers = {{"x", "1"}, {"y", std::nullopt}};
  letter.position = {"orders.g.dead", 1, 5};
  letter.note.reason = "REJECTED";
  letter.note.detail = "why";
  letter.note.group = "g";
  letter.note.attempts = 3;
  letter.note.origin = {"orders", 0, 42};
  letter.note.time = SystemTime(seconds(1'000'000'000));
  operations_.letters = {letter};
  v1::ListDeadLettersRequest request;
  request.set_dead_letter_topic("orders.g.dead");
  request.set_limit(5);
  v1::ListDeadLettersResponse response;

  ASSERT_TRUE(Call(&v1::EventBusAdmin::Stub::ListDeadLetters, request, &response).ok());

  EXPECT_EQ(operations_.lists.at(0).limit, 5u);
  ASSERT_EQ(response.items_size(), 1);
  const v1::DeadLetter& found = response.items(0);
  EXPECT_EQ(found.event().type(), "order");
  EXPECT_EQ(found.event().key(), "k");
  EXPECT_EQ(found.event().headers(0).value(), "1");
  EXPECT_FALSE(found.event().headers(1).has_value());
  EXPECT_EQ(found.position().offset(), 5);
  EXPECT_EQ(found.origin().offset(), 42);
  EXPECT_EQ(found.reason(), "REJECTED");
  EXPECT_EQ(found.detail(), "why");
  EXPECT_EQ(found.attempts(), 3u);
  EXPECT_EQ(found.time().seconds(), 1'000'000'000);
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
