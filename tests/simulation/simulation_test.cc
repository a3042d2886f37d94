#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include "server/base/log.h"

namespace sidebus::simulation {
namespace {

// Blocks of seeds; `./dev simulate` goes through others.
class SimulationTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  SimulationTest() { ConfigureLog(LogLevel::kError, LogFormat::kText); }
  ~SimulationTest() override { ConfigureLog(LogLevel::kInfo, LogFormat::kText); }

  static void Run(Faults faults, std::uint64_t seeds) {
    const std::uint64_t first = GetParam() * seeds + 1;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
      const Outcome outcome = RunSeed(seed, faults);
      ASSERT_EQ(outcome.violation, "") << outcome.trace << "\nseed " << seed;
    }
  }
};

TEST_P(SimulationTest, WithFaultsNothingIsSkippedOvertakenOrSettledTwice) { Run(Faults::kAll, 60); }

TEST_P(SimulationTest, WithoutFaultsEveryRecordIsDeliveredExactlyOnce) { Run(Faults::kNone, 20); }

INSTANTIATE_TEST_SUITE_P(Seeds, SimulationTest, testing::Range<std::uint64_t>(0, 25));

TEST(SimulationReplayTest, ASeedRunsTheSameWayAgain) {
  const auto trace = [] {
    Report report(true);
    Simulation simulation(7, Faults::kAll, report);
    simulation.Run();
    return report.lines();
  };

  EXPECT_EQ(trace(), trace());
}

}  // namespace
}  // namespace sidebus::simulation
