#include "server/broker/offset_tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace sidebus {
namespace {

TEST(OffsetTrackerTest, BeginsAtTheCommittedPositionWithNothingToCommit) {
  OffsetTracker tracker(7);

  EXPECT_EQ(tracker.ack_floor(), 7);
  EXPECT_EQ(tracker.next(), 7);
  EXPECT_EQ(tracker.in_flight(), 0u);
  EXPECT_EQ(tracker.TakeCommittable(), std::nullopt);
}

TEST(OffsetTrackerTest, TheFloorStaysAtTheSmallestOffsetThatIsNotAcked) {
  OffsetTracker tracker(10);
  for (const std::int64_t offset : {10, 11, 12, 14, 15}) ASSERT_TRUE(tracker.Track(offset));

  EXPECT_TRUE(tracker.Ack(11));
  EXPECT_EQ(tracker.ack_floor(), 10);

  EXPECT_TRUE(tracker.Ack(10));
  EXPECT_EQ(tracker.ack_floor(), 12);
  EXPECT_EQ(tracker.TakeCommittable(), 12);
}

TEST(OffsetTrackerTest, GapsAreSettled) {
  OffsetTracker tracker(0);
  ASSERT_TRUE(tracker.Track(5));
  ASSERT_TRUE(tracker.Track(100));

  EXPECT_EQ(tracker.ack_floor(), 5);
  ASSERT_TRUE(tracker.Ack(5));

  EXPECT_EQ(tracker.TakeCommittable(), 100);
}

TEST(OffsetTrackerTest, WhenAllIsAckedTheFloorIsOnePastTheLast) {
  OffsetTracker tracker(0);
  ASSERT_TRUE(tracker.Track(3));

  ASSERT_TRUE(tracker.Ack(3));

  EXPECT_EQ(tracker.ack_floor(), 4);
  EXPECT_EQ(tracker.next(), 4);
}

TEST(OffsetTrackerTest, ASecondAckOrOneOfAnUnknownOffsetIsFalse) {
  OffsetTracker tracker(0);
  for (const std::int64_t offset : {1, 2, 4}) ASSERT_TRUE(tracker.Track(offset));
  ASSERT_TRUE(tracker.Ack(2));

  EXPECT_FALSE(tracker.Ack(2)) << "acked above the floor";
  ASSERT_TRUE(tracker.Ack(1));
  EXPECT_FALSE(tracker.Ack(1)) << "below the floor";
  EXPECT_FALSE(tracker.Ack(3)) << "a gap";
  EXPECT_FALSE(tracker.Ack(5)) << "not tracked yet";
  EXPECT_EQ(tracker.in_flight(), 1u);
}

TEST(OffsetTrackerTest, ARecordThatIsFetchedTwiceIsTrackedOnce) {
  OffsetTracker tracker(5);
  ASSERT_TRUE(tracker.Track(6));

  EXPECT_FALSE(tracker.Track(6));
  EXPECT_FALSE(tracker.Track(5)) << "below one that was tracked";
  EXPECT_FALSE(tracker.Track(4)) << "below the start";

  EXPECT_EQ(tracker.in_flight(), 1u);
  EXPECT_EQ(tracker.next(), 7);
}

TEST(OffsetTrackerTest, APositionIsOfferedOnceAndAgainWhenItsCommitFailed) {
  OffsetTracker tracker(0);
  ASSERT_TRUE(tracker.Track(0));
  ASSERT_TRUE(tracker.Ack(0));

  EXPECT_EQ(tracker.TakeCommittable(), 1);
  EXPECT_EQ(tracker.TakeCommittable(), std::nullopt);
  tracker.CommitFailed(0);
  EXPECT_EQ(tracker.TakeCommittable(), 1);
}

TEST(OffsetTrackerTest, WhatIsSkippedIsSettledButNotWhatIsInFlight) {
  OffsetTracker tracker(0);
  ASSERT_TRUE(tracker.Track(3));

  tracker.SkipTo(10);
  EXPECT_EQ(tracker.ack_floor(), 3);
  ASSERT_TRUE(tracker.Ack(3));
  EXPECT_EQ(tracker.ack_floor(), 10);

  tracker.SkipTo(5);
  EXPECT_EQ(tracker.ack_floor(), 10) << "never back";
}

TEST(OffsetTrackerTest, OneRecordThatIsNeverAckedDoesNotMakeItGrow) {
  OffsetTracker tracker(0);
  ASSERT_TRUE(tracker.Track(0));
  for (std::int64_t offset = 1; offset < 100'000; ++offset) {
    ASSERT_TRUE(tracker.Track(offset));
    ASSERT_TRUE(tracker.Ack(offset));
    ASSERT_LE(tracker.entries(), 65u);
  }

  EXPECT_EQ(tracker.ack_floor(), 0);
  EXPECT_FALSE(tracker.Ack(500)) << "forgotten is acked";
  EXPECT_TRUE(tracker.Ack(0));
  EXPECT_EQ(tracker.ack_floor(), 100'000);
}

using Runs = std::vector<OffsetRun>;

TEST(OffsetTrackerTest, WhatIsAckedAboveTheFloorIsCommittedToo) {
  OffsetTracker tracker(10);
  for (const std::int64_t offset : {10, 11, 12, 14, 15, 16}) ASSERT_TRUE(tracker.Track(offset));
  ASSERT_EQ(tracker.TakeCommittable(), std::nullopt) << "nothing is settled yet";
  for (const std::int64_t offset : {10, 11, 14, 15}) ASSERT_TRUE(tracker.Ack(offset));

  EXPECT_EQ(tracker.TakeCommittable(), 12);
  EXPECT_EQ(tracker.sparse_acks(), (Runs{{13, 16}})) << "a compaction gap is settled";

  EXPECT_EQ(tracker.TakeCommittable(), std::nullopt);
  ASSERT_TRUE(tracker.Ack(16));
  EXPECT_EQ(tracker.TakeCommittable(), 12) << "only the sparse acks changed";
  EXPECT_EQ(tracker.sparse_acks(), (Runs{{13, 17}}));
}

TEST(OffsetTrackerTest, WhatAnEarlierReaderSettledIsNotInFlightAgain) {
  OffsetTracker tracker(10, {{12, 14}, {17, 18}});

  EXPECT_EQ(tracker.sparse_acks(), (Runs{{12, 14}, {17, 18}}));
  EXPECT_TRUE(tracker.Track(10));
  EXPECT_TRUE(tracker.Track(11));
  EXPECT_FALSE(tracker.Track(12));
  EXPECT_FALSE(tracker.Track(13));
  EXPECT_TRUE(tracker.Track(15)) << "14 was compacted away";
  EXPECT_EQ(tracker.sparse_acks(), (Runs{{12, 15}, {17, 18}}));
  ASSERT_TRUE(tracker.Ack(10));
  ASSERT_TRUE(tracker.Ack(11));
  EXPECT_EQ(tracker.ack_floor(), 15);
  ASSERT_TRUE(tracker.Ack(15));
  EXPECT_EQ(tracker.ack_floor(), 16);
  EXPECT_TRUE(tracker.Track(16));
  ASSERT_TRUE(tracker.Ack(16));
  EXPECT_EQ(tracker.ack_floor(), 18) << "17 is settled";
  EXPECT_EQ(tracker.TakeCommittable(), 18);
  EXPECT_FALSE(tracker.Track(17));
  EXPECT_TRUE(tracker.Track(18));
  EXPECT_EQ(tracker.sparse_acks(), Runs());
}

TEST(OffsetTrackerTest, RetentionMayOvertakeWhatAnEarlierReaderSettled) {
  OffsetTracker tracker(10, {{12, 14}, {20, 30}});

  tracker.SkipTo(25);

  EXPECT_EQ(tracker.ack_floor(), 30);
  EXPECT_EQ(tracker.sparse_acks(), Runs());
}

// Two readers, one after the other: what the first committed is what the second does not get.
TEST(OffsetTrackerTest, AReaderThatTakesOverGetsExactlyWhatWasNotSettled) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto below = [&random](std::uint32_t n) {
      return static_cast<std::int64_t>(random() % n);
    };
    std::vector<std::int64_t> log;
    for (std::int64_t offset = 0; offset < 400; ++offset) {
      if (below(10) != 0) log.push_back(offset);
    }
    std::set<std::int64_t> settled;
    std::int64_t position = 0;
    Runs sparse;
    for (int reader = 0; reader < 6; ++reader) {
      OffsetTracker tracker(position, sparse);
      const std::int64_t reads_to = std::min<std::int64_t>(position + 20 + below(150), 400);
      for (const std::int64_t offset : log) {
        if (offset < position || offset >= reads_to) continue;
        ASSERT_EQ(tracker.Track(offset), !settled.contains(offset)) << offset;
      }
      for (const std::int64_t offset : log) {
        if (below(3) == 0 && tracker.Ack(offset)) settled.insert(offset);
      }
      position = tracker.ack_floor();
      sparse = tracker.sparse_acks();
      ASSERT_TRUE(sparse.empty() || sparse.front().first > position);
      for (const std::int64_t offset : log) {
        const bool covered =
            offset < position || std::any_of(sparse.begin(), sparse.end(), [&](const auto& run) {
              return run.first <= offset && offset < run.end;
            });
        ASSERT_EQ(covered, settled.contains(offset)) << offset;
      }
    }
  }
}

