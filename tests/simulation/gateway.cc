#include "tests/simulation/gateway.h"

#include <utility>

#include "server/base/error.h"

namespace sidebus::simulation {

void Gateway::Start() {
  ++incarnation_;
  draining_ = false;
  drained_ = std::make_shared<bool>(false);
  budget_ = std::make_unique<MemoryBudget>(world_.memory);
  if (world_.dead_letters) {
    producer_ = *world_.broker.MakeProducer(*this);
    dead_letters_ = std::make_unique<DeadLetters>(DeadLetterOptions{}, world_.router, *producer_,
                                                  letter_budget_, world_.clock, world_.timers);
  }
  if (world_.router->has_openedx()) {
    auto registry = std::make_unique<MemoryRegistry>(world_.clock, world_.timers);
    for (const SubjectSchema& schema : world_.schemas) registry->Add(schema);
    registry_ = registry.get();
    schemas_ = std::make_unique<SchemaCache>(std::move(registry), world_.clock);
    SetRegistry(registry_down_, registry_delay_);
  }
  live_ = std::make_unique<LiveSubscriptions>(world_.options, world_.router, world_.broker,
                                              *budget_, world_.clock, world_.timers, world_.metrics,
                                              dead_letters_.get(), schemas_.get());
}

// As a crash: consumers leave no word, letters under way are given up.
void Gateway::End() {
  live_.reset();
  registry_ = nullptr;
  schemas_.reset();
  dead_letters_.reset();
  producer_.reset();
  if (letter_budget_.used() != 0) world_.report.Violation("memory of letters was not given back");
}

void Gateway::Open(std::uint64_t id, GroupChecker& checker, SubscribeStart start,
                   Application::Manners manners) {
  start.member = fmt::format("{}.{}", name_, incarnation_);
  auto application =
      std::make_unique<Application>(id, start.member, checker, world_.clock, world_.report);
  world_.report.Trace("{} opens stream {} of {}", start.member, id, start.group);
  const absl::Status opened = application->Open(*live_, start, manners);
  if (opened.ok()) {
    applications_.push_back(std::move(application));
  } else if (!draining_) {
    world_.report.Violation("a stream was refused: {}", opened.ToString());
  }
}

void Gateway::RemoveEnded() {
  std::erase_if(applications_, [](const auto& application) { return application->ended(); });
}

void Gateway::Crash() {
  world_.report.Trace("{}.{} crashes", name_, incarnation_);
  // The consumer is gone before its streams are: what they end with changes nothing any more.
  for (auto& application : applications_) application->Vanish();
  End();
  applications_.clear();
  Start();
}

void Gateway::Drain(Duration grace) {
  if (std::exchange(draining_, true)) return;
  world_.report.Trace("{}.{} drains", name_, incarnation_);
  live_->Drain(grace, "stopping", DrainFor::kGood,
               [drained = drained_](std::size_t) { *drained = true; });
}

void Gateway::SetRegistry(bool down, Duration delay) {
  registry_down_ = down;
  registry_delay_ = delay;
  if (registry_ == nullptr) return;
  registry_->SetDown(down);
  registry_->SetDelay(delay);
}

bool Gateway::RestartAfterDrain() {
  if (!draining_ || !*drained_) return false;
  for (auto& application : applications_) application->Pump();
  for (const auto& application : applications_) {
    if (!application->ended()) world_.report.Violation("a stream outlived the drain");
  }
  applications_.clear();
  if (budget_->used() != 0) world_.report.Violation("a drained gateway has memory taken");
  End();
  Start();
  return true;
}

void Gateway::CheckBounds() const {
  std::size_t windows = 0;
  for (const auto& application : applications_) windows += application->widest();
  if (live_->held() > windows) {
    world_.report.Violation("{} holds {} events, its streams asked for {}", name_, live_->held(),
                            windows);
  }
}

std::uint64_t Gateway::Stop() {
  applications_.clear();
  End();
  return budget_->used();
}

}  // namespace sidebus::simulation
