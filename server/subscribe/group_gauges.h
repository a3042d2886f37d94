#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/metrics/subscribe_metrics.h"
#include "server/subscribe/subscription.h"

namespace sidebus {

// Sets the gauges of all groups before a scrape. Groups that share a label are added up; a group
// that is gone is shown as 0.
//
// Thread safety: none.
class GroupGauges {
 public:
  explicit GroupGauges(SubscribeMetrics& metrics) : metrics_(metrics) {}

  void Set(const std::vector<SubscriptionFigures>& subscriptions);

 private:
  SubscribeMetrics& metrics_;
  std::map<std::string, GroupMetrics> groups_;  // by label
  std::map<std::pair<std::string, std::string>, ConsumedTopicMetrics> topics_;
};

}  // namespace sidebus