TEST(OffsetTrackerTest, SkippingTellsHowManyOffsetsNobodyHadSettled) {
  OffsetTracker tracker(10, {{12, 14}, {18, 30}});
  ASSERT_TRUE(tracker.Track(10));

  EXPECT_EQ(tracker.SkipTo(20), 5u) << "11, 14 to 17";
  EXPECT_EQ(tracker.SkipTo(15), 0u) << "not back";
  EXPECT_EQ(tracker.next(), 20);
  EXPECT_EQ(tracker.ack_floor(), 10);
  EXPECT_EQ(tracker.SkipTo(33), 3u) << "30 to 32";
}

// Beside a model that cannot be wrong: the set of what was tracked and not acked.
TEST(OffsetTrackerTest, DoesWhatTheModelDoes) {
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto below = [&random](int n) { return static_cast<std::int64_t>(random()) % n; };
    std::int64_t next = below(1000);
    OffsetTracker tracker(next);
    std::set<std::int64_t> unacked;
    std::int64_t committed = next;
    std::int64_t taken = next;
    bool acked = false;
    // Some seeds ack little, some nearly everything but a few stuck ones.
    const std::int64_t acks = 1 + below(8);

    for (int step = 0; step < 2000; ++step) {
      const std::int64_t what = below(10);
      if (what < 4) {
        const std::int64_t offset = next - 2 + below(5);
        ASSERT_EQ(tracker.Track(offset), offset >= next);
        if (offset >= next) {
          unacked.insert(offset);
          next = offset + 1;
        }
      } else if (what < 9) {
        for (std::int64_t i = 0; i < acks; ++i) {
          const std::int64_t offset = next - below(200);
          if (offset % 50 == 0 && below(20) != 0) continue;
          const bool was_unacked = unacked.erase(offset) == 1;
          ASSERT_EQ(tracker.Ack(offset), was_unacked) << offset;
          acked |= was_unacked;
        }
      } else if (below(4) == 0) {
        tracker.CommitFailed(committed);
        taken = committed;
        acked = true;
      }
      const std::int64_t floor = unacked.empty() ? next : *unacked.begin();
      ASSERT_EQ(tracker.ack_floor(), floor);
      ASSERT_EQ(tracker.next(), next);
      ASSERT_EQ(tracker.in_flight(), unacked.size());
      ASSERT_LE(tracker.entries(), 2 * unacked.size() + 64);
      if (below(3) == 0) {
        ASSERT_EQ(tracker.TakeCommittable(),
                  floor == taken && !acked ? std::nullopt : std::optional<std::int64_t>(floor));
        taken = floor;
        acked = false;
        if (below(2) == 0) committed = floor;
      }
    }
  }
}

}  // namespace
}  // namespace sidebus
