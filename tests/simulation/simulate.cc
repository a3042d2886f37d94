// Runs the simulation on seed after seed: ./dev simulate [--seeds N] [--first SEED] [--jobs N]

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "server/base/log.h"
#include "server/base/mutex.h"
#include "tests/simulation/simulation.h"

namespace sidebus::simulation {
namespace {

constexpr const char* kUsage =
    "usage: ./dev simulate [--seeds N] [--first SEED] [--jobs N]\n"
    "Whole gateways, a broker with faults and applications that do anything, in simulated time,\n"
    "one run per seed, until --seeds are done (without: until Ctrl-C) or one fails. --first: the\n"
    "first seed (without: a random one). --jobs: runs at a time (without: one per processor).\n";

std::atomic<bool> interrupted{false};

struct Plan {
  std::uint64_t first = std::uint64_t{std::random_device()()} + 1'000'000;
  std::optional<std::uint64_t> seeds;
  std::uint64_t jobs = std::max(1u, std::thread::hardware_concurrency());
};

std::optional<std::uint64_t> NumberOf(const char* text) {
  std::uint64_t number = 0;
  const char* const end = text + std::strlen(text);
  const auto read = std::from_chars(text, end, number);
  if (read.ec != std::errc() || read.ptr != end || number == 0) return std::nullopt;
  return number;
}

std::optional<Plan> PlanOf(int argc, char** argv) {
  Plan plan;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    const auto number = i + 1 < argc ? NumberOf(argv[i + 1]) : std::nullopt;
    if (!number.has_value()) return std::nullopt;
    if (name == "--first") {
      plan.first = *number;
    } else if (name == "--seeds") {
      plan.seeds = *number;
    } else if (name == "--jobs") {
      plan.jobs = *number;
    } else {
      return std::nullopt;
    }
  }
  return plan;
}

// Several threads take seeds in turn; the first that fails ends it.
class Runner {
 public:
  explicit Runner(const Plan& plan) : plan_(plan), next_(plan.first) {}

  int Run() {
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < plan_.jobs; ++i) threads.emplace_back([this] { Work(); });
    Watch();
    for (std::thread& thread : threads) thread.join();
    std::puts("");
    MutexLock lock(mu_);
    if (failed_seed_ == 0) return 0;
    fmt::print("{}\n\nseed {}: {}\nreplay it: ./dev simulate --first {} --seeds 1\n",
               outcome_.trace, failed_seed_, outcome_.violation, failed_seed_);
    return 1;
  }

 private:
  void Work() {
    while (true) {
      std::uint64_t seed = 0;
      {
        MutexLock lock(mu_);
        const bool done = plan_.seeds.has_value() && next_ - plan_.first >= *plan_.seeds;
        if (done || interrupted || failed_seed_ != 0) break;
        seed = next_++;
      }
      Outcome outcome = RunSeed(seed, Faults::kAll);
      if (outcome.violation.empty()) Count(outcome, RunSeed(seed, Faults::kNone));
      MutexLock lock(mu_);
      if (outcome.violation.empty() || failed_seed_ != 0) continue;
      failed_seed_ = seed;
      outcome_ = std::move(outcome);
    }
    MutexLock lock(mu_);
    ++ended_;
    changed_.NotifyAll();
  }

  void Count(Outcome& outcome, Outcome calm) {
    MutexLock lock(mu_);
    ++runs_;
    deliveries_ += outcome.deliveries + calm.deliveries;
    simulated_ += outcome.simulated + calm.simulated;
    if (!calm.violation.empty()) outcome = std::move(calm);
  }

  // Shows how far it is until all threads ended; where nobody watches, only the end.
  void Watch() {
    const bool watched = isatty(STDOUT_FILENO) != 0;
    MutexLock lock(mu_);
    while (ended_ < plan_.jobs) {
      changed_.WaitUntil(mu_, std::chrono::steady_clock::now() + std::chrono::seconds(1));
      if (watched || ended_ == plan_.jobs) Show();
    }
  }

  void Show() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const std::chrono::duration<double, std::ratio<3600>> hours = simulated_;
    fmt::print("\r{} seeds from {}, {} deliveries, {:.1f} simulated hours", runs_, plan_.first,
               deliveries_, hours.count());
    std::fflush(stdout);
  }

  const Plan plan_;
  Mutex mu_;
  CondVar changed_;
  std::uint64_t next_ ABSL_GUARDED_BY(mu_);
  std::uint64_t ended_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t runs_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t deliveries_ ABSL_GUARDED_BY(mu_) = 0;
  Duration simulated_ ABSL_GUARDED_BY(mu_){};
  std::uint64_t failed_seed_ ABSL_GUARDED_BY(mu_) = 0;
  Outcome outcome_ ABSL_GUARDED_BY(mu_);
};

}  // namespace
}  // namespace sidebus::simulation

int main(int argc, char** argv) {
  using namespace sidebus;
  const auto plan = simulation::PlanOf(argc, argv);
  if (!plan.has_value()) {
    std::fputs(simulation::kUsage, stderr);
    return 2;
  }
  ConfigureLog(LogLevel::kError, LogFormat::kText);
  std::signal(SIGINT, [](int) { simulation::interrupted = true; });
  return simulation::Runner(*plan).Run();
}
