#include "server/broker/sparse_acks.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sidebus {
namespace {

using Runs = std::vector<OffsetRun>;

TEST(SparseAcksTest, TheExampleOfTheFormat) {
  const Runs settled = {{12, 14}, {17, 18}};

  EXPECT_EQ(EncodeSparseAcks(10, settled), "sb1:AgIDAQ");
  EXPECT_EQ(DecodeSparseAcks(10, "sb1:AgIDAQ"), settled);
}

TEST(SparseAcksTest, NothingSettledAboveTheFloorIsNoMetadata) {
  EXPECT_EQ(EncodeSparseAcks(10, {}), "");
  EXPECT_EQ(DecodeSparseAcks(10, ""), Runs());
  EXPECT_EQ(DecodeSparseAcks(10, "sb1:"), Runs());
}

TEST(SparseAcksTest, WhatFollowsASecondColonIsIgnored) {
  EXPECT_EQ(DecodeSparseAcks(10, "sb1:AgIDAQ:whatever:x"), (Runs{{12, 14}, {17, 18}}));
}

constexpr char kId[] = "q1uzbJqNQqmzMSnMGh4uCw";

TEST(SparseAcksTest, TheTopicsIdFollowsASecondColon) {
  const Runs settled = {{12, 14}, {17, 18}};

  EXPECT_EQ(EncodeSparseAcks(10, settled, kId), "sb1:AgIDAQ:q1uzbJqNQqmzMSnMGh4uCw");
  EXPECT_EQ(EncodeSparseAcks(10, {}, kId), "sb1::q1uzbJqNQqmzMSnMGh4uCw");
  EXPECT_EQ(DecodeSparseAcks(10, "sb1:AgIDAQ:q1uzbJqNQqmzMSnMGh4uCw"), settled);
  EXPECT_EQ(DecodeSparseAcks(10, "sb1::q1uzbJqNQqmzMSnMGh4uCw"), Runs());
}

TEST(SparseAcksTest, WhatIsNoIdIsNone) {
  EXPECT_EQ(TopicIdOf("sb1::q1uzbJqNQqmzMSnMGh4uCw"), kId);
  EXPECT_EQ(TopicIdOf("sb1:AgIDAQ:q1uzbJqNQqmzMSnMGh4uCw:more:x"), kId);
  for (const char* metadata : {"", "text", "sb1:", "sb1:AgIDAQ", "sb1:AgIDAQ:", "sb1:AgIDAQ:short",
                               "sb1::q1uzbJqNQqmzMSnMGh4uCw=", "sb1::q1uzbJqNQqmzMSnMGh4u w",
                               "sb2::q1uzbJqNQqmzMSnMGh4uCw", "q1uzbJqNQqmzMSnMGh4uCw"}) {
    EXPECT_EQ(TopicIdOf(metadata), "") << metadata;
  }
}

TEST(SparseAcksTest, LargeGapsAndRuns) {
  const std::int64_t far = std::int64_t{1} << 62;
  const Runs settled = {{1, 2}, {300, 70'000}, {far, far + 5}};

  EXPECT_EQ(DecodeSparseAcks(0, EncodeSparseAcks(0, settled)), settled);
}

TEST(SparseAcksTest, ForeignOrDamagedMetadataIsNone) {
  const std::vector<std::string> bad = {
      "some other consumer's text",
      "sb2:AgIDAQ",
      "SB1:AgIDAQ",
      "sb1:****",
      "sb1:A",                       // no whole byte
      "sb1:Ag",                      // a gap without a run
      "sb1:AAI",                     // an empty gap: the floor itself settled
      "sb1:AgA",                     // an empty run
      "sb1://///////////////////w",  // over 63 bits
      "sb1:AgL/",                    // ends within a number
      std::string("sb1:\0\0", 6),
  };
  for (const std::string& metadata : bad) {
    EXPECT_EQ(DecodeSparseAcks(10, metadata), std::nullopt) << metadata;
  }
}

TEST(SparseAcksTest, OffsetsNeverOverflow) {
  const std::string far =
      EncodeSparseAcks(0, {{std::int64_t{1} << 62, (std::int64_t{1} << 62) + 1}});

  EXPECT_EQ(DecodeSparseAcks(std::int64_t{1} << 62, far), std::nullopt);
}

TEST(SparseAcksTest, ATopicIdIsTheSameInBothAlphabets) {
  EXPECT_EQ(TopicIdOf("sb1::-_uzbJqNQqmzMSnMGh4uCw"), "+/uzbJqNQqmzMSnMGh4uCw");
  EXPECT_EQ(TopicIdOf("sb1::+/uzbJqNQqmzMSnMGh4uCw"), "+/uzbJqNQqmzMSnMGh4uCw");
}

TEST(SparseAcksTest, WhatDoesNotFitIsLeftOutFromTheEndInWholeRuns) {
  Runs settled;
  for (std::int64_t i = 0; i < 5'000; ++i) settled.push_back({2 * i + 1, 2 * i + 2});

  for (const std::string id : {"", kId}) {
    const std::string metadata = EncodeSparseAcks(0, settled, id);
    const auto read = DecodeSparseAcks(0, metadata);

    EXPECT_LE(metadata.size(), kMaxAckMetadata);
    EXPECT_GT(metadata.size(), kMaxAckMetadata - 4);
    EXPECT_EQ(TopicIdOf(metadata), id);
    ASSERT_TRUE(read.has_value());
    ASSERT_LT(read->size(), settled.size());
    EXPECT_EQ(*read, Runs(settled.begin(), settled.begin() + static_cast<long>(read->size())));
  }
}

TEST(SparseAcksTest, ReadsWhatItWrites) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto upTo = [&random](std::int64_t n) {
      return 1 + static_cast<std::int64_t>(random()) % n;
    };
    const std::int64_t floor = upTo(1'000'000);
    Runs settled;
    std::int64_t at = floor;
    for (std::int64_t i = upTo(300); i > 0; --i) {
      const std::int64_t first = at + upTo(i % 7 == 0 ? 1'000'000 : 3);
      settled.push_back({first, first + upTo(i % 5 == 0 ? 100'000 : 4)});
      at = settled.back().end;
    }

    const std::string id = upTo(2) == 1 ? kId : "";
    const std::string metadata = EncodeSparseAcks(floor, settled, id);
    ASSERT_EQ(DecodeSparseAcks(floor, metadata), settled);
    ASSERT_EQ(TopicIdOf(metadata), id);
  }
}

// Any text gives runs in order above the floor, or none at all.
TEST(SparseAcksTest, NoTextDoesHarm) {
  for (std::uint32_t seed = 1; seed <= 5'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::string text = "sb1:";
    static constexpr std::string_view kLetters = "AAABCgw/+0279:=";
    for (auto i = random() % 30; i > 0; --i) text += kLetters[random() % kLetters.size()];
    const auto runs = DecodeSparseAcks(100, text);
    if (!runs.has_value()) continue;
    std::int64_t at = 100;
    for (const OffsetRun& run : *runs) {
      ASSERT_GT(run.first, at);
      ASSERT_GT(run.end, run.first);
      at = run.end;
    }
  }
}

}  // namespace
}  // namespace sidebus
