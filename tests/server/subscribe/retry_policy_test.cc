#include "server/subscribe/retry_policy.h"

#include <gmock/gmock.h>

namespace sidebus {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const RetryPolicy kConfigured{5, milliseconds(500), seconds(30), Exhausted::kHalt};

TEST(BackoffTest, DoublesUpToTheMaximumWithAFifthOfJitterEitherWay) {
  std::mt19937_64 random(1);
  Duration smallest = hours(1);
  Duration largest{};
  for (std::uint32_t attempt = 1; attempt < 40; ++attempt) {
    const Duration exact = attempt < 7 ? milliseconds(500 << (attempt - 1)) : Duration(seconds(30));
    for (int i = 0; i < 200; ++i) {
      const Duration backoff = BackoffAfter(kConfigured, attempt, random);
      ASSERT_GE(backoff, exact * 8 / 10) << "attempt " << attempt;
      ASSERT_LE(backoff, exact * 12 / 10) << "attempt " << attempt;
      if (attempt == 1) {
        smallest = std::min(smallest, backoff);
        largest = std::max(largest, backoff);
      }
    }
  }
  EXPECT_LT(smallest, milliseconds(420));
  EXPECT_GT(largest, milliseconds(580));
}

TEST(BackoffTest, TheSameSeedGivesTheSameBackoffs) {
  std::mt19937_64 one(7);
  std::mt19937_64 two(7);
  for (std::uint32_t attempt = 1; attempt < 10; ++attempt) {
    EXPECT_EQ(BackoffAfter(kConfigured, attempt, one), BackoffAfter(kConfigured, attempt, two));
  }
}

TEST(BackoffTest, AHugeAttemptDoesNotOverflow) {
  std::mt19937_64 random(1);
  EXPECT_LE(BackoffAfter(kConfigured, 4'000'000'000u, random), seconds(36));
}

TEST(BackoffTest, ALongMaximumDoesNotOverflow) {
  std::mt19937_64 random(1);
  EXPECT_GE(BackoffAfter({5, hours(24 * 365), hours(24 * 365 * 40), {}}, 9, random),
            hours(24 * 365 * 10));
}

TEST(NarrowRetryPolicyTest, WhatIsLeftOpenIsAsConfigured) {
  EXPECT_EQ(NarrowRetryPolicy(kConfigured, {}, minutes(15)), kConfigured);
}

TEST(NarrowRetryPolicyTest, AttemptsCanBeLoweredNotRaised) {
  EXPECT_EQ(NarrowRetryPolicy(kConfigured, {2, {}, {}, {}}, minutes(15)).max_attempts, 2u);
  EXPECT_EQ(NarrowRetryPolicy(kConfigured, {9, {}, {}, {}}, minutes(15)).max_attempts, 5u);
}

TEST(NarrowRetryPolicyTest, ALongMinimumRaisesAMaximumThatWasLeftOpen) {
  const RetryPolicy policy = NarrowRetryPolicy(kConfigured, {0, minutes(1), {}, {}}, minutes(15));

  EXPECT_EQ(policy.min_backoff, minutes(1));
  EXPECT_EQ(policy.max_backoff, minutes(1));
}

TEST(NarrowRetryPolicyTest, AShortMaximumLowersAMinimumThatWasLeftOpen) {
  const RetryPolicy policy =
      NarrowRetryPolicy(kConfigured, {0, {}, milliseconds(100), {}}, minutes(15));

  EXPECT_EQ(policy.min_backoff, milliseconds(100));
}

TEST(NarrowRetryPolicyTest, BackoffsAreAtMostTheLongestDelay) {
  const RetryPolicy policy =
      NarrowRetryPolicy(kConfigured, {0, hours(1), hours(2), {}}, minutes(15));

  EXPECT_EQ(policy.min_backoff, minutes(15));
  EXPECT_EQ(policy.max_backoff, minutes(15));
}

}  // namespace
}  // namespace sidebus
