#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/error_details.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/base/thread_timers.h"
#include "server/metrics/metrics.h"
#include "server/metrics/publish_metrics.h"
#include "server/rpc/rpc_server.h"
#include "sidebus/v1/event_bus.grpc.pb.h"
#include "tests/rpc/fake_subscriber.h"
#include "tests/support/fake_producer.h"
#include "tests/support/metric_value.h"

namespace sidebus {

namespace v1 = ::sidebus::v1;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Looks at `condition` until it holds, for at most ten seconds.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// What ErrorInfo and its companions say of an error.
struct RpcError {
  int code = 0;
  std::string reason;
  std::map<std::string, std::string> metadata;
  bool retry = false;
  std::string bad_field;
};

inline RpcError ErrorOf(const google::rpc::Status& status) {
  RpcError error;
  error.code = status.code();
  for (const auto& detail : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    google::rpc::BadRequest bad;
    if (detail.UnpackTo(&info)) {
      EXPECT_EQ(info.domain(), "sidebus");
      error.reason = info.reason();
      error.metadata = {info.metadata().begin(), info.metadata().end()};
    }
    if (detail.UnpackTo(&retry)) error.retry = true;
    if (detail.UnpackTo(&bad)) error.bad_field = bad.field_violations(0).field();
  }
  return error;
}

inline RpcError ErrorOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(grpc::ExtractErrorDetails(status, &details).ok()) << status.error_message();
  RpcError error = ErrorOf(details);
  EXPECT_TRUE(status.error_details().empty() ||
              error.code == static_cast<int>(status.error_code()));
  error.code = static_cast<int>(status.error_code());
  return error;
}

// A server on a Unix socket (short path, removed at the end) with a real publisher, a producer that
// the test plays, and subscribers that the test plays.
//
//   type "order.created"    topic "orders", enabled
//   type "keyed"            topic "orders", key at order.id
//   type "off"              topic "orders", disabled
class RpcFixture : public ::testing::Test {
 protected:
  RpcFixture() {
    char name[] = "/tmp/sbXXXXXX";
    folder_ = mkdtemp(name);
    options_.listeners = {UnixListener("app", Socket())};
    options_.description.version = "1.2.3";
    options_.threads = 1;
  }

  ~RpcFixture() override {
    StopWriting();
    server_.reset();
    if (publisher_ != nullptr) {
      publisher_->DropWaiting();
      producer_.Purge();
    }
    EXPECT_EQ(budget().used(), 0u);
    std::filesystem::remove_all(folder_);
  }

  static ListenerOptions UnixListener(std::string name, std::string path) {
    ListenerOptions listener;
    listener.name = std::move(name);
    listener.path = std::move(path);
    return listener;
  }
  static ListenerOptions TcpListener(std::string name, std::uint16_t port = 0) {
    ListenerOptions listener;
    listener.name = std::move(name);
    listener.host = "127.0.0.1";
    listener.port = port;
    return listener;
  }

  std::string Socket() const { return folder_ + "/s"; }

  // Sets everything up with options_; the addresses are in addresses_.
  void StartServer() {
    const auto router = *Router::Make({{"order.created", {{"orders", "", true}}},
                                       {"keyed", {{"orders", "order.id", true}}},
                                       {"off", {{"orders", "", false}}}},
                                      "dev");
    PublisherOptions publisher;
    publisher.max_event_bytes = 2 << 20;
    publisher_ = std::make_unique<Publisher>(publisher, router, budget(), Clock::Real(), timers_,
                                             publish_metrics_);
    publisher_->Start(producer_);
    server_ = MakeServer(options_);
    const auto addresses = server_->Start();
    ASSERT_TRUE(addresses.ok()) << addresses.status();
    addresses_ = *addresses;
    server_->SetServing(true);
    channel_ = Connect(addresses_.at(0));
    stub_ = v1::EventBus::NewStub(channel_);
  }

