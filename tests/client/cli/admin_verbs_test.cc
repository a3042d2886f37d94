// The verbs of operators against an admin API that the test plays.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/error_details.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/commands.h"
#include "google/rpc/error_details.pb.h"
#include "sidebus/v1/admin.grpc.pb.h"
#include "sidebus/v1/event_bus.grpc.pb.h"

namespace sidebus {
namespace {

namespace v1 = ::sidebus::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

class FakeAdmin final : public v1::EventBusAdmin::Service {
 public:
  grpc::Status ListGroups(grpc::ServerContext*, const v1::ListGroupsRequest*,
                          v1::ListGroupsResponse* response) override {
    if (no_groups) return grpc::Status::OK;
    v1::GroupState& group = *response->add_items();
    group.set_group("billing");
    group.add_topics("orders");
    group.add_topics("payments");
    group.set_streams(2);
    group.set_lag_events(17);
    group.set_held_back_keys(1);
    group.mutable_oldest_unsettled()->set_seconds(120);
    return grpc::Status::OK;
  }

  grpc::Status ExplainGroup(grpc::ServerContext*, const v1::ExplainGroupRequest* request,
                            v1::ExplainGroupResponse* response) override {
    if (request->group() == "nobody") {
      google::rpc::Status status;
      status.set_code(grpc::NOT_FOUND);
      status.set_message("check its name");
      google::rpc::ErrorInfo info;
      info.set_reason("GROUP_UNKNOWN");
      status.add_details()->PackFrom(info);
      grpc::Status error;
      EXPECT_TRUE(grpc::SetErrorDetails(status, &error).ok());
      return error;
    }
    v1::PartitionState& mine = *response->add_partitions();
    mine.set_topic("orders");
    mine.set_owner("this gateway");
    mine.set_committed_offset(10);
    mine.set_end_offset(20);
    mine.set_in_flight(3);
    mine.set_settled_out_of_order(4);
    mine.set_keys_held_back(1);
    mine.mutable_oldest_unsettled()->set_seconds(720);
    mine.mutable_head()->set_topic("orders");
    mine.mutable_head()->set_offset(10);
    mine.set_head_attempt(5);
    mine.set_head_state(v1::PartitionState::STATE_HALTED);
    mine.set_last_error("no stock\x1b");
    v1::PartitionState& other = *response->add_partitions();
    other.set_topic("orders");
    other.set_partition(1);
    other.set_owner("pod-2 (10.0.0.2)");
    other.set_committed_offset(-1);
    other.set_end_offset(5);
    response->add_missing_topics("ordres");
    other.set_lost_to_retention(1);
    other.mutable_went_on_at()->set_offset(3);
    return grpc::Status::OK;
  }

  grpc::Status Seek(grpc::ServerContext*, const v1::SeekRequest* request,
                    v1::SeekResponse* response) override {
    seek = *request;
    response->add_from()->set_offset(-1);
    v1::Position& to = *response->add_to();
    to.set_topic("orders");
    to.set_offset(42);
    return grpc::Status::OK;
  }

  grpc::Status SettleHead(grpc::ServerContext*, const v1::SettleHeadRequest* request,
                          v1::SettleHeadResponse*) override {
    head = *request;
    return grpc::Status::OK;
  }

  grpc::Status Drain(grpc::ServerContext*, const v1::DrainRequest* request,
                     v1::DrainResponse* response) override {
    drain = *request;
    response->set_unsettled(2);
    return grpc::Status::OK;
  }

  grpc::Status Resume(grpc::ServerContext*, const v1::ResumeRequest*,
                      v1::ResumeResponse*) override {
    ++resumed;
    return grpc::Status::OK;
  }

  bool no_groups = false;
  v1::SeekRequest seek;
  v1::SettleHeadRequest head;
  v1::DrainRequest drain;
  int resumed = 0;
};

class AdminVerbsTest : public ::testing::Test {
 protected:
  AdminVerbsTest() {
    char name[] = "/tmp/sbXXXXXX";
    folder_ = mkdtemp(name);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + folder_ + "/s", grpc::InsecureServerCredentials());
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
  }
  ~AdminVerbsTest() override {
    server_->Shutdown();
    std::filesystem::remove_all(folder_);
  }

