#include "server/subscribe/key_lanes.h"

#include <gmock/gmock.h>

#include <list>
#include <map>
#include <random>

namespace sidebus {
namespace {

class KeyLanesTest : public testing::Test {
 protected:
  BufferedRecord& Make() {
    BufferedRecord& record = pool_.Make();
    record.number = ++last_;
    return record;
  }
  RecordPool pool_;
  std::uint64_t last_ = 0;
};

TEST_F(KeyLanesTest, RecordsOfOneKeyFormALine) {
  KeyLanes lanes(Ordering::kByKey);
  BufferedRecord& a = Make();
  BufferedRecord& b = Make();
  BufferedRecord& c = Make();

  EXPECT_TRUE(lanes.Add(a, "k"));
  EXPECT_FALSE(lanes.Add(b, "k"));
  EXPECT_TRUE(lanes.Add(c, "other"));

  EXPECT_EQ(lanes.Remove(a), &b);
  EXPECT_EQ(lanes.Remove(b), nullptr);
  EXPECT_EQ(lanes.Remove(c), nullptr);
  EXPECT_EQ(lanes.size(), 0u);
}

TEST_F(KeyLanesTest, AnEmptyKeyIsAKeyAndNoKeyIsNone) {
  KeyLanes lanes(Ordering::kByKey);

  EXPECT_TRUE(lanes.Add(Make(), ""));
  EXPECT_FALSE(lanes.Add(Make(), ""));
  EXPECT_TRUE(lanes.Add(Make(), std::nullopt));
  EXPECT_TRUE(lanes.Add(Make(), std::nullopt));
}

TEST_F(KeyLanesTest, ByPartitionKeysDoNotMatter) {
  KeyLanes lanes(Ordering::kByPartition);

  EXPECT_TRUE(lanes.Add(Make(), "a"));
  EXPECT_FALSE(lanes.Add(Make(), "b"));
  EXPECT_FALSE(lanes.Add(Make(), std::nullopt));
}

TEST_F(KeyLanesTest, UnorderedNothingWaits) {
  KeyLanes lanes(Ordering::kUnordered);

  EXPECT_TRUE(lanes.Add(Make(), "a"));
  EXPECT_TRUE(lanes.Add(Make(), "a"));
}

TEST_F(KeyLanesTest, AKeyThatComesBackAfterItsLaneWasEmptyStartsAnew) {
  KeyLanes lanes(Ordering::kByKey);
  for (int i = 0; i < 3; ++i) {
    BufferedRecord& record = Make();
    EXPECT_TRUE(lanes.Add(record, "k" + std::to_string(i % 2)));
    EXPECT_EQ(lanes.Remove(record), nullptr);
  }
}

// Random operations beside a model that cannot be wrong: a map from key to list.
class KeyLanesModelTest : public KeyLanesTest, public testing::WithParamInterface<Ordering> {};

TEST_P(KeyLanesModelTest, DoesWhatTheModelDoes) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    KeyLanes lanes(GetParam());
    std::map<std::string, std::list<BufferedRecord*>> model;
    std::map<BufferedRecord*, std::string> lane_of;
    const auto model_lane = [&](const std::optional<std::string>& key) {
      if (GetParam() == Ordering::kByPartition) return std::string("all");
      if (GetParam() == Ordering::kByKey && key.has_value()) return "k" + *key;
      return "alone" + std::to_string(last_);
    };

    for (int step = 0; step < 1000; ++step) {
      if (random() % 2 == 0 || lane_of.empty()) {
        std::optional<std::string> key = std::to_string(random() % 10);
        if (*key == "0") key.reset();
        BufferedRecord& record = Make();
        const std::string lane = model_lane(key);
        model[lane].push_back(&record);
        lane_of[&record] = lane;
        ASSERT_EQ(lanes.Add(record, key), model[lane].front() == &record);
      } else {
        auto chosen = lane_of.begin();
        std::advance(chosen, static_cast<std::ptrdiff_t>(random() % lane_of.size()));
        auto& line = model[chosen->second];
        BufferedRecord& record = *chosen->first;
        ASSERT_EQ(KeyLanes::IsFirst(record), line.front() == &record);
        if (random() % 20 == 0) {
          lanes.Forget(record);
          line.remove(&record);
        } else if (line.front() == &record) {
          line.pop_front();
          ASSERT_EQ(lanes.Remove(record), line.empty() ? nullptr : line.front());
        } else {
          continue;
        }
        lane_of.erase(chosen);
        pool_.Free(record);
      }
    }

    std::size_t lines = 0;
    for (const auto& [lane, line] : model) {
      if (!line.empty() && !lane.starts_with("alone")) ++lines;
    }
    ASSERT_EQ(lanes.size(), lines);
    for (const auto& [record, lane] : lane_of) lanes.Forget(*record);
    EXPECT_EQ(lanes.size(), 0u);
  }
}

std::string NameOf(const testing::TestParamInfo<Ordering>& test) {
  if (test.param == Ordering::kByKey) return "ByKey";
  return test.param == Ordering::kByPartition ? "ByPartition" : "Unordered";
}

INSTANTIATE_TEST_SUITE_P(Orderings, KeyLanesModelTest,
                         testing::Values(Ordering::kByKey, Ordering::kByPartition,
                                         Ordering::kUnordered),
                         NameOf);

}  // namespace
}  // namespace sidebus
