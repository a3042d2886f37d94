#include "server/subscribe/dead_ids.h"

#include <gmock/gmock.h>

#include "server/base/error.h"

namespace sidebus {
namespace {

using std::chrono::seconds;

constexpr SteadyTime kNow{};

TEST(DeadIdsTest, SaysWhyAnIdDied) {
  DeadIds dead;
  dead.Add(1, DeadIds::Why::kRevoked, kNow);
  dead.Add(2, DeadIds::Why::kLeaseExpired, kNow);

  EXPECT_EQ(ReasonOf(dead.ErrorFor(1, kNow)), Reason::kDeliveryRevoked);
  EXPECT_EQ(ReasonOf(dead.ErrorFor(2, kNow)), Reason::kLeaseExpired);
  EXPECT_EQ(ReasonOf(dead.ErrorFor(3, kNow)), Reason::kDeliveryUnknown);
}

TEST(DeadIdsTest, ForgetsAfterAMinute) {
  DeadIds dead;
  dead.Add(1, DeadIds::Why::kRevoked, kNow);

  EXPECT_EQ(ReasonOf(dead.ErrorFor(1, kNow + seconds(59))), Reason::kDeliveryRevoked);
  EXPECT_EQ(ReasonOf(dead.ErrorFor(1, kNow + seconds(60))), Reason::kDeliveryUnknown);
  EXPECT_EQ(dead.size(), 0u);
}

TEST(DeadIdsTest, IsBoundedAndForgetsTheOldest) {
  DeadIds dead;
  for (std::uint64_t id = 1; id <= DeadIds::kMaxIds + 5; ++id) {
    dead.Add(id, DeadIds::Why::kRevoked, kNow);
  }

  EXPECT_EQ(dead.size(), DeadIds::kMaxIds);
  EXPECT_EQ(ReasonOf(dead.ErrorFor(5, kNow)), Reason::kDeliveryUnknown);
  EXPECT_EQ(ReasonOf(dead.ErrorFor(6, kNow)), Reason::kDeliveryRevoked);
}

}  // namespace
}  // namespace sidebus
