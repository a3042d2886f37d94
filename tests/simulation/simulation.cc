#include "tests/simulation/simulation.h"

#include <utility>

#include "fmt/ranges.h"
#include "server/base/check.h"
#include "server/base/error.h"
#include "server/codec/cloudevents.h"
#include "server/routing/router.h"
#include "tests/simulation/openedx_records.h"

namespace sidebus::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kPrefix = "t-";
const std::vector<std::string> kTopics = {"orders", "payments"};

// Two types share a topic; of the third, whether anybody wants it is the run's to choose.
struct Type {
  std::string name;
  std::size_t topic = 0;
};
const std::vector<Type> kTypes = {{"order", 0}, {"invoice", 0}, {"payment", 1}};
const std::string kUnwanted = "nobody.wants.it";

ProducerConfig Routes() {
  ProducerConfig routes;
  for (const Type& type : kTypes) {
    routes.push_back({type.name, {{kTopics[type.topic], "", true}}});
  }
  return routes;
}

}  // namespace

Simulation::Simulation(std::uint64_t seed, Faults faults, Report& report)
    : report_(report),
      choices_(seed),
      faults_(faults),
      steps_(choices_.OneIn(10) ? 600 : choices_.Between(50, 250)),
      all_wanted_(choices_.OneIn(2)),
      dead_letters_(choices_.OneIn(2)),
      openedx_(choices_.OneIn(2)),
      broker_(time_, choices_.Between(1, 1'000'000)),
      router_(*Router::Make(Routes(), "t",
                            openedx_ ? RecordEncoding::kOpenedx : RecordEncoding::kCloudEvents)) {
  for (const std::string& topic : kTopics) {
    partitions_.push_back(static_cast<int>(choices_.Between(1, 3)));
    broker_.CreateTopic(kPrefix + topic, partitions_.back());
  }
  const SubscribeOptions options = Options();
  const std::uint64_t groups = choices_.OneIn(4) ? 2 : 1;
  for (std::uint64_t i = 0; i < groups; ++i) {
    const GroupChecker::Rules rules{.group = fmt::format("group-{}", i),
                                    .prefix = kPrefix,
                                    .ordering = static_cast<Ordering>(choices_.Below(3)),
                                    .max_interruptions = options.max_interruptions,
                                    .exactly_once = !faulty()};
    groups_.push_back(std::make_unique<GroupChecker>(rules, broker_, report_));
  }
  const std::uint64_t gateways = faulty() ? choices_.Between(1, 4) : 1;
  for (std::uint64_t i = 0; i < gateways; ++i) {
    SubscribeOptions own = options;
    own.jitter_seed = choices_.Below(1'000'000);
    gateways_.push_back(std::make_unique<Gateway>(
        fmt::format("gateway-{}", i),
        Gateway::World{own, std::uint64_t{choices_.OneIn(4) ? 1u : 8u} << 20, dead_letters_,
                       OpenedxSchemas(), router_, broker_, time_, time_, metrics_, report_}));
  }
}

SubscribeOptions Simulation::Options() {
  SubscribeOptions options;
  options.revoke_grace = seconds(choices_.Below(4));
  options.max_interruptions = static_cast<std::uint32_t>(choices_.Between(3, 10));
  options.retry.max_attempts = static_cast<std::uint32_t>(choices_.Between(2, 6));
  if (dead_letters_) options.retry.on_exhausted = Exhausted::kDeadLetter;
  options.on_undecodable = dead_letters_ ? Undecodable::kDeadLetter : Undecodable::kSkip;
  return options;
}

void Simulation::Run() {
  for (std::uint64_t step = 0; step < steps_ && !report_.failed(); ++step) {
    OneThing();
    Check();
  }
  if (!report_.failed()) Finish();
}

void Simulation::OneThing() {
  Gateway& gateway = *choices_.Of(gateways_);
  const std::uint64_t what = choices_.Below(100);
  if (what < 20) {
    Publish();
  } else if (what < 45) {
    for (std::uint64_t i = choices_.Below(12); i > 0; --i) broker_.Step();
  } else if (what < 50) {
    if (gateway.applications().size() < 5) OpenStream(gateway);
  } else if (what < 76) {
    if (!gateway.applications().empty())
      choices_.Of(gateway.applications())->Act(choices_, !faulty());
  } else if (what < 86) {
    time_.Advance(milliseconds(choices_.Below(faulty() ? 4000 : 100)));
  } else if (what < 90) {
    EndStream(gateway);
  } else if (what < 92) {
    for (auto& application : gateway.applications()) application->Pump();
  } else if (faulty()) {
    what < 97 ? BrokerFault() : GatewayFault(gateway);
  }
  gateway.RestartAfterDrain();
  if (choices_.OneIn(4)) gateway.RemoveEnded();
}

