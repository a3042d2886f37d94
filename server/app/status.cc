#include "server/app/status.h"

#include <utility>

#include "server/app/version.h"
#include "server/subscribe/subscription.h"

namespace sidebus {

void GatewayStatus::Show(std::shared_ptr<const Router> router, LiveSubscriptions& subscriptions,
                         const Broker& broker) {
  MutexLock lock(mu_);
  router_ = std::move(router);
  subscriptions_ = &subscriptions;
  broker_ = &broker;
}

void GatewayStatus::Hide() {
  MutexLock lock(mu_);
  router_.reset();
  subscriptions_ = nullptr;
  broker_ = nullptr;
}

StatusReport GatewayStatus::Report() const {
  StatusReport report;
  report.version = kVersion;
  report.revision = kRevision;
  report.broker_reachable = health_.broker_reachable();
  report.ready = health_.Ready().ok;
  report.now = clock_.WallNow();
  report.problems = LatestProblems();
  MutexLock lock(mu_);
  if (subscriptions_ == nullptr) return report;
  report.router = router_;
  report.broker = broker_->kind();
  report.draining = subscriptions_->draining();
  for (const auto& subscription : subscriptions_->All()) {
    report.groups.push_back({subscription->Summarize(), subscription->Explain()});
  }
  return report;
}

}  // namespace sidebus
