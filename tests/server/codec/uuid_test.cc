#include "server/codec/uuid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace sidebus {
namespace {

using ::testing::Eq;
using ::testing::MatchesRegex;
using ::testing::Ne;
using ::testing::SizeIs;

class FixedClock final : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime(); }
  SystemTime WallNow() const override { return now; }

  SystemTime now{std::chrono::seconds(1767323045)};  // 2026-01-02T03:04:05Z
};

TEST(CanonicalUuidTest, TakesAllThatPythonTakes) {
  const std::string canonical = "01234567-89ab-11ee-8c99-0242ac120002";
  for (const std::string& text : {
           canonical,
           std::string("01234567-89AB-11EE-8C99-0242AC120002"),
           std::string("0123456789ab11ee8c990242ac120002"),
           std::string("{01234567-89ab-11ee-8c99-0242ac120002}"),
           std::string("urn:uuid:01234567-89ab-11ee-8c99-0242ac120002"),
           std::string("0-1-2-3-4-5-6-7-89ab11ee8c990242ac120002"),
       }) {
    EXPECT_THAT(CanonicalUuid(text), Eq(canonical)) << text;
  }
  EXPECT_THAT(CanonicalUuid("ffffffffffffffffffffffffffffffff"),
              Eq("ffffffff-ffff-ffff-ffff-ffffffffffff"));
}

TEST(CanonicalUuidTest, EverythingElseIsNone) {
  for (const std::string_view text :
       {"", "1", "order-7", "01234567-89ab-11ee-8c99-0242ac12000",
        "01234567-89ab-11ee-8c99-0242ac1200022", "g1234567-89ab-11ee-8c99-0242ac120002",
        "01234567-89ab-11ee-8c99-0242ac120002 ", "0123456789_b11ee8c990242ac120002"}) {
    EXPECT_THAT(CanonicalUuid(text), Eq(std::nullopt)) << text;
  }
}

TEST(UuidV1Test, HasTheTimeTheNodeAndTheSequence) {
  const FixedClock clock;
  UuidV1 ids(clock, 0x0242'ac12'0002, 0x0c99);

  // As Python's uuid.UUID(fields=...) makes it of these numbers.
  EXPECT_THAT(ids.Make(), Eq("b282c080-e787-11f0-8c99-0242ac120002"));
  EXPECT_THAT(ids.Make(), Eq("b282c081-e787-11f0-8c99-0242ac120002"));
}

TEST(UuidV1Test, NeverRepeatsWhenTheClockIsPutBack) {
  FixedClock clock;
  UuidV1 ids(clock);
  std::set<std::string> all;

  for (int i = 0; i < 100; ++i) {
    all.insert(ids.Make());
    clock.now -= std::chrono::nanoseconds(100);
  }

  EXPECT_THAT(all, SizeIs(100));
}

TEST(UuidV1Test, TwoProcessesHaveDifferentOnesAtOneTime) {
  const FixedClock clock;

  const std::string one = UuidV1(clock).Make();

  EXPECT_THAT(one, MatchesRegex("b282c080-e787-11f0-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_THAT(UuidV1(clock).Make(), Ne(one));
}

TEST(UuidV1Test, RepeatsNotOnSeveralThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  const FixedClock clock;
  UuidV1 ids(clock);
  std::mutex mu;
  std::set<std::string> all;
  std::vector<std::thread> threads;

  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      std::vector<std::string> mine;
      for (int i = 0; i < kEach; ++i) mine.push_back(ids.Make());
      const std::lock_guard lock(mu);
      all.insert(mine.begin(), mine.end());
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_THAT(all, SizeIs(kThreads * kEach));
}

}  // namespace
}  // namespace sidebus
