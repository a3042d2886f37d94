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

// As they are in a record: a zigzag varint is twice the number, and one less than that below zero.
TEST(RawHeadersTest, AreReadAsARecordHasThem) {
  const std::string bytes(
      "\x06"
      "\x02"
      "a"
      "\x02"
      "1"
      "\x02"
      "b"
      "\x01"
      "\x00"
      "\x00",
      11);

  const auto headers = RawHeaders::Parse(bytes);

  ASSERT_TRUE(headers.has_value());
  EXPECT_THAT(std::vector(headers->begin(), headers->end()),
              ElementsAre(View{"a", "1"}, View{"b", std::nullopt}, View{"", ""}));
  EXPECT_EQ(headers->size(), 3u);
  EXPECT_EQ(headers->bytes(), 3u);
}

TEST(RawHeadersTest, ReadOnesEqualThoseThatWereAdded) {
  RawHeaders added;
  std::string bytes = "\x08";
  for (const std::size_t size : {0u, 63u, 64u, 8192u}) {
    const std::string value(size, 'v');
    added.Add("name", value);
    bytes +=
        "\x08"
        "name";
    for (std::size_t left = 2 * size; true; left >>= 7) {
      bytes.push_back(static_cast<char>(left > 127 ? left | 128 : left));
      if (left <= 127) break;
    }
    bytes += value;
  }

  EXPECT_EQ(RawHeaders::Parse(bytes), added);
}

TEST(RawHeadersTest, WhatFollowsTheLastHeaderIsLeftOut) {
  const auto headers =
      RawHeaders::Parse(std::string("\x02\x02"
                                    "a"
                                    "\x02"
                                    "1"
                                    "more"));

  ASSERT_TRUE(headers.has_value());
  EXPECT_THAT(std::vector(headers->begin(), headers->end()), ElementsAre(View{"a", "1"}));
}

TEST(RawHeadersTest, LengthsMayBeWrittenLongerThanTheyNeedBe) {
  const auto headers =
      RawHeaders::Parse(std::string("\x02\x82\x00"
                                    "a"
                                    "\x82\x80\x00"
                                    "1",
                                    8));

  ASSERT_TRUE(headers.has_value());
  EXPECT_THAT(std::vector(headers->begin(), headers->end()), ElementsAre(View{"a", "1"}));
}

TEST(RawHeadersTest, ThereIsABoundOnHowManyAreRead) {
  const std::string nothing(2 * 100'001, '\0');  // a header of two bytes is empty

  EXPECT_EQ(RawHeaders::Parse("\xc0\x9a\x0c" + nothing)->size(), 100'000u);
  EXPECT_EQ(RawHeaders::Parse("\xc2\x9a\x0c" + nothing), std::nullopt);
}

TEST(RawHeadersTest, NoneAreReadFromAnEmptyList) {
  EXPECT_EQ(RawHeaders::Parse(std::string(1, '\0')), RawHeaders());
}

TEST(RawHeadersTest, OtherBytesAreNone) {
  const std::string whole(
      "\x04"
      "\x02"
      "a"
      "\x02"
      "1"
      "\x04"
      "bc"
      "\x04"
      "23",
      11);
  ASSERT_TRUE(RawHeaders::Parse(whole).has_value());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(RawHeaders::Parse(whole.substr(0, size)), std::nullopt) << "cut at " << size;
  }
  const std::string_view kNoHeaders[] = {
      "\x01",      // -1 of them
      "\x02\x01",  // a name that is null
      "\x02\x02"
      "a"
      "\x03",  // a value of -2 bytes
      "\x02\x02"
      "a"
      "\xfe\xff\xff\xff\x0f",                          // one of 2 GiB
      "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  // a length of 64 bits
      "\xfe\xff\xff\xff\x0f",                          // 2^31 - 1 of them
      "\x80\x80\x80\x80\x80\x80",
  };
  for (const std::string_view bytes : kNoHeaders) {
    EXPECT_EQ(RawHeaders::Parse(bytes), std::nullopt) << testing::PrintToString(bytes);
  }
}

TEST(RawRecordTest, ARecordGoesThereAndBack) {
  const Record record{"key", std::nullopt, {{"a", "1"}, {"a", std::nullopt}, {"", ""}}};

  const RawRecord raw = RawRecordOf(record);

  EXPECT_EQ(RecordOf(raw), record);
  EXPECT_EQ(SizeOf(raw), SizeOf(record));
}

}  // namespace
}  // namespace sidebus
