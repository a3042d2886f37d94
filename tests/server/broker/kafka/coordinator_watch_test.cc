#include "server/broker/kafka/coordinator_watch.h"

#include <gtest/gtest.h>

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CoordinatorWatchTest : public testing::Test {
 protected:
  CoordinatorWatchTest() { watch_.Answered(begin_); }

  const SteadyTime begin_ = SteadyTime(seconds(1000));
  CoordinatorWatch watch_{seconds(30)};
};

TEST_F(CoordinatorWatchTest, AsksWhenNothingWasAnsweredForAThirdOfASession) {
  EXPECT_FALSE(watch_.ShouldAsk(begin_ + seconds(9)));
  EXPECT_TRUE(watch_.ShouldAsk(begin_ + seconds(10)));
}

TEST_F(CoordinatorWatchTest, AsksOneThingAtATime) {
  ASSERT_TRUE(watch_.ShouldAsk(begin_ + seconds(10)));

  EXPECT_FALSE(watch_.ShouldAsk(begin_ + seconds(29)));
}

TEST_F(CoordinatorWatchTest, AsksAgainAfterAFailureButNotAtOnce) {
  ASSERT_TRUE(watch_.ShouldAsk(begin_ + seconds(10)));
  watch_.NotAnswered();

  EXPECT_FALSE(watch_.ShouldAsk(begin_ + milliseconds(10'999)));
  EXPECT_TRUE(watch_.ShouldAsk(begin_ + seconds(11)));
}

TEST_F(CoordinatorWatchTest, IsCutOffWhenASessionWouldBeOver) {
  EXPECT_FALSE(watch_.IsCutOff(begin_ + milliseconds(29'999)));
  EXPECT_TRUE(watch_.IsCutOff(begin_ + seconds(30)));
}

TEST_F(CoordinatorWatchTest, AnAnswerBeginsTheSessionAnew) {
  ASSERT_TRUE(watch_.ShouldAsk(begin_ + seconds(10)));
  watch_.Answered(begin_ + seconds(20));

  EXPECT_FALSE(watch_.IsCutOff(begin_ + seconds(49)));
  EXPECT_FALSE(watch_.ShouldAsk(begin_ + seconds(29)));
  EXPECT_TRUE(watch_.ShouldAsk(begin_ + seconds(30)));
}

}  // namespace
}  // namespace sidebus
