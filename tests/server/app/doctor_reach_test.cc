#include "server/app/doctor_reach.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/bound_port.h"

namespace sidebus {
namespace {

constexpr auto kLongReach = std::chrono::seconds(30);  // for a busy machine

Reach ReachOf(const std::string& server) {
  const SteadyTime until = Clock::Real().Now() + kLongReach;
  auto futures = StartReaching({server}, until);
  return Reached(futures.at(0), until);
}

TEST(DoctorReachTest, ConnectsToAPortThatIsListenedOn) {
  const BoundPort port(true);

  const Reach reach = ReachOf("127.0.0.1:" + port.port());

  EXPECT_EQ(reach.end, Reach::End::kConnected) << reach.why;
  EXPECT_EQ(reach.address, "127.0.0.1");
  EXPECT_GT(reach.took, Duration(0));
}

TEST(DoctorReachTest, TriesEveryAddressOfAName) {
  const BoundPort port(true);  // not on ::1

  const Reach reach = ReachOf("localhost:" + port.port());

  EXPECT_EQ(reach.end, Reach::End::kConnected) << reach.why;
}

TEST(DoctorReachTest, SaysThatNobodyListens) {
  const BoundPort port(false);

  const Reach reach = ReachOf("127.0.0.1:" + port.port());

  EXPECT_EQ(reach.end, Reach::End::kRefused);
  EXPECT_EQ(reach.why, "Connection refused");
}

TEST(DoctorReachTest, SaysThatANameHasNoAddress) {
  // A top-level domain that nobody will ever have (RFC 2606), and a label that no resolver asks for.
  const Reach reach = ReachOf(std::string(64, 'a') + ".invalid:9092");

  EXPECT_EQ(reach.end, Reach::End::kNoAddress);
  EXPECT_NE(reach.why, "");
}

TEST(DoctorReachTest, SaysWhatIsNoServer) {
  for (const char* server : {"", "kafka", "kafka:", ":9092"}) {
    EXPECT_EQ(ReachOf(server).end, Reach::End::kBadName) << server;
  }
}

TEST(DoctorReachTest, ManyServersAnswerInTheirOrder) {
  const BoundPort good(true);
  const BoundPort bad(false);
  std::vector<std::string> servers;
  for (int i = 0; i < 40; ++i) {
    servers.push_back("127.0.0.1:" + (i % 2 == 0 ? good.port() : bad.port()));
  }
  const SteadyTime until = Clock::Real().Now() + kLongReach;

  auto futures = StartReaching(servers, until);

  for (std::size_t i = 0; i < servers.size(); ++i) {
    EXPECT_EQ(Reached(futures[i], until).end,
              i % 2 == 0 ? Reach::End::kConnected : Reach::End::kRefused)
        << i;
  }
}

TEST(DoctorReachTest, WhatDoesNotComeInTimeIsNotWaitedFor) {
  std::promise<Reach> never;
  std::future<Reach> future = never.get_future();

  EXPECT_EQ(Reached(future, Clock::Real().Now()).end, Reach::End::kNoResolver);
}

}  // namespace
}  // namespace sidebus