  int Run(std::vector<std::string> words, const std::string& socket = "s") {
    words.push_back("--admin-endpoint");
    words.push_back("unix:" + folder_ + "/" + socket);
    std::vector<const char*> argv = {"sidebus"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    CLI::App app("test", "sidebus");
    int exit_code = -1;
    AddClientCommands(app, exit_code);
    CaptureStdout();
    CaptureStderr();
    app.parse(static_cast<int>(argv.size()), argv.data());
    out_ = GetCapturedStdout();
    err_ = GetCapturedStderr();
    return exit_code;
  }

  std::string folder_;
  FakeAdmin admin_;
  std::unique_ptr<grpc::Server> server_;
  std::string out_;
  std::string err_;
};

TEST_F(AdminVerbsTest, GroupsAreATableOrJson) {
  EXPECT_EQ(Run({"groups"}), 0);
  EXPECT_EQ(out_,
            "GROUP    STREAMS  LAG  KEYS HELD BACK  OLDEST UNSETTLED  TOPICS\n"
            "billing  2        17   1               2m                orders, payments\n");
  EXPECT_EQ(Run({"groups", "--output", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_).at("items").at(0).at("lag_events"), "17");
  admin_.no_groups = true;
  EXPECT_EQ(Run({"groups"}), 0);
  EXPECT_EQ(out_, "this gateway has no group\n");
}

TEST_F(AdminVerbsTest, ExplainTellsInOneLookWhatHoldsAGroupBack) {
  EXPECT_EQ(Run({"explain", "billing"}), 0);

  EXPECT_EQ(
      out_,
      "group billing: 2 partitions, lag 15, 1 key held back here\n"
      "\n"
      "PARTITION  OWNER             COMMITTED  END  LAG  HEAD  STATE   ATTEMPT  AGE  KEYS BACK  "
      "HELD  SETTLED AHEAD\n"
      "orders/0   this gateway      10         20   10   10    halted  5        12m  1          3  "
      " "
      "  4\n"
      "orders/1   pod-2 (10.0.0.2)  -          5    5    -     -       -        -    -          -  "
      " "
      "  -\n"
      "\n"
      "orders/0@10 is halted at attempt 5, for 12m: no stock\\x1b\n"
      "  to go on without it: sidebus settle-head billing orders/0@10 --skip\n"
      "orders/1 lost 1 event to retention, which overtook the group; it went on at 3\n"
      "ordres does not exist, and is waited for: create it, or mend its name\n");
  EXPECT_EQ(Run({"explain", "billing", "--output", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_).at("partitions").at(0).at("head_state"), "STATE_HALTED");
}

TEST_F(AdminVerbsTest, AnErrorSaysWhatItIs) {
  EXPECT_EQ(Run({"explain", "nobody"}), 1);

  EXPECT_THAT(out_, IsEmpty());
  EXPECT_EQ(err_, "sidebus explain: GROUP_UNKNOWN: check its name\n");
}

TEST_F(AdminVerbsTest, SeekSaysWhereToAndShowsFromWhere) {
  EXPECT_EQ(Run({"seek", "billing", "--to", "latest", "--topic", "orders", "--force"}), 0);
  EXPECT_TRUE(admin_.seek.latest());
  EXPECT_TRUE(admin_.seek.force());
  EXPECT_FALSE(admin_.seek.dry_run());
  EXPECT_EQ(admin_.seek.topics(0), "orders");
  EXPECT_EQ(out_,
            "group billing was moved\n"
            "\n"
            "PARTITION  FROM  TO\n"
            "orders/0   -     42\n");

  EXPECT_EQ(Run({"seek", "billing", "--to", "earliest", "--dry-run"}), 0);
  EXPECT_TRUE(admin_.seek.earliest());
  EXPECT_THAT(out_, HasSubstr("would be moved (dry run)"));

  EXPECT_EQ(Run({"seek", "billing", "--to", "2026-01-31T12:00:00Z"}), 0);
  EXPECT_EQ(admin_.seek.time().seconds(), 1769860800);

  EXPECT_EQ(
      Run({"seek", "--to", "orders/0=42", "--to", "orders/1=7", "--output", "json", "billing"}), 0);
  EXPECT_EQ(admin_.seek.positions().items_size(), 2);
  EXPECT_EQ(admin_.seek.positions().items(1).partition(), 1);
  EXPECT_EQ(admin_.seek.positions().items(1).offset(), 7);
  EXPECT_EQ(nlohmann::json::parse(out_).at("to").at(0).at("offset"), "42");
}

TEST_F(AdminVerbsTest, SettleHeadNamesTheRecordAndWhatToDo) {
  EXPECT_EQ(Run({"settle-head", "billing", "orders/3@42", "--skip", "--reason", "test event"}), 0);
  EXPECT_EQ(admin_.head.group(), "billing");
  EXPECT_EQ(admin_.head.position().topic(), "orders");
  EXPECT_EQ(admin_.head.position().partition(), 3);
  EXPECT_EQ(admin_.head.position().offset(), 42);
  EXPECT_EQ(admin_.head.action(), v1::Nack::ACTION_SKIP);
  EXPECT_EQ(admin_.head.reason(), "test event");
  EXPECT_EQ(out_, "orders/3@42 of group billing is skipped\n");

  EXPECT_EQ(Run({"settle-head", "billing", "orders/3@42", "--reject"}), 0);
  EXPECT_EQ(admin_.head.action(), v1::Nack::ACTION_REJECT);
}

TEST_F(AdminVerbsTest, DrainAndResume) {
  EXPECT_EQ(Run({"drain", "--grace", "1500ms", "--reason", "roll out"}), 0);
  EXPECT_EQ(admin_.drain.grace().seconds(), 1);
  EXPECT_EQ(admin_.drain.reason(), "roll out");
  EXPECT_EQ(out_, "drained; 2 deliveries were not settled\n");
  EXPECT_EQ(Run({"drain"}), 0);
  EXPECT_FALSE(admin_.drain.has_grace());

  EXPECT_EQ(Run({"resume"}), 0);
  EXPECT_EQ(admin_.resumed, 1);
  EXPECT_EQ(out_, "the gateway delivers again\n");
}

TEST_F(AdminVerbsTest, WhereNobodyAnswersTheHelpIsAboutTheAdminApi) {
  EXPECT_EQ(Run({"groups"}, "nobody"), 1);

  EXPECT_THAT(err_, AllOf(HasSubstr("no admin API answers at unix:"), HasSubstr("`admin_api`"),
                          HasSubstr("--admin-endpoint"), Not(HasSubstr(" --endpoint"))));
}

TEST_F(AdminVerbsTest, TheApplicationsApiIsRecognised) {
  v1::EventBus::Service bus;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + folder_ + "/app", grpc::InsecureServerCredentials());
  builder.RegisterService(&bus);
  const auto server = builder.BuildAndStart();

  EXPECT_EQ(Run({"groups"}, "app"), 1);

  EXPECT_THAT(err_, HasSubstr("is it the application's API?"));
}

}  // namespace
}  // namespace sidebus
