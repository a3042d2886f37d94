#include "server/codec/outage_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using Pass = OutageGate::Pass;

constexpr Duration kTick{1};
const absl::Status kWhy = absl::UnavailableError("no");

class OutageGateTest : public ::testing::Test {
 protected:
  // Two different requests fail.
  void GoDown() {
    gate_.Failed(gate_.Enter(now_), 1, kWhy, now_);
    gate_.Failed(gate_.Enter(now_), 2, kWhy, now_);
  }

  OutageGate gate_;
  SteadyTime now_{std::chrono::hours(1)};
};

TEST_F(OutageGateTest, LetsEveryRequestOutWhileTheServerIsUp) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(gate_.Enter(now_), Pass::kFree);
}

TEST_F(OutageGateTest, TwoDifferentRequestsThatFailInARowAreAnOutage) {
  EXPECT_FALSE(gate_.Failed(gate_.Enter(now_), 1, kWhy, now_));
  EXPECT_TRUE(gate_.Failed(gate_.Enter(now_), 2, kWhy, now_));

  EXPECT_TRUE(gate_.down());
  EXPECT_EQ(gate_.why(), kWhy);
  EXPECT_EQ(gate_.Enter(now_), Pass::kNone);
}

TEST_F(OutageGateTest, OneRequestThatAlwaysFailsIsNone) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(gate_.Failed(gate_.Enter(now_), 1, kWhy, now_));
  }

  EXPECT_EQ(gate_.Enter(now_), Pass::kFree);
}

TEST_F(OutageGateTest, AnAnswerBetweenTwoFailuresMakesThemNone) {
  gate_.Failed(gate_.Enter(now_), 1, kWhy, now_);
  EXPECT_FALSE(gate_.Answered(gate_.Enter(now_)));

  EXPECT_FALSE(gate_.Failed(gate_.Enter(now_), 2, kWhy, now_));
}

TEST_F(OutageGateTest, AfterThePauseOneProbeGoesOut) {
  GoDown();
  EXPECT_EQ(gate_.Enter(now_ + OutageGate::kMinPause - kTick), Pass::kNone);

  EXPECT_EQ(gate_.Enter(now_ + OutageGate::kMinPause), Pass::kProbe);

  EXPECT_EQ(gate_.Enter(now_ + std::chrono::hours(1)), Pass::kNone);
}

TEST_F(OutageGateTest, AnAnsweredProbeEndsTheOutage) {
  GoDown();
  now_ += OutageGate::kMinPause;

  EXPECT_TRUE(gate_.Answered(gate_.Enter(now_)));

  EXPECT_EQ(gate_.Enter(now_), Pass::kFree);
}

TEST_F(OutageGateTest, TheAnswerToAnEarlierRequestEndsItToo) {
  const Pass early = gate_.Enter(now_);
  GoDown();

  EXPECT_TRUE(gate_.Answered(early));

  EXPECT_FALSE(gate_.down());
}

TEST_F(OutageGateTest, EachFailedProbeDoublesThePauseUpToItsBound) {
  GoDown();
  Duration pause = OutageGate::kMinPause;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(gate_.Enter(now_ + pause - kTick), Pass::kNone);
    now_ += pause;
    ASSERT_EQ(gate_.Enter(now_), Pass::kProbe);
    EXPECT_FALSE(gate_.Failed(Pass::kProbe, 1, kWhy, now_));
    pause = std::min(2 * pause, OutageGate::kMaxPause);
  }
  EXPECT_EQ(pause, OutageGate::kMaxPause);
}

TEST_F(OutageGateTest, FailuresOfEarlierRequestsDoNotLengthenThePause) {
  const Pass early = gate_.Enter(now_);
  GoDown();

  EXPECT_FALSE(gate_.Failed(early, 3, kWhy, now_ + OutageGate::kMinPause - kTick));

  EXPECT_EQ(gate_.Enter(now_ + OutageGate::kMinPause), Pass::kProbe);
}

}  // namespace
}  // namespace sidebus
