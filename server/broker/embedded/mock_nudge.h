#pragma once

#include <future>
#include <string>

namespace sidebus {

// Wakes the thread of a mock cluster again and again for as long as it lives.
//
// The mock cluster loses a wake-up when a request from this side arrives between two steps of its
// loop (rdkafka_mock.c serves its queue before it empties its wake-up pipe), and looks again only
// after a second. A connection to one of its brokers wakes it too.
//
// Ownership: owns its thread; the destructor ends it at once.
class MockNudge {
 public:
  // `bootstrap_servers` as the cluster tells them: "127.0.0.1:41234,...".
  explicit MockNudge(const std::string& bootstrap_servers);
  ~MockNudge();
  MockNudge(const MockNudge&) = delete;
  MockNudge& operator=(const MockNudge&) = delete;

 private:
  std::promise<void> done_;
  std::future<void> thread_;
};

}  // namespace sidebus
