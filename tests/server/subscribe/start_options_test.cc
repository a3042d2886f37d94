#include "server/subscribe/start_options.h"

#include <gmock/gmock.h>

#include "server/base/error.h"

namespace sidebus {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::Field;

std::shared_ptr<const Router> MakeRouter() {
  return *Router::Make({{"order", {{"orders", "", true}, {"audit", "", false}}},
                        {"invoice", {{"invoices", "", true}}}},
                       "t");
}

SubscribeStart Orders() {
  SubscribeStart start;
  start.group = "g";
  start.event_types = {"order"};
  return start;
}

EffectiveStart Check(const SubscribeStart& start) {
  auto checked = CheckStart(start, SubscribeOptions(), *MakeRouter());
  EXPECT_TRUE(checked.ok()) << checked.status().ToString();
  return checked.ok() ? *std::move(checked) : EffectiveStart();
}

TEST(StartOptionsTest, TypesResolveToAllTheirTopicsEnabledOrNot) {
  const EffectiveStart start = Check(Orders());

  EXPECT_THAT(start.topics, ElementsAre(TopicInterest{"orders", "t-orders", false, {"order"}},
                                        TopicInterest{"audit", "t-audit", false, {"order"}}));
}

TEST(StartOptionsTest, TopicsNarrowTheTypes) {
  SubscribeStart wanted = Orders();
  wanted.event_types.push_back("order");
  wanted.topics = {"audit", "audit"};

  EXPECT_THAT(Check(wanted).topics,
              ElementsAre(TopicInterest{"audit", "t-audit", false, {"order"}}));
}

TEST(StartOptionsTest, TopicsAloneMeanEveryTypeAlsoOnTopicsWithoutARoute) {
  SubscribeStart wanted;
  wanted.group = "g";
  wanted.topics = {"orders", "unrouted"};

  EXPECT_THAT(Check(wanted).topics, ElementsAre(TopicInterest{"orders", "t-orders", true, {}},
                                                TopicInterest{"unrouted", "t-unrouted", true, {}}));
}

TEST(StartOptionsTest, DefaultsAreTheConfiguredOnes) {
  const SubscribeOptions options;
  const EffectiveStart start = Check(Orders());

  EXPECT_EQ(start.window, options.window);
  EXPECT_EQ(start.lease, options.lease);
  EXPECT_EQ(start.retry, options.retry);
  EXPECT_EQ(start.ordering, Ordering::kByKey);
  EXPECT_EQ(start.start.at, StartPosition::At::kEarliest);
}

TEST(StartOptionsTest, BroadcastBeginsAtTheEndAndSkipsWhatIsExhausted) {
  SubscribeStart wanted = Orders();
  wanted.group = "";

  const EffectiveStart start = Check(wanted);

  EXPECT_EQ(start.start.at, StartPosition::At::kLatest);
  EXPECT_EQ(start.retry.on_exhausted, Exhausted::kSkip);
}

TEST(StartOptionsTest, PositionsGetTheTopicPrefix) {
  SubscribeStart wanted = Orders();
  wanted.group = "";
  wanted.start =
      StartPosition{.at = StartPosition::At::kPositions, .positions = {{"orders", 1, 7}}};

  EXPECT_THAT(Check(wanted).start.positions, ElementsAre(Position{"t-orders", 1, 7}));
}

TEST(StartOptionsTest, LeasesAreClipped) {
  SubscribeStart wanted = Orders();
  wanted.lease = milliseconds(1);
  EXPECT_EQ(Check(wanted).lease, seconds(1));
  wanted.lease = hours(9);
  EXPECT_EQ(Check(wanted).lease, hours(1));
}

TEST(StartOptionsTest, DeadLettersAreTheDefaultWhereTheyAreOn) {
  SubscribeOptions options;
  options.retry.on_exhausted = Exhausted::kDeadLetter;

  const auto start = CheckStart(Orders(), options, *MakeRouter());

  ASSERT_TRUE(start.ok());
  EXPECT_EQ(start->retry.on_exhausted, Exhausted::kDeadLetter);
}

TEST(StartOptionsTest, DeadLettersMayBeAskedForWhereTheyAreOn) {
  SubscribeOptions options;
  options.retry.on_exhausted = Exhausted::kDeadLetter;
  SubscribeStart wanted = Orders();
  wanted.retry.on_exhausted = Exhausted::kDeadLetter;

  EXPECT_TRUE(CheckStart(wanted, options, *MakeRouter()).ok());
}

struct WindowCase {
  std::string name;
  Window wanted;
  Window in_force;
};
class ClipWindowTest : public testing::TestWithParam<WindowCase> {};

TEST_P(ClipWindowTest, Clips) {
  EXPECT_EQ(ClipWindow(GetParam().wanted, {100, 1000}), GetParam().in_force);
}

INSTANTIATE_TEST_SUITE_P(Windows, ClipWindowTest,
                         testing::Values(WindowCase{"Inside", {5, 50}, {5, 50}},
                                         WindowCase{"BothZeroIsPaused", {0, 0}, {0, 0}},
                                         WindowCase{"NoEventsIsTheMaximum", {0, 50}, {100, 50}},
                                         WindowCase{"NoBytesIsTheMaximum", {5, 0}, {5, 1000}},
                                         WindowCase{"TooLarge", {101, 1001}, {100, 1000}}),
                         [](const auto& test) { return test.param.name; });

struct BadStart {
  std::string name;
  void (*spoil)(SubscribeStart&);
  Reason reason;
  std::string key;
  std::string value;
};
class BadStartTest : public testing::TestWithParam<BadStart> {};

TEST_P(BadStartTest, IsRefusedAndTheReasonNamesThePlace) {
  SubscribeStart start = Orders();
  GetParam().spoil(start);

  const auto checked = CheckStart(start, SubscribeOptions(), *MakeRouter());

  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(ReasonOf(checked.status()), GetParam().reason);
  EXPECT_EQ(DetailsOf(checked.status())->metadata.at(GetParam().key), GetParam().value);
}

void ToBroadcastFrom(SubscribeStart& start, Position position) {
  start.group = "";
  start.start = StartPosition{.at = StartPosition::At::kPositions, .positions = {position}};
}

INSTANTIATE_TEST_SUITE_P(
    Starts, BadStartTest,
    testing::Values(
        BadStart{"Nothing", [](auto& s) { s.event_types.clear(); }, Reason::kStartInvalid, "field",
                 "event_types"},
        BadStart{"UnknownType",
                 [](auto& s) {
                   s.event_types = {"order", "nope"};
                 },
                 Reason::kEventTypeUnknown, "event_type", "nope"},
        BadStart{"EmptyType", [](auto& s) { s.event_types = {""}; }, Reason::kEventTypeUnknown,
                 "event_type", ""},
        BadStart{"TypeNotRoutedThere", [](auto& s) { s.topics = {"invoices"}; },
                 Reason::kTopicNotRouted, "event_type", "order"},
        BadStart{"TopicWithNoneOfTheTypes",
                 [](auto& s) {
                   s.topics = {"orders", "invoices"};
                 },
                 Reason::kTopicNotRouted, "topic", "invoices"},
        BadStart{"BadTopicName",
                 [](auto& s) {
                   s.event_types.clear();
                   s.topics = {"a b"};
                 },
                 Reason::kStartInvalid, "field", "topics"},
        BadStart{"EmptyTopicName",
                 [](auto& s) {
                   s.event_types.clear();
                   s.topics = {""};
                 },
                 Reason::kStartInvalid, "field", "topics"},
        BadStart{"LongGroup", [](auto& s) { s.group = std::string(256, 'g'); },
                 Reason::kStartInvalid, "field", "group"},
        BadStart{"BlankGroup", [](auto& s) { s.group = " "; }, Reason::kStartInvalid, "field",
                 "group"},
        BadStart{"GroupThatBeginsWithABlank", [](auto& s) { s.group = " g"; },
                 Reason::kStartInvalid, "field", "group"},
        BadStart{"GroupThatEndsWithABlank", [](auto& s) { s.group = "g "; }, Reason::kStartInvalid,
                 "field", "group"},
        BadStart{"ControlCharacterInGroup", [](auto& s) { s.group = "g\n"; }, Reason::kStartInvalid,
                 "field", "group"},
        BadStart{"ControlCharacterInMember", [](auto& s) { s.member = std::string("\0", 1); },
                 Reason::kStartInvalid, "field", "member"},
        BadStart{"ZeroLease", [](auto& s) { s.lease = Duration(0); }, Reason::kStartInvalid,
                 "field", "lease"},
        BadStart{"NegativeBackoff", [](auto& s) { s.retry.min_backoff = seconds(-1); },
                 Reason::kStartInvalid, "field", "retry.min_backoff"},
        BadStart{"NegativeMaxBackoff", [](auto& s) { s.retry.max_backoff = seconds(-1); },
                 Reason::kStartInvalid, "field", "retry.max_backoff"},
        BadStart{"BackoffsSwapped",
                 [](auto& s) {
                   s.retry.min_backoff = seconds(2);
                   s.retry.max_backoff = seconds(1);
                 },
                 Reason::kStartInvalid, "field", "retry.min_backoff"},
        BadStart{"DeadLetters", [](auto& s) { s.retry.on_exhausted = Exhausted::kDeadLetter; },
                 Reason::kNotSupported, "field", "retry.on_exhausted"},
        BadStart{"PositionsOfAGroup",
                 [](auto& s) {
                   ToBroadcastFrom(s, {"orders", 0, 0});
                   s.group = "g";
                 },
                 Reason::kStartInvalid, "field", "start_from"},
        BadStart{"PositionOnATopicThatIsNotRead",
                 [](auto& s) {
                   ToBroadcastFrom(s, {"invoices", 0, 0});
                 },
                 Reason::kStartInvalid, "field", "start_from"},
        BadStart{"NegativeOffset",
                 [](auto& s) {
                   ToBroadcastFrom(s, {"orders", 0, -1});
                 },
                 Reason::kStartInvalid, "field", "start_from"}),
    [](const auto& test) { return test.param.name; });

TEST(StartOptionsTest, ManyNamesAreRefusedBeforeTheyAreLookedAt) {
  SubscribeStart start = Orders();
  for (int i = 0; i < 1'001; ++i) start.topics.push_back("topic-" + std::to_string(i));
  const auto topics = CheckStart(start, SubscribeOptions(), *MakeRouter());
  start = Orders();
  start.event_types.assign(1'001, "order");
  const auto types = CheckStart(start, SubscribeOptions(), *MakeRouter());
  start = Orders();
  start.group.clear();
  start.start = StartPosition{.at = StartPosition::At::kPositions, .positions = {}};
  start.start->positions.assign(10'001, Position{"orders", 0, 0});
  const auto positions = CheckStart(start, SubscribeOptions(), *MakeRouter());

  EXPECT_EQ(ReasonOf(topics.status()), Reason::kStartInvalid);
  EXPECT_EQ(ReasonOf(types.status()), Reason::kStartInvalid);
  EXPECT_EQ(ReasonOf(positions.status()), Reason::kStartInvalid);
}

}  // namespace
}  // namespace sidebus
