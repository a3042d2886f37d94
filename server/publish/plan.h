#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/broker/producer.h"
#include "server/metrics/publish_metrics.h"
#include "server/routing/router.h"

namespace sidebus {

// One topic that is published to, by however many event types.
struct TopicLane {
  std::string name;  // without prefix
  ProducerTopic* topic = nullptr;

  // Events in the waiting room that go to this topic. WaitingRoom writes it, and lowers it only
  // after the producer has the event: who reads 0 may produce without overtaking it.
  std::atomic<std::size_t> waiting{0};

  // The last pass of WaitingRoom in which an earlier event stayed here. Guarded by its lock.
  std::uint64_t held_in_pass = 0;
};

struct PlannedRoute {
  const Route* route = nullptr;
  TopicLane* lane = nullptr;
};

struct PlannedType {
  const EventTypeRoutes* config = nullptr;
  std::vector<PlannedRoute> routes;  // the enabled ones, in fan-out order
  PublishMetrics::EventType metrics;

  // The enabled routes when `topic` is empty, else the one to this topic; empty when it has none.
  std::span<const PlannedRoute> Select(std::string_view topic) const;
};

// A router's routes with everything that publishing to them needs, so that the publish path looks
// up one string per event: its type.
//
// Thread safety: const methods may be called from any thread. Holds its router; borrows the
// producer's topics.
class Plan {
 public:
  Plan(std::shared_ptr<const Router> router, Producer& producer, PublishMetrics& metrics);

  // Null when the type is not in the producer config.
  const PlannedType* Find(std::string_view type) const;

 private:
  std::shared_ptr<const Router> router_;
  std::vector<std::unique_ptr<TopicLane>> lanes_;
  std::vector<PlannedType> types_;  // in the order of router_->event_types()
};

}  // namespace sidebus