void Simulation::Publish() {
  for (std::uint64_t i = choices_.Between(1, 6); i > 0; --i) {
    const bool unwanted = choices_.OneIn(20);
    const Type& type = choices_.Of(kTypes);
    const std::string& topic = kTopics[type.topic];
    const auto partition = static_cast<std::int32_t>(
        choices_.Below(static_cast<std::uint64_t>(partitions_[type.topic])));
    std::optional<std::string> key = std::to_string(choices_.Below(6));
    if (*key == "0") key.reset();
    const std::string data = GroupChecker::DataOf(topic, partition, ends_[{topic, partition}]++);
    if (choices_.OneIn(30)) {
      const auto fate = dead_letters_ ? GroupChecker::Fate::kDead : GroupChecker::Fate::kAny;
      for (auto& group : groups_) group->Published(topic, partition, key, fate);
      broker_.Append(kPrefix + topic, partition, Record{.key = key, .value = data, .headers = {}});
      continue;
    }
    const std::string name = unwanted ? kUnwanted : type.name;
    // Without "order" no stream is ever opened.
    const bool wanted = !unwanted && (all_wanted_ || type.name == "order");
    auto fate = wanted ? GroupChecker::Fate::kDelivered : GroupChecker::Fate::kAny;
    const bool openedx = openedx_ && choices_.OneIn(2);
    // Nobody has its schema.
    const bool never = openedx && wanted && choices_.OneIn(20);
    if (never) fate = dead_letters_ ? GroupChecker::Fate::kDead : GroupChecker::Fate::kAny;
    for (auto& group : groups_) group->Published(topic, partition, key, fate);
    if (openedx) {
      const std::optional<std::uint64_t> schema =
          never ? std::nullopt : std::optional(choices_.Below(kOpenedxKinds));
      broker_.Append(kPrefix + topic, partition, OpenedxRecord(name, data, key, schema));
      continue;
    }
    Event event;
    event.id = "id";
    event.type = name;
    event.source = "/s";
    event.data = data;
    event.time = EventTime(time_.WallNow());
    broker_.Append(kPrefix + topic, partition, EncodeCloudEvent(std::move(event), key));
  }
}

SubscribeStart Simulation::StartOf(const GroupChecker& checker, bool all_types) {
  SubscribeStart start;
  start.group = checker.group();
  start.ordering = checker.ordering();
  if (all_types && choices_.OneIn(4)) {
    start.topics = kTopics;
  } else {
    for (const Type& type : kTypes) {
      if (all_types || type.name == "order" || choices_.OneIn(2)) {
        start.event_types.push_back(type.name);
      }
    }
  }
  start.window = Window{static_cast<std::uint32_t>(choices_.Between(1, 50)), 0};
  start.lease = seconds(faulty() ? choices_.Between(1, 30) : 3600);
  start.retry.max_attempts = static_cast<std::uint32_t>(choices_.Below(6));
  start.retry.min_backoff = milliseconds(choices_.Between(1, 2000));
  const std::uint64_t then = choices_.Below(4);  // or what is configured
  if (then == 0) start.retry.on_exhausted = Exhausted::kSkip;
  if (then == 1) start.retry.on_exhausted = Exhausted::kHalt;
  return start;
}

void Simulation::OpenStream(Gateway& gateway) {
  GroupChecker& checker = *choices_.Of(groups_);
  const Application::Manners manners{.reads = !faulty() || !choices_.OneIn(6),
                                     .writes = !faulty() || !choices_.OneIn(8)};
  gateway.Open(++last_stream_, checker, StartOf(checker, all_wanted_), manners);
}

void Simulation::EndStream(Gateway& gateway) {
  auto& applications = gateway.applications();
  if (applications.empty()) return;
  const std::uint64_t which = choices_.Below(applications.size());
  Application& application = *applications[which];
  if (application.ended() || (faulty() && choices_.OneIn(3))) {
    report_.Trace("a stream is removed");
    gateway.Remove(which);
  } else if (faulty() && choices_.OneIn(2)) {
    application.HalfClose();
  } else {
    application.Drain();
  }
}

void Simulation::BrokerFault() {
  const GroupChecker& group = *choices_.Of(groups_);
  const std::uint64_t what = choices_.Below(11);
  report_.Trace("broker fault {}", what);
  switch (what) {
    case 0:
      return broker_.Revoke(group.group(), choices_.OneIn(3));
    case 1:
      return broker_.CutOff(group.group(), choices_.Below(4), seconds(choices_.Below(20)));
    case 2:
      return broker_.FailCommits(static_cast<int>(choices_.Below(5)));
    case 3:
      return broker_.LoseCommitAnswers(static_cast<int>(choices_.Below(5)));
    case 4:
    case 5:
      commits_held_ = !commits_held_;
      return broker_.HoldCommits(commits_held_);
    case 6:
    case 7:
      reachable_ = !reachable_;
      return broker_.SetReachable(reachable_);
    case 8:
    case 9:
      return ProducerFault();
    default:
      const std::uint64_t topic = choices_.Below(kTopics.size());
      if (partitions_[topic] < 5)
        broker_.AddPartitions(kPrefix + kTopics[topic], ++partitions_[topic]);
  }
}

