#include "server/base/lru_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::IsNull;
using ::testing::NotNull;
using ::testing::Pointee;

using Map = LruMap<std::string, int, std::hash<std::string_view>>;

TEST(LruMapTest, FindsWhatWasPutIn) {
  Map map(10, 1000);
  map.Put("a", 1, 10);

  EXPECT_THAT(map.Find("a"), Pointee(1));
  EXPECT_THAT(map.Find(std::string_view("b")), IsNull());
  EXPECT_THAT(map.size(), Eq(1u));
  EXPECT_THAT(map.bytes(), Eq(10u));
}

TEST(LruMapTest, ForgetsWhatWasNotUsedForTheLongestTimeBeyondTheEntries) {
  Map map(3, 1000);
  map.Put("a", 1, 1);
  map.Put("b", 2, 1);
  map.Put("c", 3, 1);

  map.Find("a");
  EXPECT_THAT(map.Put("d", 4, 1), ElementsAre(2));

  EXPECT_THAT(map.Peek("a"), Pointee(1));
  EXPECT_THAT(map.Peek("b"), IsNull());
}

TEST(LruMapTest, ForgetsAsManyAsTheBytesTakeTheOldestFirst) {
  Map map(100, 100);
  map.Put("a", 1, 40);
  map.Put("b", 2, 40);
  map.Put("c", 3, 20);

  EXPECT_THAT(map.Put("d", 4, 70), ElementsAre(1, 2));

  EXPECT_THAT(map.bytes(), Eq(90u));
  EXPECT_THAT(map.Peek("c"), NotNull());
}

TEST(LruMapTest, LookingIsNoUse) {
  Map map(2, 1000);
  map.Put("a", 1, 1);
  map.Put("b", 2, 1);

  map.Peek("a");

  EXPECT_THAT(map.Put("c", 3, 1), ElementsAre(1));
}

TEST(LruMapTest, TheNewestStaysHoweverLargeItIs) {
  Map map(10, 100);
  map.Put("a", 1, 10);

  EXPECT_THAT(map.Put("b", 2, 1000), ElementsAre(1));
  EXPECT_THAT(map.Find("b"), Pointee(2));
  EXPECT_THAT(map.Put("c", 3, 10), ElementsAre(2));
  EXPECT_THAT(map.bytes(), Eq(10u));
}

TEST(LruMapTest, AKeyHasOneValueAndItsBytesCountOnce) {
  Map map(10, 100);
  map.Put("a", 1, 60);

  EXPECT_THAT(map.Put("a", 2, 70), ElementsAre(1));

  EXPECT_THAT(map.Find("a"), Pointee(2));
  EXPECT_THAT(map.size(), Eq(1u));
  EXPECT_THAT(map.bytes(), Eq(70u));
}

TEST(LruMapTest, WhatIsErasedIsGoneWithItsBytes) {
  Map map(10, 100);
  map.Put("a", 1, 60);

  EXPECT_TRUE(map.Erase("a"));
  EXPECT_FALSE(map.Erase("a"));

  EXPECT_THAT(map.Find("a"), IsNull());
  EXPECT_THAT(map.bytes(), Eq(0u));
  EXPECT_THAT(map.Put("b", 2, 100), IsEmpty());
}

TEST(LruMapTest, AValueStaysWhereItIsWhileOthersComeAndGo) {
  LruMap<int, std::unique_ptr<int>> map(1000, 1'000'000);
  map.Put(0, std::make_unique<int>(7), 1);
  const std::unique_ptr<int>* const there = map.Find(0);

  for (int i = 1; i < 500; ++i) map.Put(i, nullptr, 1);
  for (int i = 1; i < 500; ++i) map.Erase(i);

  EXPECT_THAT(map.Find(0), Eq(there));
  EXPECT_THAT(**there, Eq(7));
}

}  // namespace
}  // namespace sidebus
