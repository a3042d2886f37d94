#include "server/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using ::testing::Eq;
using ::testing::Optional;

TEST(ErrorTest, CarriesReasonCodeMessageAndMetadata) {
  const absl::Status error =
      MakeError(Reason::kEventTooLarge, "too large", {{"limit", "10"}, {"event_type", "a:b 1"}});

  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.message(), "too large");
  const auto details = DetailsOf(error);
  ASSERT_TRUE(details.has_value());
  EXPECT_EQ(details->reason, Reason::kEventTooLarge);
  EXPECT_THAT(details->metadata, Eq(ErrorMetadata{{"limit", "10"}, {"event_type", "a:b 1"}}));
}

TEST(ErrorTest, MetadataOfAnyBytesComesBackUnchanged) {
  const std::string nasty("1:2\0\n:99:", 9);

  const auto details = DetailsOf(MakeError(Reason::kBug, "", {{"field", nasty}, {"topic", ""}}));

  ASSERT_TRUE(details.has_value());
  EXPECT_THAT(details->metadata, Eq(ErrorMetadata{{"field", nasty}, {"topic", ""}}));
}

TEST(ErrorTest, AStatusMadeElsewhereHasNoDetailsAndCountsAsABug) {
  const absl::Status foreign = absl::InternalError("x");

  EXPECT_EQ(DetailsOf(foreign), std::nullopt);
  EXPECT_EQ(ReasonOf(foreign), Reason::kBug);
}

TEST(ErrorTest, WithMetadataKeepsReasonAndMessage) {
  const absl::Status error = WithMetadata(
      MakeError(Reason::kBrokerDown, "no broker", {{"topic", "t"}}), "outcome", "not_written");

  EXPECT_EQ(error.message(), "no broker");
  EXPECT_EQ(ReasonOf(error), Reason::kBrokerDown);
  EXPECT_THAT(DetailsOf(error)->metadata,
              Eq(ErrorMetadata{{"topic", "t"}, {"outcome", "not_written"}}));
}

TEST(ErrorTest, EveryReasonHasTheNameAndCodeOfTheApi) {
  EXPECT_EQ(ReasonName(Reason::kEventInvalid), "EVENT_INVALID");
  EXPECT_EQ(ReasonName(Reason::kLogTruncated), "LOG_TRUNCATED");
  EXPECT_EQ(CodeOf(Reason::kTopicMissing), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(Reason::kDeliveryRevoked), absl::StatusCode::kAborted);
  for (int reason = 0; reason <= static_cast<int>(Reason::kBug); ++reason) {
    EXPECT_FALSE(ReasonName(static_cast<Reason>(reason)).empty());  // and the table is in order
  }
}

struct RetryCase {
  std::string name;
  absl::Status status;
  bool retried;
};

class RetryDelayTest : public ::testing::TestWithParam<RetryCase> {};

TEST_P(RetryDelayTest, IsThereExactlyWhereAnAutomaticRetryIsRight) {
  EXPECT_EQ(RetryDelayOf(GetParam().status).has_value(), GetParam().retried);
}

TEST(LongRetryDelayTest, IsThereWhereALimitOfTheConfigurationIsInTheWay) {
  const absl::Status full = MakeError(Reason::kMemoryBudget, "");
  const absl::Status small = MakeError(Reason::kMemoryBudget, "", {{"limit", "limits.memory"}});
  const absl::Status many = MakeError(Reason::kTooManyStreams, "", {{"limit", "100"}});

  EXPECT_LT(*RetryDelayOf(full), std::chrono::seconds(1));
  EXPECT_GE(*RetryDelayOf(small), std::chrono::seconds(5));
  EXPECT_LT(*RetryDelayOf(many), std::chrono::seconds(1));
}

INSTANTIATE_TEST_SUITE_P(
    Statuses, RetryDelayTest,
    ::testing::Values(
        RetryCase{"BrokerDown", MakeError(Reason::kBrokerDown, ""), true},
        RetryCase{"NotWritten", MakeError(Reason::kBrokerDown, "", {{"outcome", "not_written"}}),
                  true},
        RetryCase{"Unknown", MakeError(Reason::kBrokerDown, "", {{"outcome", "unknown"}}), false},
        RetryCase{"Partial", MakeError(Reason::kMemoryBudget, "", {{"outcome", "partial"}}), false},
        RetryCase{"Memory", MakeError(Reason::kMemoryBudget, ""), true},
        RetryCase{"Timeout", MakeError(Reason::kDeliveryTimeout, ""), false},
        RetryCase{"Invalid", MakeError(Reason::kEventInvalid, ""), false},
        RetryCase{"Foreign", absl::UnavailableError(""), false}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace sidebus
