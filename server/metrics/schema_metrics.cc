#include "server/metrics/schema_metrics.h"

namespace sidebus {
namespace {

SchemaMetrics::Question QuestionOf(Metrics& metrics, const std::string& op) {
  const auto counter = [&](const std::string& result) {
    return metrics.AddCounter("sidebus_schema_requests_total",
                              "Questions about schemas, by what was asked and how it went.",
                              {{"op", op}, {"result", result}});
  };
  return {counter("hit"), counter("miss"), counter("error"), counter("timeout")};
}

}  // namespace

SchemaMetrics::SchemaMetrics(Metrics& metrics)
    : find(QuestionOf(metrics, "find")),
      registering(QuestionOf(metrics, "register")),
      lookup(QuestionOf(metrics, "lookup")) {}

}  // namespace sidebus
