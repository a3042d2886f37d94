#include "server/app/signals.h"

#include <gtest/gtest.h>

#include <csignal>
#include <thread>

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

SteadyTime In(Duration delay) { return Clock::Real().Now() + delay; }

TEST(SignalsTest, ASignalThatCameBeforeTheWaitCounts) {
  Signals signals;

  raise(SIGTERM);

  EXPECT_EQ(signals.WaitUntil(In(minutes(1))), Signals::Woken::kSignal);
}

TEST(SignalsTest, EverySignalIsTakenOnce) {
  Signals signals;

  raise(SIGINT);

  EXPECT_EQ(signals.WaitUntil(In(minutes(1))), Signals::Woken::kSignal);
  EXPECT_EQ(signals.WaitUntil(In(milliseconds(1))), Signals::Woken::kTime);
}

TEST(SignalsDeathTest, WhenNobodyWaitsAnyMoreASignalEndsTheProcessWithTheGivenCode) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Signals signals;
        signals.ExitOnNext(3);
        raise(SIGTERM);
      },
      ::testing::ExitedWithCode(3), "");
}

TEST(SignalsTest, AFlagWakesAndStaysRaised) {
  Signals signals;
  EventFlag flag;
  std::thread other([&] { flag.Raise(); });

  EXPECT_EQ(signals.WaitUntil(In(minutes(1)), &flag), Signals::Woken::kFlag);
  EXPECT_EQ(signals.WaitUntil(In(minutes(1)), &flag), Signals::Woken::kFlag);

  other.join();
}

TEST(SignalsTest, ASignalComesBeforeAFlag) {
  Signals signals;
  EventFlag flag;
  flag.Raise();

  raise(SIGTERM);

  EXPECT_EQ(signals.WaitUntil(In(minutes(1)), &flag), Signals::Woken::kSignal);
}

}  // namespace
}  // namespace sidebus
