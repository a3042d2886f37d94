#include "server/broker/kafka/log_bounds.h"

#include <gtest/gtest.h>

namespace sidebus {
namespace {

TEST(LogBoundsTest, APositionBetweenTheBoundsIsThere) {
  EXPECT_EQ(LookUp(10, 10, 20), LostPosition::kThere);
  EXPECT_EQ(LookUp(20, 10, 20), LostPosition::kThere) << "the end itself: nothing came yet";
}

TEST(LogBoundsTest, OneBelowTheLogStartExpired) {
  EXPECT_EQ(LookUp(9, 10, 20), LostPosition::kExpired);
}

TEST(LogBoundsTest, OneBeyondTheLogEndWasTruncated) {
  EXPECT_EQ(LookUp(21, 10, 20), LostPosition::kTruncated);
  EXPECT_EQ(LookUp(5, 0, 0), LostPosition::kTruncated);
}

// RD_KAFKA_OFFSET_INVALID: found by the leader's epoch. Taken for expired, the records that were
// written since the truncation would be passed over.
TEST(LogBoundsTest, NoPositionAtAllWasTruncated) {
  EXPECT_EQ(LookUp(-1001, 0, 950), LostPosition::kTruncated);
  EXPECT_EQ(LookUp(-1001, 10, 950), LostPosition::kTruncated);
}

}  // namespace
}  // namespace sidebus
