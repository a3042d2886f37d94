#include <gmock/gmock.h>

#include "tests/server/registry/http_registry_fixture.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::Le;

// Lets requests in by and by, and counts those that are inside.
class Doorman {
 public:
  void Enter() {
    MutexLock lock(mu_);
    most_ = std::max(most_, ++inside_);
    ++entered_;
    changed_.NotifyAll();
    while (!open_) changed_.Wait(mu_);
    --inside_;
  }
  void WaitForEntered(int count) {
    MutexLock lock(mu_);
    while (entered_ < count) changed_.Wait(mu_);
  }
  void Open() {
    MutexLock lock(mu_);
    open_ = true;
    changed_.NotifyAll();
  }
  int most() {
    MutexLock lock(mu_);
    return most_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
  int inside_ ABSL_GUARDED_BY(mu_) = 0;
  int entered_ ABSL_GUARDED_BY(mu_) = 0;
  int most_ ABSL_GUARDED_BY(mu_) = 0;
};

class HttpRegistryBoundsTest : public HttpRegistryFixture {
 protected:
  void ServeBehind(Doorman& doorman) {
    Serve([&doorman](const Request&, Connection& connection) {
      doorman.Enter();
      connection.Send(HttpAnswerText(200, R"({"schema":"{}"})"));
    });
  }
};

TEST_F(HttpRegistryBoundsTest, AnAnswerOfTenMebibytesIsAnOutageAndNotRead) {
  ServeAnswer(HttpAnswerText(200, R"({"schema":")" + std::string(10 << 20, 'x') + "\"}"));

  EXPECT_THAT(WhyDown(FindText()), HasSubstr("larger than 1048576 bytes"));
}

TEST_F(HttpRegistryBoundsTest, AnAnswerThatNeverEndsIsCutOff) {
  Serve([](const Request&, Connection& connection) {
    connection.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (connection.Send("1000\r\n" + std::string(0x1000, 'x') + "\r\n")) {
    }
  });

  EXPECT_THAT(WhyDown(FindText()), HasSubstr("larger than"));
}

TEST_F(HttpRegistryBoundsTest, AHeadThatNeverEndsIsCutOff) {
  Serve([](const Request&, Connection& connection) {
    connection.Send("HTTP/1.1 200 OK\r\n");
    while (connection.Send("X-More: " + std::string(1000, 'x') + "\r\n")) {
    }
  });

  EXPECT_THAT(WhyDown(FindText()), HasSubstr("larger than"));
}

TEST_F(HttpRegistryBoundsTest, AnAnswerUpToTheBoundIsTaken) {
  const std::string text(900'000, 'x');
  ServeAnswer(HttpAnswerText(200, R"({"schema":")" + text + "\"}"));

  EXPECT_EQ(FindText().value(), text);
}

TEST_F(HttpRegistryBoundsTest, ASlowRequestDoesNotHoldOthersBack) {
  Doorman doorman;
  Serve([&doorman](const Request& request, Connection& connection) {
    if (request.line.find("/ids/1 ") != std::string::npos) doorman.Enter();
    connection.Send(HttpAnswerText(200, R"({"schema":"{}"})"));
  });
  Answer slow = AskForText(1);
  doorman.WaitForEntered(1);

  EXPECT_TRUE(FindText(2).ok());

  doorman.Open();
  EXPECT_TRUE(slow.get().ok());
}

TEST_F(HttpRegistryBoundsTest, SoManyAtATimeTheOthersWaitForTheirTurn) {
  Doorman doorman;
  ServeBehind(doorman);
  options_.http.max_under_way = 3;
  std::vector<Answer> answers;
  for (std::uint32_t id = 1; id <= 20; ++id) answers.push_back(AskForText(id));
  doorman.WaitForEntered(3);

  doorman.Open();

  for (Answer& answer : answers) EXPECT_TRUE(answer.get().ok());
  EXPECT_THAT(doorman.most(), Le(3));
}

TEST_F(HttpRegistryBoundsTest, WhatWaitsHasTheSameTimeOut) {
  Serve([](const Request&, Connection& connection) { connection.WaitUntilGone(); });
  options_.http.timeout = kShort;
  options_.http.max_under_way = 1;
  std::vector<Answer> answers;

  for (std::uint32_t id = 1; id <= 10; ++id) answers.push_back(AskForText(id));

  for (Answer& answer : answers) EXPECT_THAT(WhyDown(answer.get()), HasSubstr("in time"));
}

TEST_F(HttpRegistryBoundsTest, TooManyAreRefused) {
  Doorman doorman;
  ServeBehind(doorman);
  options_.http.max_under_way = 1;
  options_.http.max_open = 2;
  Answer first = AskForText(1);
  Answer second = AskForText(2);

  EXPECT_THAT(WhyDown(FindText(3)), HasSubstr("too many"));

  doorman.Open();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  EXPECT_TRUE(FindText(4).ok());
}

TEST_F(HttpRegistryBoundsTest, ItsEndAnswersWhatIsUnderWayAndWhatWaits) {
  Serve([](const Request&, Connection& connection) { connection.WaitUntilGone(); });
  options_.http.max_under_way = 2;
  std::vector<Answer> answers;
  for (std::uint32_t id = 1; id <= 5; ++id) answers.push_back(AskForText(id));

  registry_.reset();

  for (Answer& answer : answers) EXPECT_THAT(WhyDown(answer.get()), HasSubstr("shutting down"));
}

TEST_F(HttpRegistryBoundsTest, ACallbackMayAskAgainFromInside) {
  ServeText();
  std::promise<bool> answered;
  registry().FindText(SchemaId(1), [&](const auto&) {
    registry().FindText(SchemaId(2), [&](const auto& text) { answered.set_value(text.ok()); });
  });

  EXPECT_TRUE(answered.get_future().get());
}

}  // namespace
}  // namespace sidebus
