#include "client/cli/duration.h"

#include <gtest/gtest.h>

namespace sidebus::cli {
namespace {

using std::chrono::milliseconds;

TEST(DurationTest, IsAWholeNumberAndAUnit) {
  EXPECT_EQ(ParseDuration("0ms"), milliseconds(0));
  EXPECT_EQ(ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(ParseDuration("5s"), milliseconds(5'000));
  EXPECT_EQ(ParseDuration("2m"), milliseconds(120'000));
  EXPECT_EQ(ParseDuration("999999999h"), milliseconds(999'999'999LL * 3'600'000));
}

class BadDurationTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BadDurationTest, IsRefused) { EXPECT_EQ(ParseDuration(GetParam()), std::nullopt); }

INSTANTIATE_TEST_SUITE_P(Texts, BadDurationTest,
                         ::testing::Values("", "5", "s", "-1s", "+1s", "1.5s", " 1s", "1 s", "1S",
                                           "1d", "1ss", "nans", "infs", "0x5s", "1e3s",
                                           "1000000000s", "99999999999999999999s"));

}  // namespace
}  // namespace sidebus::cli
