#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/broker/memory/memory_broker.h"
#include "server/metrics/subscribe_metrics.h"
#include "tests/simulation/choices.h"
#include "tests/simulation/gateway.h"
#include "tests/simulation/group_checker.h"
#include "tests/support/manual_time.h"

namespace sidebus::simulation {

// What may go wrong in a run.
enum class Faults : std::uint8_t {
  kAll,   // brokers, gateways and applications do anything
  kNone,  // one gateway, applications that settle: every record is delivered exactly once
};

// Some gateways, some groups, a memory broker with faults and scripted applications, in one thread
// and in simulated time. Every choice comes from the seed: it replays a run exactly.
//
//   steps ──▶ one thing happens, then GroupChecker looks at every group
//   end   ──▶ no more faults; applications ack what they get: everything must be delivered, settled
//             and committed soon, and all memory be given back
class Simulation {
 public:
  Simulation(std::uint64_t seed, Faults faults, Report& report);

  // Until the end, or the first violation.
  void Run();

  std::uint64_t deliveries() const;
  Duration simulated() const { return time_.Now() - began_; }

 private:
  bool faulty() const { return faults_ == Faults::kAll; }
  SubscribeOptions Options();
  SubscribeStart StartOf(const GroupChecker& checker, bool all_types);

  void OneThing();
  void Publish();
  void OpenStream(Gateway& gateway);
  void EndStream(Gateway& gateway);
  void BrokerFault();
  void ProducerFault();
  void GatewayFault(Gateway& gateway);
  void Check();
  void Heal();
  void Finish();
  void AckRounds();
  bool Complete() const;

  Report& report_;
  Choices choices_;
  const Faults faults_;
  const std::uint64_t steps_;
  const bool all_wanted_;    // every stream names every type
  const bool dead_letters_;  // there are some
  const bool openedx_;       // half of the records are Open edX's
  ManualTime time_;
  const SteadyTime began_ = time_.Now();
  MemoryBroker broker_;
  Metrics registry_;
  SubscribeMetrics metrics_{registry_};
  std::shared_ptr<const Router> router_;
  std::vector<int> partitions_;  // of each topic
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> ends_;
  std::vector<std::unique_ptr<GroupChecker>> groups_;
  std::vector<std::unique_ptr<Gateway>> gateways_;
  bool reachable_ = true;
  bool reports_held_ = false;
  bool commits_held_ = false;
  std::uint64_t last_stream_ = 0;
};

// Runs one seed. A violation is told with what led to it: the run is made again, and traced.
struct Outcome {
  std::string violation;  // empty: none
  std::string trace;
  std::uint64_t deliveries = 0;
  Duration simulated{};
};
Outcome RunSeed(std::uint64_t seed, Faults faults);

}  // namespace sidebus::simulation
