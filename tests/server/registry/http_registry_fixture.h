#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/registry/http_registry.h"
#include "tests/support/fake_http_server.h"

namespace sidebus {

// A registry that asks a server which the test plays.
class HttpRegistryFixture : public ::testing::Test {
 protected:
  using Request = FakeHttpServer::Request;
  using Connection = FakeHttpServer::Connection;
  using Answer = std::future<absl::StatusOr<std::string>>;

  // Long enough for a busy machine, where no time-out is meant; and short, where one is.
  static constexpr Duration kLong = std::chrono::seconds(30);
  static constexpr Duration kShort = std::chrono::milliseconds(150);

  ~HttpRegistryFixture() override {
    registry_.reset();
    server_.reset();
    for (const std::string& path : files_) unlink(path.c_str());
  }

  void Serve(FakeHttpServer::Handler handler, const FakeHttpServer::Identity& identity = {}) {
    server_ = std::make_unique<FakeHttpServer>(std::move(handler), identity);
    options_.url = server_->url();
    options_.http.timeout = kLong;
  }

  // Every request is answered so.
  void ServeAnswer(const std::string& answer) {
    Serve([answer](const Request&, Connection& connection) { connection.Send(answer); });
  }

  void ServeText() { ServeAnswer(HttpAnswerText(200, R"({"schema":"{}"})")); }

  HttpRegistry& registry() {
    if (registry_ == nullptr) registry_ = HttpRegistry::Make(options_).value();
    return *registry_;
  }

  // What a question for a text is answered, some time.
  Answer AskForText(std::uint32_t id = 1) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<std::string>>>();
    Answer answer = promise->get_future();
    registry().FindText(SchemaId(id), [promise](absl::StatusOr<SchemaRegistry::Text> text) {
      promise->set_value(text.ok() ? absl::StatusOr<std::string>(**text) : text.status());
    });
    return answer;
  }

  absl::StatusOr<std::string> FindText(std::uint32_t id = 1) { return AskForText(id).get(); }

  // The message of an answer that must be REGISTRY_DOWN.
  static std::string WhyDown(const absl::StatusOr<std::string>& answer) {
    if (answer.ok()) return "it is not down: " + *answer;
    EXPECT_EQ(ReasonName(ReasonOf(answer.status())), ReasonName(Reason::kRegistryDown));
    return std::string(answer.status().message());
  }

  // A file of this test with that content.
  std::string File(const std::string& content) {
    std::string path = ::testing::TempDir() + "/sidebus-registry-XXXXXX";
    close(mkstemp(path.data()));
    files_.push_back(path);
    Write(path, content);
    return path;
  }
  static void Write(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }

  std::unique_ptr<FakeHttpServer> server_;
  HttpRegistryOptions options_;
  std::unique_ptr<HttpRegistry> registry_;

 private:
  std::vector<std::string> files_;
};

}  // namespace sidebus
