// The verbs against a service that the test plays: what they print, and how they exit.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/error_details.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/commands.h"
#include "google/rpc/error_details.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "sidebus/v1/event_bus.grpc.pb.h"

namespace sidebus {
namespace {

namespace v1 = ::sidebus::v1;
namespace health = ::grpc::health::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

google::rpc::Status Error(int code, const std::string& reason) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message("because");
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("sidebus");
  status.add_details()->PackFrom(info);
  return status;
}

grpc::Status CallError(int code, const std::string& reason) {
  grpc::Status status;
  EXPECT_TRUE(grpc::SetErrorDetails(Error(code, reason), &status).ok());
  return status;
}

// Answers Publish with one position per event; an event of type "bad" fails, "down" fails the call.
class FakeBus final : public v1::EventBus::Service {
 public:
  grpc::Status Publish(grpc::ServerContext*, const v1::PublishRequest* request,
                       v1::PublishResponse* response) override {
    for (const v1::Event& event : request->events()) {
      if (event.type() == "down") return CallError(grpc::UNAVAILABLE, "BROKER_DOWN");
      v1::PublishResult& result = *response->add_results();
      result.set_event_id(event.id().empty() ? "made-up" : event.id());
      if (event.type() == "bad") {
        *result.mutable_error() = Error(grpc::INVALID_ARGUMENT, "EVENT_INVALID");
      } else {
        v1::Position& position = *result.add_positions();
        position.set_topic("orders");
        position.set_offset(static_cast<std::int64_t>(published.size()));
      }
      published.push_back(event);
    }
    return grpc::Status::OK;
  }

  // Three events in two messages, then OK when the client has drained and settled them, or
  // half-closed; the group "broken" is refused.
  grpc::Status Subscribe(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::SubscribeResponse, v1::SubscribeRequest>* stream) override {
    v1::SubscribeRequest request;
    stream->Read(&request);
    if (request.start().group() == "broken") {
      return CallError(grpc::INVALID_ARGUMENT, "START_INVALID");
    }
    v1::SubscribeResponse response;
    response.mutable_started();
    stream->Write(response);
    Deliver(*stream, {1, 2});
    Deliver(*stream, {3});
    bool drained = false;
    while (!(drained && acked.size() + nacked.size() == 3) && stream->Read(&request)) {
      acked.insert(acked.end(), request.ack().begin(), request.ack().end());
      for (const v1::Nack& nack : request.nack()) nacked.push_back(nack.delivery_id());
      drained = drained || request.drain();
    }
    return grpc::Status::OK;
  }

  grpc::Status Describe(grpc::ServerContext*, const v1::DescribeRequest* request,
                        v1::DescribeResponse* response) override {
    if (request->event_types_size() > 0) return CallError(grpc::NOT_FOUND, "EVENT_TYPE_UNKNOWN");
    response->set_version("1.2.3");
    response->add_event_types()->set_type("order.created");
    return grpc::Status::OK;
  }

  std::vector<v1::Event> published;
  std::vector<std::uint64_t> acked;
  std::vector<std::uint64_t> nacked;

 private:
  static void Deliver(grpc::ServerReaderWriter<v1::SubscribeResponse, v1::SubscribeRequest>& stream,
                      std::initializer_list<std::uint64_t> ids) {
    v1::SubscribeResponse response;
    for (const std::uint64_t id : ids) {
      v1::Delivery& delivery = *response.mutable_deliveries()->add_items();
      delivery.set_delivery_id(id);
      delivery.set_attempt(1);
      delivery.mutable_event()->set_type("order.created");
      delivery.mutable_event()->set_data("data-" + std::to_string(id) + "\x1b");
    }
    stream.Write(response);
  }
};

class FakeHealth final : public health::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext*, const health::HealthCheckRequest* request,
                     health::HealthCheckResponse* response) override {
    if (!request->service().empty()) return {grpc::NOT_FOUND, "unknown service"};
    response->set_status(serving ? health::HealthCheckResponse::SERVING
                                 : health::HealthCheckResponse::NOT_SERVING);
    return grpc::Status::OK;
  }

  bool serving = true;
};

class VerbsTest : public ::testing::Test {
 protected:
  VerbsTest() {
    char name[] = "/tmp/sbXXXXXX";
    folder_ = mkdtemp(name);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + folder_ + "/s", grpc::InsecureServerCredentials());
    builder.RegisterService(&bus_);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
  }
  ~VerbsTest() override {
    server_->Shutdown();
    std::filesystem::remove_all(folder_);
  }

  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  // Runs the verb; its exit code, and out_ and err_.
  int Run(std::vector<std::string> words, const std::string& socket = "s") {
    words.push_back("--endpoint");
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
  FakeBus bus_;
  FakeHealth health_;
  std::unique_ptr<grpc::Server> server_;
  std::string out_;
  std::string err_;
};

