// What is in a dead-letter topic.

#include <gmock/gmock.h>

#include "tests/server/operate/redrive_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ListLettersTest : public RedriveTest {
 protected:
  // The data of what is listed.
  std::vector<std::string> Listed(ListLettersOrder order) {
    std::vector<std::string> data;
    const auto letters = List(std::move(order));
    EXPECT_TRUE(letters.ok()) << letters.status();
    if (!letters.ok()) return data;
    for (const ListedLetter& one : *letters) data.push_back(one.event.data.value_or(""));
    return data;
  }

  static ListLettersOrder Most(std::uint32_t limit) {
    return {.dead_letter_topic = "", .event_types = {}, .limit = limit};
  }
};

TEST_F(ListLettersTest, LettersAreListedWithWhatIsSaidOfThem) {
  Letter("a");
  Pass(seconds(1));
  Letter("x", "invoice", "t-orders", 1);
  broker_.Append(kLettersTopic, 0, Record{"k", "no letter", {{"ce_type", "order"}}});

  const auto all = List({});
  const auto invoices = List({.dead_letter_topic = "", .event_types = {"invoice"}});
  const auto one = List({.dead_letter_topic = "", .event_types = {}, .limit = 1});

  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_THAT(*all, SizeIs(2));
  const ListedLetter& a = (*all)[0];
  EXPECT_EQ(a.event.data, "a");
  EXPECT_THAT(a.event.headers, IsEmpty());
  EXPECT_EQ(a.position, (Position{kLetters, 0, 0}));
  EXPECT_EQ(a.note.origin, (Position{"orders", 0, 7}));
  EXPECT_EQ(a.note.group, "g");
  EXPECT_EQ(a.note.detail, "why a");
  EXPECT_EQ((*all)[1].event.data, "x");
  ASSERT_THAT(*invoices, SizeIs(1));
  EXPECT_EQ((*invoices)[0].event.data, "x");
  EXPECT_THAT(*one, SizeIs(1));
  ExpectDone(Redrive({}), 3, 2, 1);
}

TEST_F(ListLettersTest, WhatIsNoEventIsListedWithItsBytes) {
  broker_.Append(kLettersTopic, 0,
                 MakeDeadLetter({"k", "\xff", {}}, {.reason = "UNDECODABLE",
                                                    .detail = "no type",
                                                    .group = "g",
                                                    .origin = {"t-orders", 0, 1}}));

  const auto letters = List({});

  ASSERT_TRUE(letters.ok()) << letters.status();
  ASSERT_THAT(*letters, SizeIs(1));
  EXPECT_EQ((*letters)[0].event.data, "\xff");
  EXPECT_EQ((*letters)[0].event.key, "k");
}

TEST_F(ListLettersTest, TheOldestOfAllPartitionsAreListed) {
  for (int i = 0; i < 9; ++i) {
    Letter(std::to_string(i), "order", "t-orders", i < 5 ? 1 : 0);
    Pass(seconds(1));
  }

  EXPECT_THAT(Listed(Most(3)), ElementsAre("0", "1", "2"));
  EXPECT_THAT(Listed(Most(7)), ElementsAre("0", "1", "2", "3", "4", "5", "6"));
}

TEST_F(ListLettersTest, APartitionIsReadNoFurtherThanItMayHaveOldOnes) {
  for (int i = 0; i < 3000; ++i) Letter("new", "order", "t-orders", 0);
  Pass(seconds(1));
  Letter("newest", "order", "t-orders", 1);

  EXPECT_THAT(Listed(Most(1)), ElementsAre("new"));
  EXPECT_EQ(dead_budget_.used(), 0u);
}

TEST_F(ListLettersTest, ManyLargeOnesAreCutToWhatFitsIntoAnAnswer) {
  for (int i = 0; i < 50; ++i) {
    Letter(std::to_string(10 + i) + std::string(10'000, '.'));
    Pass(milliseconds(100));
  }

  const std::vector<std::string> data = Listed({});

  ASSERT_FALSE(data.empty());
  EXPECT_LT(data.size(), 20u) << "of 160 KiB";
  EXPECT_EQ(data.front().substr(0, 2), "10");
}

TEST_F(ListLettersTest, OneWhoseClientHasGoneStops) {
  for (int i = 0; i < 100; ++i) Letter("a");
  bool answered = false;
  auto stop = operator_->ListDeadLetters({.dead_letter_topic = kLetters, .event_types = {}},
                                         [&](const auto&) { answered = true; });
  while (dead_budget_.used() == 0) {
    time_.RunDue();
    ASSERT_TRUE(broker_.Step());
  }

  stop();
  Pass(seconds(1));

  EXPECT_FALSE(answered);
  EXPECT_EQ(dead_budget_.used(), 0u);
}

TEST_F(ListLettersTest, ABrokerThatGoesAwayInTheMiddleIsSaidToBeDown) {
  for (int i = 0; i < 100; ++i) Letter("a");
  std::optional<absl::StatusOr<std::vector<ListedLetter>>> found;
  operator_->ListDeadLetters({.dead_letter_topic = kLetters, .event_types = {}},
                             [&](auto letters) { found = std::move(letters); });
  while (dead_budget_.used() == 0) {
    time_.RunDue();
    ASSERT_TRUE(broker_.Step());
  }
  broker_.SetReachable(false);

  Pass(seconds(11));

  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(ReasonOf(found->status()), Reason::kBrokerDown);
  EXPECT_EQ(dead_budget_.used(), 0u);
}

}  // namespace
}  // namespace sidebus