  std::unique_ptr<RpcServer> MakeServer(RpcServerOptions options) {
    const auto router = *Router::Make(
        {{"order.created", {{"orders", "order.id", true}}}, {"off", {{"orders", "", false}}}},
        "dev");
    return std::make_unique<RpcServer>(
        std::move(options),
        RpcBackends{
            .publisher = *publisher_,
            .subscribe = [this](SubscribeStart start,
                                StreamSink& sink) { return subscribers_.Open(start, sink); },
            .publish_budget = budget(),
            .router =
                [this, router] {
                  if (during_describe_) during_describe_();
                  return router;
                },
            .condition =
                [] {
                  return BrokerCondition{true, Clock::Real().Now() - seconds(5)};
                },
            .draining = [this] { return draining_.load(); },
            .clock = Clock::Real(),
            .metrics = metrics_});
  }

  static std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    arguments.SetMaxReceiveMessageSize(-1);
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }

  static v1::PublishRequest RequestOf(std::size_t events, std::size_t bytes = 10) {
    v1::PublishRequest request;
    for (std::size_t i = 0; i < events; ++i) FillEvent(i, bytes, *request.add_events());
    return request;
  }

  static void FillEvent(std::size_t number, std::size_t bytes, v1::Event& event) {
    event.set_id("id-" + std::to_string(number));
    event.set_type("order.created");
    event.set_data(std::string(bytes, 'x'));
  }

  grpc::Status Publish(const v1::PublishRequest& request, v1::PublishResponse* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(20));
    return stub_->Publish(&context, request, response);
  }

  // From now on everything that is produced is reported as written.
  void KeepWriting() {
    writer_ = std::thread([this] {
      while (!stop_writing_) {
        if (producer_.WriteAll() == 0) std::this_thread::yield();
      }
    });
  }
  void StopWriting() {
    stop_writing_ = true;
    if (writer_.joinable()) writer_.join();
    stop_writing_ = false;
  }

  // Runs `run` while the loop is held up by a call of Describe, and waits for that call's end.
  void WhileTheLoopIsBusy(const std::function<void()>& run) {
    std::promise<void> busy;
    std::promise<void> free;
    std::promise<void> described;
    during_describe_ = [&] {
      busy.set_value();
      free.get_future().wait();
    };
    grpc::ClientContext context;
    const v1::DescribeRequest request;
    v1::DescribeResponse response;
    stub_->async()->Describe(&context, &request, &response,
                             [&](const grpc::Status&) { described.set_value(); });
    busy.get_future().wait();
    run();
    free.set_value();
    described.get_future().wait();
    during_describe_ = nullptr;
  }

  // The value of a series, as it is exposed; -1: there is none.
  double MetricValue(const std::string& series) { return ValueOf(metrics_.Serialize(), series); }

  // Labels of a method's counters, in the order in which they are exposed.
  static std::string MethodLabels(const std::string& service, const std::string& method,
                                  const std::string& type, const std::string& code = "") {
    const std::string first = code.empty() ? "" : "grpc_code=\"" + code + "\",";
    return "{" + first + "grpc_method=\"" + method + "\",grpc_service=\"" + service +
           "\",grpc_type=\"" + type + "\"}";
  }

  MemoryBudget& budget() {
    if (budget_ == nullptr) budget_ = std::make_unique<MemoryBudget>(budget_bytes_);
    return *budget_;
  }

  RpcServerOptions options_;
  std::function<void()> during_describe_;  // on the loop's thread
  std::atomic<bool> draining_{false};
  std::uint64_t budget_bytes_ = 32 << 20;
  Metrics metrics_;
  PublishMetrics publish_metrics_{metrics_};
  std::unique_ptr<MemoryBudget> budget_;
  ThreadTimers timers_;
  FakeProducer producer_;
  std::unique_ptr<Publisher> publisher_;
  FakeSubscribers subscribers_;
  std::unique_ptr<RpcServer> server_;
  std::vector<std::string> addresses_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::EventBus::Stub> stub_;

 private:
  std::string folder_;
  std::atomic<bool> stop_writing_{false};
  std::thread writer_;
};

}  // namespace sidebus
