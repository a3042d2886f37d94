#include "client/cli/table.h"

#include <gtest/gtest.h>

namespace sidebus::cli {
namespace {

TEST(TableTest, ColumnsAreAlignedAndLinesEndWithoutSpaces) {
  EXPECT_EQ(Table({{"NAME", "LAG", "TOPICS"}, {"a", "1000", ""}, {"billing", "0", "orders"}}),
            "NAME     LAG   TOPICS\n"
            "a        1000\n"
            "billing  0     orders\n");
}

TEST(TableTest, DurationsAreShownInTheLargestUnitThatSaysEnough) {
  EXPECT_EQ(ShortDuration(0.04), "0.0s");
  EXPECT_EQ(ShortDuration(12.34), "12.3s");
  EXPECT_EQ(ShortDuration(90), "2m");
  EXPECT_EQ(ShortDuration(7200), "2h");
  EXPECT_EQ(ShortDuration(5 * 86400), "5d");
}

}  // namespace
}  // namespace sidebus::cli
