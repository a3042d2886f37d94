#include "server/publish/outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/error.h"

namespace sidebus {
namespace {

using ::testing::Eq;
using ::testing::StartsWith;

using Fate = RouteOutcome::Fate;

struct JoinCase {
  std::string name;
  std::vector<std::pair<Fate, Reason>> routes;  // to the topics a, b, c
  std::optional<Reason> reason;                 // of the event; nullopt: OK
  std::string topic, outcome, failed, unknown;
  std::size_t positions;
  bool retry;
};

class OutcomeTest : public ::testing::TestWithParam<JoinCase> {};

TEST_P(OutcomeTest, IsThatOfTheWorstRoute) {
  TopicLane lanes[3];
  lanes[0].name = "a";
  lanes[1].name = "b";
  lanes[2].name = "c";
  std::vector<RouteOutcome> routes;
  for (const auto& [fate, reason] : GetParam().routes) {
    const absl::Status error = fate == Fate::kWritten ? absl::OkStatus() : MakeError(reason, "why");
    routes.push_back({&lanes[routes.size()], fate, error, 0, 0});
  }

  OutcomeJoiner joiner(true);
  for (const RouteOutcome& route : routes) joiner.Add(route);
  const PublishResult result = joiner.Take("id");

  EXPECT_THAT(result.event_id, Eq("id"));
  EXPECT_THAT(result.positions.size(), Eq(GetParam().positions));
  EXPECT_THAT(result.error.ok(), Eq(!GetParam().reason.has_value()));
  if (result.error.ok()) return;
  auto details = *DetailsOf(result.error);
  EXPECT_THAT(ReasonName(details.reason), Eq(ReasonName(*GetParam().reason)));
  EXPECT_THAT(details.metadata["topic"], Eq(GetParam().topic));
  EXPECT_THAT(std::string(result.error.message()), StartsWith("topic \"" + GetParam().topic));
  EXPECT_THAT(details.metadata["outcome"], Eq(GetParam().outcome));
  EXPECT_THAT(RetryDelayOf(result.error).has_value(), Eq(GetParam().retry));
  EXPECT_THAT(details.metadata["failed_topics"], Eq(GetParam().failed));
  EXPECT_THAT(details.metadata["unknown_topics"], Eq(GetParam().unknown));
}

constexpr std::pair kWritten = {Fate::kWritten, Reason::kBug};
constexpr std::pair kUnknown = {Fate::kUnknown, Reason::kDeliveryTimeout};
constexpr std::pair kDown = {Fate::kNotWritten, Reason::kBrokerDown};
constexpr std::pair kFull = {Fate::kNotWritten, Reason::kMemoryBudget};
constexpr std::pair kDenied = {Fate::kNotWritten, Reason::kBrokerDenied};
constexpr std::pair kTooLarge = {Fate::kNotWritten, Reason::kEventTooLarge};

INSTANTIATE_TEST_SUITE_P(
    Routes, OutcomeTest,
    ::testing::Values(
        JoinCase{"AllWritten", {kWritten, kWritten}, {}, "", "", "", "", 2, false},
        JoinCase{
            "OneNotWritten", {kDown}, Reason::kBrokerDown, "a", "not_written", "a", "", 0, true},
        JoinCase{
            "OneForMemory", {kFull}, Reason::kMemoryBudget, "a", "not_written", "a", "", 0, true},
        JoinCase{
            "OneDenied", {kDenied}, Reason::kBrokerDenied, "a", "not_written", "a", "", 0, false},
        JoinCase{
            "OneUnknown", {kUnknown}, Reason::kDeliveryTimeout, "a", "unknown", "", "a", 0, false},
        JoinCase{"WrittenAndNot",
                 {kWritten, kDown},
                 Reason::kBrokerDown,
                 "b",
                 "partial",
                 "b",
                 "",
                 1,
                 false},
        JoinCase{"WrittenAndUnknown",
                 {kUnknown, kWritten},
                 Reason::kDeliveryTimeout,
                 "a",
                 "partial",
                 "",
                 "a",
                 1,
                 false},
        JoinCase{"UnknownIsWorseThanNotWritten",
                 {kTooLarge, kUnknown},
                 Reason::kDeliveryTimeout,
                 "b",
                 "unknown",
                 "a",
                 "b",
                 0,
                 false},
        JoinCase{"NoUseOfARetryIsWorse",
                 {kDown, kDenied},
                 Reason::kBrokerDenied,
                 "b",
                 "not_written",
                 "a,b",
                 "",
                 0,
                 false},
        JoinCase{"TheFirstOfEquals",
                 {kTooLarge, kDenied},
                 Reason::kEventTooLarge,
                 "a",
                 "not_written",
                 "a,b",
                 "",
                 0,
                 false},
        JoinCase{"AllThree",
                 {kWritten, kUnknown, kDown},
                 Reason::kDeliveryTimeout,
                 "b",
                 "partial",
                 "c",
                 "b",
                 1,
                 false}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace sidebus
