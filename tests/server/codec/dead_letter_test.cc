#include "server/codec/dead_letter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::Eq;
using testing::Optional;

const SystemTime kFriday = SystemTime(std::chrono::seconds(1'000'000'000));

DeadLetterNote Note() {
  DeadLetterNote note;
  note.reason = NameOf(DeadReason::kExhausted);
  note.detail = "no such customer";
  note.group = "billing";
  note.attempts = 5;
  note.origin = {"dev-orders", 3, 42};
  note.timestamp = kFriday;
  note.first_failure = kFriday + std::chrono::milliseconds(1500);
  note.time = kFriday + std::chrono::minutes(1);
  return note;
}

// With what no event may have: duplicates, nulls, empty and binary names and values.
Record Odd() {
  return {std::string("\0k", 2),
          std::string("\xff\0", 2),
          {{"b", "1"}, {"a", std::nullopt}, {"b", "2"}, {"", ""}, {"\xfe", std::string("\0", 1)}}};
}

TEST(DeadLetterTest, KeepsTheRecordAndSaysWhyAndWhere) {
  const Record letter = MakeDeadLetter(Odd(), Note());

  EXPECT_EQ(letter.key, Odd().key);
  EXPECT_EQ(letter.value, Odd().value);
  std::vector<Header> expected = Odd().headers;
  for (const Header& header :
       {Header{"sidebus-dead-reason", "EXHAUSTED"},
        Header{"sidebus-dead-detail", "no such customer"}, Header{"sidebus-dead-group", "billing"},
        Header{"sidebus-dead-attempts", "5"}, Header{"sidebus-dead-topic", "dev-orders"},
        Header{"sidebus-dead-partition", "3"}, Header{"sidebus-dead-offset", "42"},
        Header{"sidebus-dead-timestamp", "2001-09-09T01:46:40Z"},
        Header{"sidebus-dead-first-failure", "2001-09-09T01:46:41.500Z"},
        Header{"sidebus-dead-time", "2001-09-09T01:47:40Z"}}) {
    expected.push_back(header);
  }
  EXPECT_THAT(letter.headers, ElementsAreArray(expected));
}

TEST(DeadLetterTest, ReplacesWhatAnEarlierHopSaid) {
  DeadLetterNote second = Note();
  second.group = "audit";
  second.origin.topic = "dev-orders.billing.dead";

  const Record twice = MakeDeadLetter(MakeDeadLetter(Odd(), Note()), second);

  EXPECT_EQ(twice, MakeDeadLetter(Odd(), second));
}

TEST(DeadLetterTest, ItsNoteIsReadBack) {
  EXPECT_THAT(ReadDeadLetterNote(RawRecordOf(MakeDeadLetter(Odd(), Note())).headers),
              Optional(Note()));
}

TEST(DeadLetterTest, TruncatedHasNoDetail) {
  DeadLetterNote note = Note();
  note.truncated = true;

  const Record letter = MakeDeadLetter(Odd(), note);

  note.detail.clear();
  EXPECT_THAT(ReadDeadLetterNote(RawRecordOf(letter).headers), Optional(note));
}

TEST(DeadLetterTest, ALongDetailIsCut) {
  DeadLetterNote note = Note();
  note.detail = std::string(3000, 'x');

  const auto read = ReadDeadLetterNote(RawRecordOf(MakeDeadLetter({}, note)).headers);

  EXPECT_EQ(read->detail, std::string(1024, 'x'));
}

TEST(DeadLetterTest, AnyOtherRecordHasNoNote) {
  EXPECT_EQ(ReadDeadLetterNote(RawRecordOf(Odd()).headers), std::nullopt);
}

TEST(DeadLetterTest, WhatOthersWroteIntoItsHeadersIsReadAsFarAsItGoes) {
  RawHeaders headers;
  headers.Add("sidebus-dead-reason", std::nullopt);
  headers.Add("sidebus-dead-attempts", "many");
  headers.Add("sidebus-dead-partition", "99999999999999");
  headers.Add("sidebus-dead-offset", "-7");
  headers.Add("sidebus-dead-time", "9999-01-01T00:00:00Z");
  headers.Add("sidebus-dead-timestamp", "yesterday");

  DeadLetterNote expected;
  expected.origin.offset = -7;
  EXPECT_THAT(ReadDeadLetterNote(headers), Optional(expected));
}

TEST(RedrivenTest, IsTheRecordAsItWasForOneGroup) {
  const RawRecord letter = RawRecordOf(MakeDeadLetter(Odd(), Note()));

  const Record redriven = MakeRedriven(letter, "billing");

  Record expected = Odd();
  expected.headers.push_back({"sidebus-redrive-group", "billing"});
  EXPECT_EQ(redriven, expected);
  EXPECT_THAT(RedriveGroupOf(RawRecordOf(redriven).headers), Optional(Eq("billing")));
  EXPECT_EQ(RedriveGroupOf(letter.headers), std::nullopt);
}

TEST(RedrivenTest, ASecondTimeNamesItsGroupOnce) {
  const Record first = MakeRedriven(RawRecordOf(Odd()), "billing");

  EXPECT_EQ(MakeRedriven(RawRecordOf(first), "billing"), first);
}

}  // namespace
}  // namespace sidebus
