#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "server/admin/status_report.h"
#include "server/config/producer_config.h"

namespace sidebus {
namespace {

using nlohmann::json;
using std::chrono::seconds;

json Parsed(const StatusReport& report) { return json::parse(StatusJson(report)); }

TEST(StatusJsonTest, AGatewayThatHasNothingYetIsSaidToHaveNothing) {
  const json status = Parsed({});

  EXPECT_EQ(status["ready"], false);
  EXPECT_EQ(status["event_types"], json::array());
  EXPECT_EQ(status["groups"], json::array());
  EXPECT_EQ(status["problems"], json::array());
}

TEST(StatusJsonTest, EventTypesHaveTheirRoutes) {
  const ProducerConfig config = {
      {"order.created", {{.topic = "orders", .event_key_field = "order.id", .enabled = true}}}};
  StatusReport report;
  report.router = Router::Make(config, "test").value();

  EXPECT_EQ(Parsed(report)["event_types"], json::parse(R"([{"type": "order.created", "routes": [
                {"topic": "test-orders", "key": "order.id", "enabled": true}]}])"));
}

TEST(StatusJsonTest, APartitionSaysWhatHoldsItBack) {
  PartitionState partition;
  partition.topic = "orders";
  partition.partition = 3;
  partition.committed = 10;
  partition.end = 25;
  partition.held_back = 2;
  partition.oldest_unsettled = seconds(90);
  partition.head = PartitionState::Head{
      .offset = 10, .attempt = 4, .state = RecordState::kWaiting, .last_error = "says \"no\"\n<b>"};
  StatusReport report;
  report.groups.push_back({GroupState{.group = "billing", .topics = {"orders"}}, {partition}});

  const json group = Parsed(report)["groups"][0];

  EXPECT_EQ(group["group"], "billing");
  EXPECT_EQ(group["partition_count"], 1);
  EXPECT_EQ(group["partitions"][0]["oldest_seconds"], 90);
  EXPECT_EQ(group["partitions"][0]["head"],
            json::parse(R"({"offset": 10, "attempt": 4, "state": "waiting",
                            "last_error": "says \"no\"\n<b>"})"));
}

TEST(StatusJsonTest, OfManyPartitionsThoseThatAreHeldLongestAreShown) {
  StatusReport report;
  StatusReport::Group& group = report.groups.emplace_back();
  for (std::size_t i = 0; i < 3 * kShownPartitions; ++i) {
    PartitionState& partition = group.partitions.emplace_back();
    partition.partition = static_cast<std::int32_t>(i);
    partition.oldest_unsettled = seconds(i);
  }

  const json shown = Parsed(report)["groups"][0];

  EXPECT_EQ(shown["partition_count"], 3 * kShownPartitions);
  EXPECT_EQ(shown["partitions"].size(), kShownPartitions);
  EXPECT_EQ(shown["partitions"][0]["partition"], 3 * kShownPartitions - 1);
}

TEST(StatusJsonTest, ProblemsHaveTimeWordsAndCount) {
  StatusReport report;
  report.problems.push_back({.last = SystemTime(seconds(1700000000)),
                             .level = LogLevel::kError,
                             .what = "it broke",
                             .fields = "topic=\"a b\"",
                             .times = 7});

  EXPECT_EQ(Parsed(report)["problems"],
            json::parse(R"([{"time": 1700000000.0, "level": "error", "what": "it broke",
                             "fields": "topic=\"a b\"", "times": 7}])"));
}

}  // namespace
}  // namespace sidebus
