#include "server/broker/kafka/join_watch.h"

#include <gtest/gtest.h>

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class JoinWatchTest : public testing::Test {
 protected:
  const SteadyTime begin_ = SteadyTime(seconds(1000));
  JoinWatch watch_{begin_};
};

TEST_F(JoinWatchTest, LooksNowAndThen) {
  EXPECT_TRUE(watch_.ShouldLook(begin_));
  EXPECT_FALSE(watch_.ShouldLook(begin_ + milliseconds(99)));
  EXPECT_TRUE(watch_.ShouldLook(begin_ + milliseconds(100)));
}

TEST_F(JoinWatchTest, AsksOnceWhenTheMemberIsNotTakenInForASecond) {
  EXPECT_FALSE(watch_.ShouldAsk(begin_ + milliseconds(999)));
  EXPECT_TRUE(watch_.ShouldAsk(begin_ + seconds(1)));
  EXPECT_FALSE(watch_.ShouldAsk(begin_ + seconds(100)));
}

TEST_F(JoinWatchTest, WithoutAnAnswerNothingIsConcluded) {
  ASSERT_TRUE(watch_.ShouldAsk(begin_ + seconds(1)));

  EXPECT_FALSE(watch_.HasNoProtocol(begin_ + seconds(1000)));
}

TEST_F(JoinWatchTest, AsksAgainASecondAfterAFailure) {
  ASSERT_TRUE(watch_.ShouldAsk(begin_ + seconds(1)));
  watch_.NotAnswered(begin_ + seconds(5));

  EXPECT_FALSE(watch_.ShouldAsk(begin_ + milliseconds(5'999)));
  EXPECT_TRUE(watch_.ShouldAsk(begin_ + seconds(6)));
}

TEST_F(JoinWatchTest, ACoordinatorThatAnswersAndTakesNobodyInHasNotTheProtocol) {
  ASSERT_TRUE(watch_.ShouldAsk(begin_ + seconds(1)));
  watch_.Answered(begin_ + seconds(2));

  EXPECT_FALSE(watch_.HasNoProtocol(begin_ + milliseconds(5'999)));
  EXPECT_TRUE(watch_.HasNoProtocol(begin_ + seconds(6)));
}

}  // namespace
}  // namespace sidebus