TEST_F(VerbsTest, PublishSendsWhatTheFlagsSayAndPrintsThePosition) {
  EXPECT_EQ(Run({"publish", "order.created", "{\"a\": 1}", "--key", "k", "--header", "h=v=w",
                 "--ext", "tenant=x", "--id", "id-1", "--source", "/s", "--subject", "sub",
                 "--content-type", "text/plain"}),
            0);

  EXPECT_EQ(out_, "orders/0@0  id-1\n");
  EXPECT_THAT(err_, IsEmpty());
  ASSERT_EQ(bus_.published.size(), 1u);
  const v1::Event& event = bus_.published[0];
  EXPECT_EQ(event.data(), "{\"a\": 1}");
  EXPECT_EQ(event.key(), "k");
  EXPECT_EQ(event.headers(0).name(), "h");
  EXPECT_EQ(event.headers(0).value(), "v=w");
  EXPECT_EQ(event.extensions().at("tenant"), "x");
  EXPECT_EQ(event.source(), "/s");
  EXPECT_EQ(event.subject(), "sub");
  EXPECT_EQ(event.content_type(), "text/plain");
}

TEST_F(VerbsTest, PublishReadsAFileWholeOrByLinesAndRepeats) {
  const std::string file = Write("lines", "one\n\ntwo\n");

  EXPECT_EQ(Run({"publish", "t", "-f", file}), 0);
  EXPECT_EQ(bus_.published.at(0).data(), "one\n\ntwo\n");
  EXPECT_EQ(Run({"publish", "t", "--ndjson", "-f", file}), 0);
  EXPECT_EQ(bus_.published.at(1).data(), "one");
  EXPECT_EQ(bus_.published.at(2).data(), "two");
  EXPECT_EQ(Run({"publish", "t", "x", "--count", "250"}), 0);
  EXPECT_EQ(bus_.published.size(), 253u);
  EXPECT_EQ(Run({"publish", "t", "--tombstone"}), 0);
  EXPECT_FALSE(bus_.published.back().has_data());
}

TEST_F(VerbsTest, PublishAsJsonIsOneObjectPerEvent) {
  EXPECT_EQ(Run({"publish", "t", "x", "--id", "a", "--output", "json"}), 0);

  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json.at("event_id"), "a");
  EXPECT_EQ(json.at("positions").at(0).at("topic"), "orders");
}

TEST_F(VerbsTest, PublishTellsWhichEventFailedAndWhyAndExitsWithOne) {
  EXPECT_EQ(Run({"publish", "bad", "x", "--id", "a"}), 1);

  EXPECT_THAT(out_, IsEmpty());
  EXPECT_EQ(err_, "sidebus publish: event a: EVENT_INVALID: because\n");
}

TEST_F(VerbsTest, PublishStopsWhenACallFails) {
  EXPECT_EQ(Run({"publish", "down", "x", "--count", "1000"}), 1);

  EXPECT_EQ(err_, "sidebus publish: BROKER_DOWN: because\n");
}

TEST_F(VerbsTest, SubscribePrintsAcksAndEndsAfterMax) {
  EXPECT_EQ(Run({"subscribe", "order.created", "--group", "g", "--max", "2"}), 0);

  EXPECT_THAT(out_, HasSubstr("data-1\\x1b\n"));
  EXPECT_THAT(out_, HasSubstr("data-2\\x1b\n"));
  EXPECT_THAT(out_, ::testing::Not(HasSubstr("data-3")));
  EXPECT_THAT(bus_.acked, ElementsAre(1, 2));
  EXPECT_THAT(bus_.nacked, ElementsAre(3));
}

TEST_F(VerbsTest, SubscribeEndsWhenIdleAndMayHoldEverything) {
  EXPECT_EQ(
      Run({"subscribe", "t", "--ack", "none", "--exit-when-idle", "50ms", "--output", "json"}), 0);

  EXPECT_THAT(bus_.acked, IsEmpty());
  std::istringstream lines(out_);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_EQ(nlohmann::json::parse(line).at("event").at("type"), "order.created");
  }
  EXPECT_EQ(count, 3);
}

TEST_F(VerbsTest, SubscribeExitsWithOneWhenItIsRefused) {
  EXPECT_EQ(Run({"subscribe", "t", "--group", "broken"}), 1);

  EXPECT_EQ(err_, "sidebus subscribe: START_INVALID: because\n");
}

TEST_F(VerbsTest, DescribeAsTextAndAsJson) {
  EXPECT_EQ(Run({"describe"}), 0);
  EXPECT_THAT(out_, HasSubstr("sidebus 1.2.3: broker out of reach"));
  EXPECT_EQ(Run({"describe", "--output", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_).at("version"), "1.2.3");
  EXPECT_EQ(Run({"describe", "nobody.knows.it"}), 1);
  EXPECT_EQ(err_, "sidebus describe: EVENT_TYPE_UNKNOWN: because\n");
}

TEST_F(VerbsTest, HealthExitsAsGrpcHealthProbeDoes) {
  EXPECT_EQ(Run({"health"}), 0);
  EXPECT_EQ(out_, "SERVING\n");
  EXPECT_EQ(Run({"health", "--output", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_).at("status"), "SERVING");
  EXPECT_EQ(Run({"health"}, "nobody"), 2);
  EXPECT_THAT(err_, testing::HasSubstr("cannot connect"));
  EXPECT_THAT(err_, testing::HasSubstr("--endpoint"));
  EXPECT_EQ(Run({"health", "--service", "other"}), 3);
  health_.serving = false;
  EXPECT_EQ(Run({"health", "--output", "json"}), 4);
  EXPECT_EQ(nlohmann::json::parse(out_).at("status"), "NOT_SERVING");
}

}  // namespace
}  // namespace sidebus
