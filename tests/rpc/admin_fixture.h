#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/rpc/admin_rpc_server.h"
#include "sidebus/v1/admin.grpc.pb.h"
#include "tests/rpc/rpc_fixture.h"

namespace sidebus {

// Answers at once with what the test put in; what it is asked is kept.
class FakeOperations final : public Operations {
 public:
  std::vector<GroupState> ListGroups() override { return groups; }
  void ExplainGroup(const std::string& group, Done<GroupExplanation> done) override {
    if (group == "nobody") return done(MakeError(Reason::kGroupUnknown, "check its name"));
    done(GroupExplanation{partitions, missing_topics});
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
  absl::AnyInvocable<void()> ListDeadLetters(ListLettersOrder order,
                                             Done<std::vector<ListedLetter>> done) override {
    lists.push_back(std::move(order));
    if (answers_lists) {
      done(letters);
    } else {
      ++open_lists;
    }
    return [this] { ++stopped_lists; };
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
  bool answers_lists = true;
  std::atomic<int> open_lists{0};
  std::atomic<int> stopped_lists{0};
  std::vector<ListedLetter> letters;
  std::vector<GroupState> groups;
  std::vector<PartitionState> partitions;
  std::vector<std::string> missing_topics;
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
    AdminRpcServerOptions options;
    options.reflection = reflection;
    StartAdmin(std::move(options));
  }
  void StartAdmin(AdminRpcServerOptions options) {
    admin_server_.reset();
    options.listener = UnixListener("admin_api", Socket() + "a");
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

}  // namespace sidebus
