#include "server/event/raw_headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using testing::ElementsAre;
using View = RawHeaders::View;

TEST(RawHeadersTest, ComeOutInTheirOrderWithDuplicatesAndNulls) {
  const std::string binary("\0\xff", 2);
  RawHeaders headers;
  headers.Add("b", "1");
  headers.Add("a", std::nullopt);
  headers.Add("b", "");
  headers.Add("", binary);

  EXPECT_THAT(
      std::vector(headers.begin(), headers.end()),
      ElementsAre(View{"b", "1"}, View{"a", std::nullopt}, View{"b", ""}, View{"", binary}));
  EXPECT_EQ(headers.size(), 4u);
  EXPECT_EQ(headers.bytes(), 6u);
}

TEST(RawHeadersTest, NoneAreEmpty) {
  const RawHeaders headers;

  EXPECT_TRUE(headers.empty());
  EXPECT_EQ(headers.begin(), headers.end());
  EXPECT_EQ(headers.bytes(), 0u);
}

TEST(RawHeadersTest, RoomThatWasReservedIsEnough) {
  RawHeaders headers;
  headers.Reserve(2, 9);
  const std::size_t reserved = headers.memory();
  headers.Add("name", "value");
  headers.Add("", std::nullopt);

  EXPECT_EQ(headers.memory(), reserved);
}

TEST(RawRecordTest, ARecordGoesThereAndBack) {
  const Record record{"key", std::nullopt, {{"a", "1"}, {"a", std::nullopt}, {"", ""}}};

  const RawRecord raw = RawRecordOf(record);

  EXPECT_EQ(RecordOf(raw), record);
  EXPECT_EQ(SizeOf(raw), SizeOf(record));
}

}  // namespace
}  // namespace sidebus
