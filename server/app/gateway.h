#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/admin/admin_server.h"
#include "server/app/health.h"
#include "server/app/signals.h"
#include "server/app/status.h"
#include "server/base/memory_budget.h"
#include "server/base/thread_timers.h"
#include "server/broker/broker.h"
#include "server/codec/schema_cache.h"
#include "server/config/config.h"
#include "server/metrics/kafka_metrics.h"
#include "server/metrics/metrics.h"
#include "server/metrics/publish_metrics.h"
#include "server/metrics/subscribe_metrics.h"
#include "server/operate/operator.h"
#include "server/publish/publisher.h"
#include "server/publish/schema_loader.h"
#include "server/rpc/admin_rpc_server.h"
#include "server/rpc/rpc_server.h"
#include "server/subscribe/dead_letters.h"
#include "server/subscribe/live_subscriptions.h"

namespace sidebus {

// The running gateway: all its parts, wired. Nothing else knows which broker is behind the
// interfaces.
//
// Life: Start(), then Stop() once, then the destructor. One thread owns it.
class Gateway {
 public:
  // Binds the listeners and starts everything; never waits for a broker. The error says what could
  // not be started and where.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const Config& config);
  ~Gateway();

  // One line for people: addresses, broker, number of event types.
  std::string ReadyLine() const;

  // What is left at the end.
  struct Leftovers {
    std::size_t unflushed = 0;  // accepted events that were not written; their callers were told
    std::size_t unsettled =
        0;  // held deliveries and unwritten letters: their groups get them again
    std::size_t uncommitted = 0;  // acks that no broker confirmed: so these, too
  };

  // Drains and stops: held deliveries may settle and publishing goes on until `shutdown.grace` less
  // 3 s (or half of it, when that is less); then publishes are refused, what was accepted is
  // flushed, every call is answered. A signal during all this cuts it short.
  Leftovers Stop(Signals& signals);

  // Whether a signal cut Stop() short, so that the process should end without further ado.
  bool cut_short() const { return cut_short_; }

 private:
  explicit Gateway(const Config& config);
  absl::Status StartParts();
  absl::Status StartAdminApi();
  absl::Status MakePublisher();
  void LoadSchemas();
  void SetServing(bool serving);
  void AddMetrics();
  void AddConfigMetrics();

  // What was not settled or committed. The last commits may take a little longer than `until`.
  Leftovers SettleHeld(Signals& signals, SteadyTime until, Duration commit_time);
  // How many were not written. What is left at `until` is purged.
  std::size_t FlushPublished(Signals& signals, SteadyTime until, Duration purge_time);

  const Config config_;
  bool cut_short_ = false;  // a second signal came
  std::vector<std::string> addresses_;
  std::string admin_address_;  // of the admin API; empty: there is none

  // Each may use those above it; they are destroyed from the bottom up.
  Metrics metrics_;
  KafkaMetrics kafka_metrics_{metrics_};
  MemoryBudget publish_budget_;
  MemoryBudget subscribe_budget_;
  MemoryBudget dead_letter_budget_;
  std::shared_ptr<Health> health_;  // beats on timers_; asked by the two below to the end
  std::unique_ptr<GatewayStatus> status_;
  std::unique_ptr<AdminServer> admin_;  // outlives the timers: /readyz tells to the end
  std::unique_ptr<AdminServer> probes_;
  ThreadTimers timers_;
  std::shared_ptr<const Router> router_;
  OpenedxSchemas own_schemas_;  // of schemas.directory and routes
  std::unique_ptr<Broker> broker_;
  // Null: no registry. Answers the publisher until it is gone.
  std::unique_ptr<SchemaCache> schemas_;
  std::shared_ptr<SchemaLoader> schema_loader_;  // null: no schemas are loaded
  PublishMetrics publish_metrics_;
  SubscribeMetrics subscribe_metrics_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Producer> producer_;         // reports to the publisher until it is gone
  std::unique_ptr<DeadLetters> dead_letters_;  // null: off
  std::unique_ptr<LiveSubscriptions> subscriptions_;
  std::unique_ptr<GroupAdmin> groups_;  // this and the two below: with an admin API only
  std::unique_ptr<Operator> operator_;
  std::unique_ptr<AdminRpcServer> admin_rpc_;
  std::unique_ptr<RpcServer> rpc_;
};

}  // namespace sidebus
