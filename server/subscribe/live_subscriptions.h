#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/memory_budget.h"
#include "server/broker/broker.h"
#include "server/routing/router.h"
#include "server/subscribe/group_state.h"
#include "server/subscribe/subscriber.h"

namespace sidebus {

class DeadLetters;
class SchemaCache;
class SubscribeMetrics;

// The `subscribe` and `limits` parts of the configuration that matter here.
struct SubscribeOptions {
  Window window{100, 4 << 20};
  Window max_window{1000, 16 << 20};
  Duration lease = std::chrono::seconds(60);
  Duration min_lease = std::chrono::seconds(1);
  Duration max_lease = std::chrono::hours(1);
  RetryPolicy retry{5, std::chrono::milliseconds(500), std::chrono::seconds(30), Exhausted::kHalt};
  Duration max_delay = std::chrono::minutes(15);
  Duration linger = std::chrono::seconds(10);
  std::uint32_t max_interruptions = 10;
  Duration revoke_grace = std::chrono::seconds(2);
  Undecodable on_undecodable = Undecodable::kHalt;
  std::uint64_t max_delivery_bytes = std::numeric_limits<std::uint64_t>::max();  // of one event
  Duration heartbeat = std::chrono::seconds(10);
  std::uint32_t max_streams = 256;
  std::uint32_t max_subscriptions = 32;
  std::uint32_t max_broadcast_streams = 16;
  std::uint64_t jitter_seed = 1;         // of the backoffs' jitter
  std::uint64_t schema_bytes = 8 << 20;  // of the schemas that records were written with
};

class Subscription;

// How long a drain lasts.
enum class DrainFor : std::uint8_t { kUntilResumed, kGood };

// The subscriptions of this process, one per group: opens streams, closes and lingers
// subscriptions.
//
// Thread safety: all methods may be called from any thread.
// Life: what the constructor borrows outlives it. Subscribers may outlive it, then they are of no
// use any more, and only `clock` must still be there.
class LiveSubscriptions {
 public:
  // `dead_letters` null: there are none, and what would go there is halted. `schemas`: for records of
  // Open edX, which are read as such (IsOpenedxRecord) on topics that may have them
  // (Router::MayHaveOpenedx); null: all records are read as CloudEvents.
  LiveSubscriptions(SubscribeOptions options, std::shared_ptr<const Router> router, Broker& broker,
                    MemoryBudget& budget, const Clock& clock, Timers& timers,
                    SubscribeMetrics& metrics, DeadLetters* dead_letters = nullptr,
                    SchemaCache* schemas = nullptr);
  ~LiveSubscriptions();

  // Validates the start completely, then attaches a stream to the group's subscription, which it
  // makes if there is none. The first Take() has `started`. `sink` must outlive the subscriber.
  // Errors: START_INVALID, EVENT_TYPE_UNKNOWN, TOPIC_NOT_ROUTED, GROUP_CONFLICT, NOT_SUPPORTED,
  // TOO_MANY_STREAMS, MEMORY_BUDGET, DRAINING.
  absl::StatusOr<std::unique_ptr<Subscriber>> Open(SubscribeStart start, StreamSink& sink);

  // No new streams and no new deliveries; all streams are told. Held deliveries may settle until
  // `grace` is over; then streams end with UNAVAILABLE DRAINING, positions are committed, groups
  // left, and `done` is called once with the number of deliveries that were never settled. A drain
  // may come on top of another one: the grace that ends first counts.
  void Drain(Duration grace, std::string reason, DrainFor how_long,
             absl::AnyInvocable<void(std::size_t)> done);

  // Takes streams again. What a drain has told to end goes on ending; a group whose old subscription
  // is not closed yet begins anew behind it. DRAINING after a drain for good.
  absl::Status Resume();

  bool draining() const;

  // For operators. The subscriptions of a group, oldest first: at most one of them has the consumer
  // and is not closing.
  std::vector<std::shared_ptr<Subscription>> All() const;
  std::vector<std::shared_ptr<Subscription>> OfGroup(const std::string& group) const;

  // As long as the result lives, no subscription of the group begins; streams may open, and wait.
  // Null: somebody holds the group back already.
  std::shared_ptr<void> HoldBack(const std::string& group);

  // What a drain that is over left, or would leave if it were over now: groups that leave something.
  std::vector<GroupLeftovers> Leftovers() const;

  // Deliveries held by streams.
  std::size_t held() const;
  std::size_t streams() const;

  // What the schemas of records take, about.
  std::size_t schema_bytes() const;

  // Brings the gauges of `metrics` up to date; called before each scrape.
  void UpdateMetrics();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sidebus
