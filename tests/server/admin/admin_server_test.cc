#include "server/admin/admin_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>

#include "fmt/format.h"
#include "tests/server/admin/unpacked.h"

namespace sidebus {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Probes final : public ProbeSource {
 public:
  ProbeResult Live() const override { return {true, {{"timers", true, ""}}}; }
  ProbeResult Started() const override { return {true, {}}; }
  ProbeResult Ready() const override { return {ready, {{"broker", ready, "down for 3 s"}}}; }

  std::atomic<bool> ready{true};
};

class Status final : public StatusSource {
 public:
  StatusReport Report() const override {
    StatusReport report;
    report.version = "1.2.3";
    return report;
  }
};

// A connection to the port; the caller closes it.
int Connect(const std::string& address) {
  const int port = std::stoi(address.substr(address.rfind(':') + 1));
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

// Sends `request` to the port and returns all that comes back until the server closes.
std::string Exchange(const std::string& address, const std::string& request) {
  const int fd = Connect(address);
  std::string answer;
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) >= 0) {
    char buffer[4096];
    for (ssize_t got; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(got));
    }
  }
  close(fd);
  return answer;
}

class AdminServerTest : public ::testing::Test {
 protected:
  // `headers`: each with the end of its line.
  std::string Ask(const std::string& path, const std::string& method = "GET",
                  const std::string& headers = "") {
    return Exchange(server_->address(),
                    method + " " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
  }

  static std::string BodyOf(const std::string& answer) {
    const std::string before = "\r\n\r\n";
    return answer.substr(answer.find(before) + before.size());
  }

  Metrics metrics_;
  Probes probes_;
  Status status_;
  std::unique_ptr<AdminServer> server_ = AdminServer::Start({}, metrics_, probes_, status_).value();
};

TEST_F(AdminServerTest, LiveAndStartedAnswerOk) {
  EXPECT_THAT(Ask("/livez"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(Ask("/startupz"), HasSubstr("\r\n\r\nok\n"));
}

TEST_F(AdminServerTest, NotReadyIs503AndSaysWhy) {
  probes_.ready = false;

  const std::string answer = Ask("/readyz");

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("[-] broker: down for 3 s\nnot ok\n"));
}

TEST_F(AdminServerTest, VerboseListsTheChecks) {
  EXPECT_THAT(Ask("/livez?verbose"), HasSubstr("[+] timers\nok\n"));
  EXPECT_THAT(Ask("/livez"), Not(HasSubstr("timers")));
}

TEST_F(AdminServerTest, MetricsComeInPrometheusTextFormat) {
  metrics_.AddCounter("sidebus_things_total", "Things.").Increment();

  const std::string answer = Ask("/metrics");

  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("sidebus_things_total 1\n"));
}

TEST_F(AdminServerTest, MetricsComeInGzipToThoseThatTakeIt) {
  for (int i = 0; i < 100; ++i) {
    metrics_.AddCounter("sidebus_things_total", "Things.", {{"kind", std::to_string(i)}});
  }

  const std::string packed = Ask("/metrics", "GET", "Accept-Encoding: gzip\r\n");

  EXPECT_THAT(packed, AllOf(HasSubstr("\r\nContent-Encoding: gzip\r\n"),
                            HasSubstr("\r\nVary: Accept-Encoding\r\n")));
  EXPECT_THAT(packed, HasSubstr(fmt::format("Content-Length: {}\r\n", BodyOf(packed).size())));
  EXPECT_EQ(Unpacked(BodyOf(packed)), metrics_.Serialize());
  EXPECT_LT(BodyOf(packed).size(), metrics_.Serialize().size() / 3);
  EXPECT_THAT(Ask("/metrics", "HEAD", "Accept-Encoding: gzip\r\n"),
              HasSubstr(fmt::format("Content-Length: {}\r\n", BodyOf(packed).size())));
}

TEST_F(AdminServerTest, MetricsComePlainToAllOthers) {
  for (int i = 0; i < 100; ++i) {
    metrics_.AddCounter("sidebus_things_total", "Things.", {{"kind", std::to_string(i)}});
  }

  for (const char* headers : {"", "Accept-Encoding: br, gzip;q=0\r\n"}) {
    const std::string plain = Ask("/metrics", "GET", headers);

    EXPECT_EQ(BodyOf(plain), metrics_.Serialize());
    EXPECT_THAT(plain, Not(HasSubstr("Content-Encoding")));
  }
}

TEST_F(AdminServerTest, AProbesOnlyServerHasNeitherMetricsNorAStatusPage) {
  const auto probes_only =
      AdminServer::Start({.probes_only = true}, metrics_, probes_, status_).value();

  EXPECT_THAT(Exchange(probes_only->address(), "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));
  for (const std::string path : {"/metrics", "/", "/status.json"}) {
    EXPECT_THAT(Exchange(probes_only->address(), "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"),
                AllOf(StartsWith("HTTP/1.1 404"),
                      HasSubstr("\r\n\r\nNot found. Try /livez, /readyz or /startupz.\n")));
  }
}

TEST_F(AdminServerTest, AProbeIsAnsweredInTimeWhileOtherClientsSayNothing) {
  server_ = AdminServer::Start({.probes_only = true}, metrics_, probes_, status_).value();
  std::array<int, 12> silent{};
  for (int& fd : silent) fd = Connect(server_->address());
  const auto asked = std::chrono::steady_clock::now();

  EXPECT_THAT(Ask("/livez"), StartsWith("HTTP/1.1 200 OK\r\n"));

  // They are closed four at a time, after half a second each time; 2 s would make it 6 s at least.
  EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds(5));
  for (const int fd : silent) close(fd);
}

TEST_F(AdminServerTest, TheStatusPageMayLoadNothingFromElsewhere) {
  const std::string answer = Ask("/");

  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Content-Type: text/html"),
                            HasSubstr("default-src 'none'; script-src 'self'; style-src 'self'; "
                                      "connect-src 'self'; "),
                            HasSubstr("<title>Sidebus</title>")));
  EXPECT_THAT(answer, Not(AnyOf(HasSubstr("http://"), HasSubstr("https://"), HasSubstr("style="),
                                HasSubstr("onclick"))));
}

