#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/admin/admin_server.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/broker/producer.h"
#include "server/config/config.h"

namespace sidebus {

// Answers the probes.
//
// Live: the timer thread beats; nothing outside the process counts, or a Kafka outage would restart
// every pod. Started: listeners are bound and, with `startup.require_broker`, a broker was reached
// once. Ready: started, and by `readiness.kafka`: `ignore` nothing more; `any` and `all`: once the
// broker was reached, ready until it has been out of reach for 60 s.
//
// Thread safety: all methods may be called from any thread. Life: Shared with its own heartbeat
// timer, which stops when the last owner lets go.
class Health final : public ProbeSource, public std::enable_shared_from_this<Health> {
 public:
  struct Options {
    KafkaReadiness readiness = KafkaReadiness::kIgnore;
    bool require_broker = false;
  };

  static constexpr Duration kHeartbeat = std::chrono::seconds(1);
  static constexpr Duration kStalled = std::chrono::seconds(10);
  static constexpr Duration kUnreachable = std::chrono::seconds(60);

  static std::shared_ptr<Health> Make(Options options, const Clock& clock, Timers& timers);

  // Called once everything listens.
  void SetListening();

  // Whose view of the broker counts. After SetProducer(nullptr) returns, the former one is not
  // called any more.
  void SetProducer(const Producer* producer);

  // What `what` says while it is not empty is said by /readyz?verbose, which does not fail for it.
  // Called under a lock until DropNotes(); it may only take locks of its own.
  void AddNote(std::string name, std::function<std::string()> what);
  void DropNotes();

  // As of now; false without a producer.
  bool broker_reachable() const { return Look().now.reachable; }

  ProbeResult Live() const override;
  ProbeResult Started() const override;
  ProbeResult Ready() const override;

 private:
  Health(Options options, const Clock& clock, Timers& timers);
  void Beat();

  struct BrokerView {
    BrokerCondition now;
    bool was_reached = false;  // now or earlier
  };
  BrokerView Look() const;

  const Options options_;
  const Clock& clock_;
  Timers& timers_;
  std::atomic<SteadyTime> last_beat_;
  std::atomic<bool> listening_{false};

  mutable Mutex mu_;  // held while others are asked, who only take locks of their own
  const Producer* producer_ ABSL_GUARDED_BY(mu_) = nullptr;
  mutable bool broker_was_reached_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::pair<std::string, std::function<std::string()>>> notes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
