#pragma once

#include <memory>
#include <string>
#include <vector>

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

}  // namespace sidebus
