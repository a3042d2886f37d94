#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "server/base/mutex.h"
#include "tests/support/fake_http_server.h"

namespace sidebus {

// A server that speaks what is used of Confluent's API, under a path, and knows a schema by its
// text.
//
// Thread safety: all methods may be called from any thread.
class FakeHttpRegistry {
 public:
  std::string url() const { return server_.url() + kPath; }

  // New texts are refused under that subject, as incompatible with earlier ones.
  void Freeze(const std::string& subject);

 private:
  static constexpr char kPath[] = "/apis/ccompat/v7";

  // Status and body.
  using Answer = std::pair<int, std::string>;
  Answer AnswerTo(const FakeHttpServer::Request& request);
  Answer FindText(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Answer Register(const std::string& subject, const std::string& text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Answer FindId(const std::string& subject, const std::string& text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_;
  std::map<std::string, int> ids_ ABSL_GUARDED_BY(mu_);
  std::map<int, std::string> texts_ ABSL_GUARDED_BY(mu_);
  std::set<std::pair<std::string, std::string>> versions_ ABSL_GUARDED_BY(mu_);  // subject, text
  std::set<std::string> frozen_ ABSL_GUARDED_BY(mu_);
  FakeHttpServer server_{[this](const auto& request, auto& connection) {
    const Answer answer = AnswerTo(request);
    connection.Send(HttpAnswerText(answer.first, answer.second));
  }};
};

}  // namespace sidebus
