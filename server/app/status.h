#pragma once

#include <memory>

#include "server/admin/status_report.h"
#include "server/app/health.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/broker/broker.h"
#include "server/routing/router.h"
#include "server/subscribe/live_subscriptions.h"

namespace sidebus {

// What the status page shows: gathered from the parts of a gateway that has started.
//
// Thread safety: all methods may be called from any thread. Lock order: above LiveSubscriptions.
class GatewayStatus final : public StatusSource {
 public:
  GatewayStatus(const Health& health, const Clock& clock) : health_(health), clock_(clock) {}

  // Before Show() and after Hide() the report has no routes and groups.
  void Show(std::shared_ptr<const Router> router, LiveSubscriptions& subscriptions,
            const Broker& broker);

  // After it returns the parts are not looked at any more.
  void Hide();

  StatusReport Report() const override;

 private:
  const Health& health_;
  const Clock& clock_;
  mutable Mutex mu_;
  std::shared_ptr<const Router> router_ ABSL_GUARDED_BY(mu_);
  LiveSubscriptions* subscriptions_ ABSL_GUARDED_BY(mu_) = nullptr;
  const Broker* broker_ ABSL_GUARDED_BY(mu_) = nullptr;
};

}  // namespace sidebus
