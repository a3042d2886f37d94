#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/base/memory_budget.h"
#include "server/broker/producer.h"
#include "server/codec/schema_cache.h"
#include "server/subscribe/dead_letters.h"
#include "server/subscribe/live_subscriptions.h"
#include "tests/simulation/application.h"
#include "tests/support/memory_registry.h"

namespace sidebus::simulation {

// One process: the real LiveSubscriptions and DeadLetters, and the applications at it. It crashes and
// comes back as another member of its groups.
class Gateway final : private ProducerListener {
 public:
  // What it takes to make a gateway. Borrowed parts outlive it.
  struct World {
    SubscribeOptions options;
    std::uint64_t memory = 0;
    bool dead_letters = false;
    std::vector<SubjectSchema> schemas;  // that its schema registry has, with ids 1, 2, ...
    std::shared_ptr<const Router> router;
    Broker& broker;
    const Clock& clock;
    Timers& timers;
    SubscribeMetrics& metrics;
    Report& report;
  };

  Gateway(std::string name, World world) : name_(std::move(name)), world_(std::move(world)) {
    Start();
  }
  ~Gateway() override { End(); }

  // Opens a stream of the checker's group.
  void Open(std::uint64_t id, GroupChecker& checker, SubscribeStart start,
            Application::Manners manners);

  // Ends one application abnormally, or takes away one that ended.
  void Remove(std::size_t which) {
    applications_.erase(applications_.begin() + static_cast<std::ptrdiff_t>(which));
  }
  void RemoveEnded();

  void Crash();
  // As on SIGTERM: comes back when everything is settled or `grace` is over.
  void Drain(Duration grace);
  // How its schema registry is from now on. A crash does not mend it.
  void SetRegistry(bool down, Duration delay);
  // Comes back from a drain that is over. False: there is none, or it goes on.
  bool RestartAfterDrain();

  // Holds more than its streams asked for, or than its memory.
  void CheckBounds() const;

  bool draining() const { return draining_; }
  std::vector<std::unique_ptr<Application>>& applications() { return applications_; }

  // Ends everything. What is left of the memory that it took.
  std::uint64_t Stop();

 private:
  void OnReadinessChanged() override {}
  void Start();
  void End();

  const std::string name_;
  const World world_;
  int incarnation_ = 0;
  bool draining_ = false;
  std::shared_ptr<bool> drained_;
  std::unique_ptr<MemoryBudget> budget_;
  MemoryBudget letter_budget_{64 << 10};
  std::unique_ptr<Producer> producer_;
  std::unique_ptr<DeadLetters> dead_letters_;
  bool registry_down_ = false;
  Duration registry_delay_{};
  MemoryRegistry* registry_ = nullptr;
  std::unique_ptr<SchemaCache> schemas_;
  std::unique_ptr<LiveSubscriptions> live_;
  std::vector<std::unique_ptr<Application>> applications_;
};

}  // namespace sidebus::simulation
