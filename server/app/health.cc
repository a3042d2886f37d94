#include "server/app/health.h"

#include <algorithm>

#include "fmt/format.h"

namespace sidebus {
namespace {

std::string Seconds(Duration duration) {
  return fmt::format("{} s", std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

ProbeResult Join(std::vector<ProbeResult::Check> checks) {
  const bool ok = std::all_of(checks.begin(), checks.end(), [](const auto& c) { return c.ok; });
  return ProbeResult{ok, std::move(checks)};
}

}  // namespace

std::shared_ptr<Health> Health::Make(Options options, const Clock& clock, Timers& timers) {
  auto health = std::shared_ptr<Health>(new Health(options, clock, timers));
  health->Beat();
  return health;
}

Health::Health(Options options, const Clock& clock, Timers& timers)
    : options_(options), clock_(clock), timers_(timers), last_beat_(clock.Now()) {}

void Health::Beat() {
  last_beat_ = clock_.Now();
  Look();
  timers_.At(clock_.Now() + kHeartbeat, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Beat();
  });
}

void Health::SetListening() { listening_ = true; }

void Health::SetProducer(const Producer* producer) {
  MutexLock lock(mu_);
  producer_ = producer;
}

void Health::AddNote(std::string name, std::function<std::string()> what) {
  MutexLock lock(mu_);
  notes_.emplace_back(std::move(name), std::move(what));
}

void Health::DropNotes() {
  MutexLock lock(mu_);
  notes_.clear();
}

Health::BrokerView Health::Look() const {
  MutexLock lock(mu_);
  if (producer_ == nullptr) return {{false, clock_.Now()}, broker_was_reached_};
  const BrokerCondition now = producer_->condition();
  broker_was_reached_ = broker_was_reached_ || now.reachable;
  return {now, broker_was_reached_};
}

ProbeResult Health::Live() const {
  const Duration age = clock_.Now() - last_beat_.load();
  return Join({{"timers", age < kStalled, "last beat " + Seconds(age) + " ago"}});
}

ProbeResult Health::Started() const {
  std::vector<ProbeResult::Check> checks = {{"listeners", listening_, ""}};
  if (options_.require_broker) {
    const bool reached = Look().was_reached;
    checks.push_back(
        {"broker", reached, reached ? "" : "not reached yet (startup.require_broker)"});
  }
  return Join(std::move(checks));
}

ProbeResult Health::Ready() const {
  std::vector<ProbeResult::Check> checks = Started().checks;
  const BrokerView broker = Look();
  const Duration age = clock_.Now() - broker.now.since;
  const bool ignored = options_.readiness == KafkaReadiness::kIgnore;
  const bool ok = ignored || broker.now.reachable || (broker.was_reached && age <= kUnreachable);
  checks.push_back({"kafka", ok,
                    fmt::format("{} for {}{}", broker.now.reachable ? "reachable" : "out of reach",
                                Seconds(age), ignored ? " (readiness.kafka: ignore)" : "")});
  MutexLock lock(mu_);
  for (const auto& [name, what] : notes_) {
    if (std::string text = what(); !text.empty()) checks.push_back({name, true, std::move(text)});
  }
  return Join(std::move(checks));
}

}  // namespace sidebus
