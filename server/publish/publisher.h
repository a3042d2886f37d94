#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/memory_budget.h"
#include "server/broker/producer.h"
#include "server/event/event.h"
#include "server/publish/openedx_options.h"
#include "server/routing/router.h"

namespace sidebus {

class PublishMetrics;
class SchemaCache;

// What became of one event.
struct PublishResult {
  std::string event_id;             // empty when it was refused for its length
  absl::Status error;               // OK: in every topic of its enabled routes
  std::vector<Position> positions;  // the topics (without prefix) that have it
};

struct PublishBatch {
  std::vector<Event> events;
  std::string topic;  // without prefix; empty: every enabled route of each event's type
  // When the client wants its answer; it gets it a little earlier. Zero: only the time-out counts.
  SteadyTime deadline{};
  bool want_positions = true;  // false leaves the results' positions empty
};

struct PublisherOptions {
  std::string source = "/sidebus";  // default CloudEvents source
  std::uint64_t max_event_bytes = 1'000'000;
  Duration timeout = std::chrono::seconds(30);  // longest wait for an answer
  // For routes that write as Open edX does; nullopt: there are none.
  std::optional<OpenedxOptions> openedx = std::nullopt;
};

// Publishes events: validate, route, take the key from the data, encode, produce to each enabled
// route, and join the reports into one answer per event.
//
// Truth about the outcome: while no broker is up (or a topic's look-up is not answered) events wait
// in a queue of ours, bounded by the memory budget, and are not given to the producer; at their
// deadline they are surely `not_written` (BROKER_DOWN). What was given to the producer and is not
// reported at the deadline is `unknown` (DELIVERY_TIMEOUT). An event that waits holds back later
// ones of its topics only. An event with several routes is refused, waits and is handed on as a
// whole.
//
// Written as Open edX does, events whose schemas have no known id yet wait in the same queue until
// the registry answers; those that it has no id for are refused then, `not_written` (REGISTRY_DOWN,
// SCHEMA_INCOMPATIBLE).
//
// Errors of an event, all with `outcome`: EVENT_INVALID, EVENT_TOO_LARGE, EVENT_TYPE_UNKNOWN,
// TOPIC_NOT_ROUTED, ROUTE_DISABLED, KEY_FIELD_MISSING, TOPIC_MISSING, DRAINING, BROKER_DOWN and
// DELIVERY_TIMEOUT, those of OpenedxWriter, and what the producer reports. Several failed routes:
// outcome.h.
//
// Thread safety: all methods may be called from any thread. No lock is held while `done` runs.
// Life: outlives its producer.
class Publisher final : public ProducerListener {
 public:
  using Results = std::vector<PublishResult>;  // same length and order as the batch
  using Done = absl::AnyInvocable<void(Results)>;

  // `schemas` is there where the options have `openedx`; the references and it outlive the last
  // Publish(). What the cache answers later, also after this is gone, does no harm.
  Publisher(PublisherOptions options, std::shared_ptr<const Router> router, MemoryBudget& budget,
            const Clock& clock, Timers& timers, PublishMetrics& metrics,
            SchemaCache* schemas = nullptr);
  ~Publisher() override;

  // Resolves the routes' topics. Called once, before the first Publish(); the producer is made with
  // this publisher as its listener, hence not in the constructor.
  void Start(Producer& producer);

  // Publishes the events in order. A result at once (every event failed before it was handed on, or
  // the batch is empty): `done` will not be called. Else nullopt, and `done` is called exactly
  // once, never from inside this call, by the time the earlier of `deadline` less the larger of 50
  // ms and 5 %, and the configured time-out. Memory for the events is taken from the budget without
  // a check: whoever reads them from the network admits them first (rpc).
  std::optional<Results> Publish(PublishBatch batch, Done done);

  // From now on every event is refused with UNAVAILABLE DRAINING.
  void Refuse();

  // Answers everything that waits in our own queue: UNAVAILABLE DRAINING, not written. Returns how
  // many events that was. What the producer has is the producer's to flush. After Refuse() nothing
  // comes to wait any more. The destructor does it too.
  std::size_t DropWaiting();

  // Events handed on (to the producer or our own queue) whose call is not answered.
  std::size_t in_flight_events() const;

  // Bytes taken from the budget: of records that wait or are not reported, answered or not.
  std::uint64_t in_flight_bytes() const;

  // What the schemas that events brought along take, about.
  std::size_t schema_bytes() const;

  void OnReadinessChanged() override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sidebus
