#include "server/base/memory_budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sidebus {
namespace {

TEST(MemoryBudgetTest, GivesUpToTheLimitAndNotAByteMore) {
  MemoryBudget budget(100);

  EXPECT_TRUE(budget.TryTake(60));
  EXPECT_FALSE(budget.TryTake(41));
  EXPECT_TRUE(budget.TryTake(40));
  EXPECT_EQ(budget.used(), 100u);
}

TEST(MemoryBudgetTest, WhatIsReturnedCanBeTakenAgain) {
  MemoryBudget budget(100);
  ASSERT_TRUE(budget.TryTake(100));

  budget.Return(30);

  EXPECT_TRUE(budget.TryTake(30));
  EXPECT_FALSE(budget.TryTake(1));
}

TEST(MemoryBudgetTest, AHugeAmountIsRefusedWithoutOverflow) {
  MemoryBudget budget(100);
  ASSERT_TRUE(budget.TryTake(1));

  EXPECT_FALSE(budget.TryTake(~std::uint64_t{0}));
  EXPECT_EQ(budget.used(), 1u);
}

TEST(MemoryBudgetTest, WhatWasTakenBeyondTheLimitBlocksOthersUntilItIsReturned) {
  MemoryBudget budget(100);

  budget.Take(150);

  EXPECT_FALSE(budget.TryTake(1));
  budget.Return(150);
  EXPECT_TRUE(budget.TryTake(100));
}

TEST(MemoryBudgetTest, ManyThreadsNeverTakeMoreThanTheLimitTogether) {
  MemoryBudget budget(1000);
  std::atomic<std::uint64_t> held{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20000; ++round) {
        if (!budget.TryTake(300)) continue;
        if (held.fetch_add(300) + 300 > 1000) over = true;
        held.fetch_sub(300);
        budget.Return(300);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_FALSE(over);
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace sidebus