TEST_F(AdminServerTest, WhatTheStatusPageConsistsOfIsThere) {
  EXPECT_THAT(Ask("/status.css"), HasSubstr("Content-Type: text/css"));
  EXPECT_THAT(Ask("/status.js"), HasSubstr("Content-Type: text/javascript"));
  EXPECT_THAT(Ask("/status.json"), AllOf(HasSubstr("Content-Type: application/json"),
                                         HasSubstr("{\"version\":\"1.2.3\"")));
}

TEST_F(AdminServerTest, WhereStrangersCanAskThereAreMetricsAndNoStatusPage) {
  const auto open = AdminServer::Start({.has_pages = false}, metrics_, probes_, status_).value();
  const auto ask = [&](const std::string& path) {
    return Exchange(open->address(), "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  };

  EXPECT_THAT(ask("/metrics"), StartsWith("HTTP/1.1 200"));
  const std::string others = " Try /livez, /readyz, /startupz or /metrics.\n";
  for (const char* path : {"/status.json", "/status.js"}) {
    EXPECT_THAT(ask(path),
                AllOf(StartsWith("HTTP/1.1 404"), HasSubstr("\r\n\r\nNot found." + others)))
        << path;
  }
  EXPECT_THAT(ask("/"),
              AllOf(StartsWith("HTTP/1.1 404"),
                    HasSubstr("\r\n\r\nThe status page is off here: `admin_pages: true` turns it "
                              "on." +
                              others)));
}

TEST_F(AdminServerTest, OtherPathsAndTraversalsAreNotFound) {
  for (const char* path :
       {"/status", "/status.js/x", "/livez/x", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"}) {
    EXPECT_THAT(Ask(path),
                AllOf(StartsWith("HTTP/1.1 404"),
                      HasSubstr("Not found. Try /, /livez, /readyz, /startupz or /metrics.\n")))
        << path;
  }
}

TEST_F(AdminServerTest, OtherMethodsAreRefused) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    EXPECT_THAT(Ask("/livez", method), StartsWith("HTTP/1.1 405")) << method;
  }
}

TEST_F(AdminServerTest, HeadHasNoBody) {
  const std::string answer = Ask("/livez", "HEAD");

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, Not(HasSubstr("ok\n")));
}

TEST_F(AdminServerTest, AHugeAddressIsRefusedAndTheServerLivesOn) {
  EXPECT_THAT(Ask("/" + std::string(100'000, 'a')), Not(StartsWith("HTTP/1.1 200")));

  EXPECT_THAT(Ask("/livez"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, AnIpv6AddressThatTheLibraryCannotServeIsRefusedWithTheReason) {
  const auto server = AdminServer::Start({.host = "::1"}, metrics_, probes_, status_);
  if (server.ok()) GTEST_SKIP() << "here the library can";

  EXPECT_THAT(std::string(server.status().message()),
              AllOf(HasSubstr("[::1]:0"), HasSubstr("without IPv6"), HasSubstr("127.0.0.1")));
}

TEST_F(AdminServerTest, AnAddressInUseIsAnErrorThatNamesIt) {
  AdminServer::Options options;
  options.port = std::stoi(server_->address().substr(server_->address().rfind(':') + 1));

  const auto second = AdminServer::Start(options, metrics_, probes_, status_);

  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(server_->address()));
}

}  // namespace
}  // namespace sidebus
