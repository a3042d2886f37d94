#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "server/codec/cloudevents.h"

namespace sidebus {
namespace {

using ::testing::MatchesRegex;
using ::testing::SizeIs;

TEST(RandomUuidTest, IsAVersion4UuidInLowerCase) {
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = RandomUuid();
    ASSERT_THAT(uuid, SizeIs(36));
    ASSERT_THAT(uuid, MatchesRegex("[0-9a-f]+-[0-9a-f]+-4[0-9a-f]+-[89ab][0-9a-f]+-[0-9a-f]+"));
    for (const std::size_t hyphen : {8u, 13u, 18u, 23u}) ASSERT_EQ(uuid[hyphen], '-');
  }
}

TEST(RandomUuidTest, RepeatsNeitherOnOneThreadNorOnSeveral) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::mutex mu;
  std::set<std::string> all;
  std::vector<std::thread> threads;

  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      std::vector<std::string> mine;
      for (int i = 0; i < kEach; ++i) mine.push_back(RandomUuid());
      const std::lock_guard lock(mu);
      all.insert(mine.begin(), mine.end());
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_THAT(all, SizeIs(kThreads * kEach));
}

TEST(RandomUuidTest, EveryDigitTakesEveryValue) {
  std::vector<std::set<char>> seen(36);
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = RandomUuid();
    for (std::size_t at = 0; at < uuid.size(); ++at) seen[at].insert(uuid[at]);
  }

  for (std::size_t at = 0; at < seen.size(); ++at) {
    const bool hyphen = at == 8 || at == 13 || at == 18 || at == 23;
    const std::size_t values = hyphen || at == 14 ? 1 : at == 19 ? 4 : 16;
    EXPECT_THAT(seen[at], SizeIs(values)) << at;
  }
}

}  // namespace
}  // namespace sidebus