// Of those that write dead letters.
void Simulation::ProducerFault() {
  const int count = static_cast<int>(choices_.Below(3));
  switch (choices_.Below(5)) {
    case 0:
      return broker_.FailProduces(count, DeliveryReport::Outcome::kNotWritten);
    case 1:
      return broker_.FailProduces(count, DeliveryReport::Outcome::kUnknown);
    case 2:
      return broker_.DuplicateProduces(count);
    case 3:
      return broker_.DenyTopics(choices_.OneIn(2));
    default:
      reports_held_ = !reports_held_;
      return broker_.HoldReports(reports_held_);
  }
}

void Simulation::GatewayFault(Gateway& gateway) {
  if (openedx_ && choices_.OneIn(3)) {
    const bool down = choices_.OneIn(2);
    return gateway.SetRegistry(down, milliseconds(choices_.Below(3000)));
  }
  switch (choices_.Below(6)) {
    case 0:
      return gateway.Crash();
    case 1:
      return gateway.Drain(seconds(choices_.Below(10)));
    case 2:
      return broker_.FailConsumers(choices_.Of(groups_)->group(),
                                   MakeError(Reason::kMemberFenced, "replaced"));
    default:
      if (gateway.applications().empty()) return;
      Application& application = *choices_.Of(gateway.applications());
      application.SetReading(!application.reads());
  }
}

void Simulation::Check() {
  for (auto& group : groups_) group->CheckPositions(time_.Now());
  for (const auto& gateway : gateways_) gateway->CheckBounds();
}

// No faults any more, and applications that do their work.
void Simulation::Heal() {
  report_.Trace("no more faults");
  broker_.SetReachable(true);
  broker_.HoldCommits(false);
  broker_.FailCommits(0);
  broker_.LoseCommitAnswers(0);
  broker_.FailProduces(0, DeliveryReport::Outcome::kNotWritten);
  broker_.DenyTopics(false);
  broker_.HoldReports(false);
  for (auto& gateway : gateways_) {
    gateway->SetRegistry(false, Duration(0));
    for (auto& application : gateway->applications()) {
      application->MendWriting();
      application->SetReading(true);
    }
  }
}

void Simulation::Finish() {
  Heal();
  AckRounds();
  const bool halted = std::any_of(groups_.begin(), groups_.end(),
                                  [&](const auto& group) { return group->halted(time_.Now()); });
  if (halted && !Complete() && !report_.failed()) {
    // Halted records come again after restarts only.
    for (auto& gateway : gateways_) gateway->Crash();
    AckRounds();
  }
  if (report_.failed()) return;
  if (!Complete()) report_.Violation("it stands still, or a record was skipped");
  for (auto& gateway : gateways_) {
    if (gateway->Stop() != 0) report_.Violation("memory was not given back");
  }
}

// Until all is done, or nothing was delivered for longer than anything waits: for its back-off, the
// end of a lease, a member that was cut off.
void Simulation::AckRounds() {
  constexpr int kPatience = 45;
  int idle = 0;
  for (int round = 0; idle < kPatience && !Complete() && !report_.failed(); ++round, ++idle) {
    const std::uint64_t before = deliveries();
    for (auto& gateway : gateways_) {
      gateway->RestartAfterDrain();
      gateway->RemoveEnded();
      for (auto& application : gateway->applications()) application->AckEverything();
      // One that takes everything, of each group. The others may be paused, or name fewer types.
      if (round % 20 != 0 || gateway->draining()) continue;
      for (auto& group : groups_) {
        gateway->Open(++last_stream_, *group, StartOf(*group, true), {});
      }
    }
    broker_.RunUntilIdle();
    time_.Advance(seconds(1));
    Check();
    if (deliveries() != before) idle = 0;
  }
}

bool Simulation::Complete() const {
  return std::all_of(groups_.begin(), groups_.end(),
                     [](const auto& group) { return group->complete(); });
}

std::uint64_t Simulation::deliveries() const {
  std::uint64_t all = 0;
  for (const auto& group : groups_) all += group->deliveries();
  return all;
}

Outcome RunSeed(std::uint64_t seed, Faults faults) {
  const auto run = [&](Report& report) {
    Simulation simulation(seed, faults, report);
    simulation.Run();
    return Outcome{report.violation(), fmt::format("{}", fmt::join(report.lines(), "\n")),
                   simulation.deliveries(), simulation.simulated()};
  };
  Report report;
  Outcome outcome = run(report);
  if (outcome.violation.empty()) return outcome;
  Report traced(true);
  outcome.trace = run(traced).trace;
  if (traced.violation() != outcome.violation) {
    outcome.violation += "; and the same seed ran differently the second time";
  }
  return outcome;
}

}  // namespace sidebus::simulation
