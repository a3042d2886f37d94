#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/memory_budget.h"
#include "server/broker/broker.h"
#include "server/broker/group_admin.h"
#include "server/routing/router.h"
#include "server/subscribe/live_subscriptions.h"

namespace sidebus {

// What operators' orders are carried out with. Borrowed parts outlive the Operator.
struct OperateWorld {
  LiveSubscriptions& subscriptions;
  GroupAdmin& groups;
  Broker& broker;
  Producer& producer;    // the publishers'
  MemoryBudget& budget;  // that of dead letters
  std::shared_ptr<const Router> router;
  const Clock& clock;
  Timers& timers;
  Duration drain_grace{};   // when an order names none
  Duration revoke_grace{};  // for holders, when a forced seek takes their group away
};

// With prefix: the topics of the configuration and those that this process reads for the group.
std::vector<std::string> KnownTopics(const OperateWorld& world, const std::string& group);

// For whoever took the name of a topic that is not there from Kafka's tools or the log: that names are without
// the prefix, and what this one is then. Empty: it does not begin with the prefix.
std::string PrefixHint(const Router& router, std::string_view topic);

// START_INVALID: no group can have that name.
absl::Status CheckGroupName(std::string_view group);

}  // namespace sidebus
