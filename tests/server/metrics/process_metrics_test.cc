#include "server/metrics/process_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "server/base/log.h"
#include "tests/support/metric_value.h"

namespace sidebus {
namespace {

TEST(ProcessMetricsTest, TellWhatTheKernelTells) {
  Metrics metrics;
  AddProcessMetrics(metrics);

  const std::string text = metrics.Serialize();

  const double now = static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(
                                             std::chrono::system_clock::now().time_since_epoch())
                                             .count());
  EXPECT_NEAR(ValueOf(text, "process_start_time_seconds"), now, 3600);
  EXPECT_GT(ValueOf(text, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(ValueOf(text, "process_open_fds"), 3);
  EXPECT_GE(ValueOf(text, "process_max_fds"), ValueOf(text, "process_open_fds"));
  EXPECT_GE(ValueOf(text, "process_threads"), 1);
}

TEST(ProcessMetricsTest, CountLogLinesEvenWhenTheirLevelIsOff) {
  Metrics metrics;
  AddProcessMetrics(metrics);
  const std::string series = "sidebus_log_messages_total{level=\"debug\"}";
  const double before = ValueOf(metrics.Serialize(), series);

  Log(LogLevel::kDebug, "not written");

  EXPECT_EQ(ValueOf(metrics.Serialize(), series), before + 1);
}

}  // namespace
}  // namespace sidebus
