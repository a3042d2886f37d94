#include "server/app/gateway.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "server/app/options.h"
#include "server/app/outside_options.h"
#include "server/app/schemas.h"
#include "server/app/version.h"
#include "server/base/log.h"
#include "server/broker/embedded/embedded_broker.h"
#include "server/broker/kafka/kafka_broker.h"
#include "server/metrics/process_metrics.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What is kept of `shutdown.grace` for the last commits, for flushing and answering: half at most.
constexpr Duration kFlushTime = seconds(3);

constexpr char kStopping[] = "the gateway is stopping";

absl::StatusOr<std::unique_ptr<Broker>> MakeBroker(const Config& config, const Router& router,
                                                   KafkaMetrics& metrics) {
  KafkaBrokerOptions options = KafkaBrokerOptionsOf(config);
  options.metrics = &metrics;
  if (config.broker.kind == BrokerKind::kEmbedded) {
    options.group_protocol = GroupProtocol::kClassic;
    EmbeddedBrokerOptions embedded;
    embedded.topics = FullTopicsOf(router);
    embedded.kafka = std::move(options);
    return EmbeddedBroker::Make(std::move(embedded));
  }
  return std::make_unique<KafkaBroker>(std::move(options));
}

AdminServer::Options ProbesOptions(const Address& address) {
  return {.host = address.host, .port = address.port, .probes_only = true};
}

AdminServer::Options AdminOptions(const Config& config) {
  return {.host = config.admin.host,
          .port = config.admin.port,
          .has_pages = config.admin_pages || config.admin.is_loopback()};
}

}  // namespace

Gateway::Gateway(const Config& config)
    : config_(config),
      publish_budget_(ShareMemory(config.limits.memory).publish),
      subscribe_budget_(ShareMemory(config.limits.memory).subscribe),
      dead_letter_budget_(ShareMemory(config.limits.memory).dead_letters),
      publish_metrics_(metrics_),
      subscribe_metrics_(metrics_, config.metrics_max_groups) {
  health_ = Health::Make({config.readiness, config.startup_require_broker}, Clock::Real(), timers_);
  status_ = std::make_unique<GatewayStatus>(*health_, Clock::Real());
}

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const Config& config) {
  std::unique_ptr<Gateway> gateway(new Gateway(config));
  const absl::Status started = gateway->StartParts();
  if (!started.ok()) return started;
  return gateway;
}

absl::Status Gateway::StartParts() {
  auto router = Router::Make(config_.producer_config, config_.topic_prefix, config_.encoding);
  if (!router.ok()) return router.status();
  router_ = *std::move(router);

  auto admin = AdminServer::Start(AdminOptions(config_), metrics_, *health_, *status_);
  if (!admin.ok()) return admin.status();
  admin_ = *std::move(admin);
  if (config_.probes.has_value()) {
    auto probes = AdminServer::Start(ProbesOptions(*config_.probes), metrics_, *health_, *status_);
    if (!probes.ok()) return probes.status();
    probes_ = *std::move(probes);
  }

  auto broker = MakeBroker(config_, *router_, kafka_metrics_);
  if (!broker.ok()) return broker.status();
  broker_ = *std::move(broker);

  if (const absl::Status made = MakePublisher(); !made.ok()) return made;
  auto producer = broker_->MakeProducer(*publisher_);
  if (!producer.ok()) return producer.status();
  producer_ = *std::move(producer);
  publisher_->Start(*producer_);
  health_->SetProducer(producer_.get());

  if (config_.dead_letter.use == Switch::kOn) {
    dead_letters_ = std::make_unique<DeadLetters>(DeadLetterOptionsOf(config_), router_, *producer_,
                                                  dead_letter_budget_, Clock::Real(), timers_);
    health_->AddNote("dead-letters", [this] {
      const std::size_t missing = dead_letters_->missing_topics();
      return missing == 0 ? std::string()
                          : fmt::format("wait: {} of their topics missing (see the log)", missing);
    });
  }
  subscriptions_ = std::make_unique<LiveSubscriptions>(
      SubscribeOptionsOf(config_), router_, *broker_, subscribe_budget_, Clock::Real(), timers_,
      subscribe_metrics_, dead_letters_.get(), schemas_.get());
  rpc_ = std::make_unique<RpcServer>(
      RpcServerOptionsOf(config_, *router_, own_schemas_),
      RpcBackends{*publisher_,
                  [this](SubscribeStart start, StreamSink& sink) {
                    return subscriptions_->Open(std::move(start), sink);
                  },
                  publish_budget_, [this] { return router_; },
                  [this] { return producer_->condition(); },
                  [this] { return subscriptions_->draining(); }, Clock::Real(), metrics_});
  auto addresses = rpc_->Start();
  if (!addresses.ok()) return addresses.status();
  addresses_ = *std::move(addresses);
  if (config_.admin_api.has_value()) {
    if (const absl::Status started = StartAdminApi(); !started.ok()) return started;
  }

  AddMetrics();
  status_->Show(router_, *subscriptions_, *broker_);
  health_->SetListening();
  SetServing(true);
  return absl::OkStatus();
}

absl::Status Gateway::MakePublisher() {
  auto schemas = MakeSchemaCache(config_.schema_registry, SchemaCacheOptionsOf(config_), metrics_);
  if (!schemas.ok()) return schemas.status();
  schemas_ = *std::move(schemas);
  const std::vector<SchemaFile> files = ReadSchemaFiles(config_);
  auto own = SchemasOf(files);
  if (!own.ok()) return own.status();
  own_schemas_ = *std::move(own);
  for (const UnusableKey& key : FindUnusableKeys(config_, files)) {
    Log(LogLevel::kWarning, "events of this type cannot be published: their key is no key",
        {{"event_type", key.event_type}, {"topic", key.topic}, {"why", key.why}});
  }
  publisher_ = std::make_unique<Publisher>(PublisherOptionsOf(config_, own_schemas_), router_,
                                           publish_budget_, Clock::Real(), timers_,
                                           publish_metrics_, schemas_.get());
  const bool loads = config_.schema_registry.registering == RegisterSchemas::kLoad;
  if (loads && schemas_ != nullptr) LoadSchemas();
  return absl::OkStatus();
}

void Gateway::LoadSchemas() {
  schema_loader_ = SchemaLoader::Start(SubjectSchemasOf(*router_, own_schemas_), *schemas_,
                                       Clock::Real(), timers_);
  health_->AddNote("schemas", [loader = schema_loader_] {
    const auto [waiting, refused] = loader->progress();
    return waiting + refused == 0
               ? std::string()
               : fmt::format("{} not registered yet, {} refused (see the log)", waiting, refused);
  });
}

absl::Status Gateway::StartAdminApi() {
  auto groups = broker_->MakeGroupAdmin();
  if (!groups.ok()) return groups.status();
  groups_ = *std::move(groups);
  operator_ = std::make_unique<Operator>(OperateWorld{
      .subscriptions = *subscriptions_,
      .groups = *groups_,
      .broker = *broker_,
      .producer = *producer_,
      .budget = dead_letter_budget_,
      .router = router_,
      .clock = Clock::Real(),
      .timers = timers_,
      .drain_grace = config_.shutdown_grace,
      .revoke_grace = config_.subscribe.revoke_grace,
  });
  admin_rpc_ =
      std::make_unique<AdminRpcServer>(AdminRpcServerOptionsOf(config_), *operator_, metrics_);
  auto address = admin_rpc_->Start();
  if (!address.ok()) return address.status();
  admin_address_ = *std::move(address);
  return absl::OkStatus();
}

void Gateway::SetServing(bool serving) {
  rpc_->SetServing(serving);
  if (admin_rpc_ != nullptr) admin_rpc_->SetServing(serving);
}

void Gateway::AddMetrics() {
  AddProcessMetrics(metrics_);
  metrics_
      .AddGauge("sidebus_build_info", "Constant 1, build information.",
                {{"version", std::string(kVersion)},
                 {"revision", std::string(kRevision)},
                 {"librdkafka", KafkaLibraryVersion()},
                 {"grpc", RpcLibraryVersion()}})
      .Set(1);
  Gauge ready = metrics_.AddGauge("sidebus_ready", "1 if /readyz answers ok.");
  Gauge connected =
      metrics_.AddGauge("sidebus_kafka_broker_connected", "1 if a broker connection is up.",
                        {{"client", "producer"}, {"broker", "any"}});
  constexpr std::string_view kUsed = "sidebus_memory_budget_used_bytes";
  constexpr std::string_view kLimit = "sidebus_memory_budget_limit_bytes";
  constexpr std::string_view kUsedHelp = "Bytes of the memory budget in use, by part.";
  constexpr std::string_view kLimitHelp = "Bytes of the memory budget, by part.";
  const auto add_budget = [&](std::string_view part, const MemoryBudget& budget) {
    const Labels labels = {{"part", std::string(part)}};
    metrics_.AddGauge(kLimit, kLimitHelp, labels).Set(static_cast<double>(budget.limit()));
    return [used = metrics_.AddGauge(kUsed, kUsedHelp, labels), &budget]() mutable {
      used.Set(static_cast<double>(budget.used()));
    };
  };
  auto set_publish = add_budget("publish", publish_budget_);
  auto set_subscribe = add_budget("subscribe", subscribe_budget_);
  auto set_dead_letter = add_budget("dead_letter", dead_letter_budget_);
  if (schemas_ != nullptr) {
    const Labels labels = {{"part", "schemas"}};
    metrics_.AddGauge(kLimit, kLimitHelp, labels)
        .Set(static_cast<double>(ShareMemory(config_.limits.memory).schemas));
    metrics_.BeforeSerialize([used = metrics_.AddGauge(kUsed, kUsedHelp, labels), this]() mutable {
      used.Set(static_cast<double>(schemas_->bytes() + publisher_->schema_bytes() +
                                   subscriptions_->schema_bytes()));
    });
  }
  AddConfigMetrics();
  Gauge missing =
      metrics_.AddGauge("sidebus_dead_letter_topics_missing",
                        "Dead-letter topics that do not exist, for which letters wait.");
  Gauge draining =
      metrics_.AddGauge("sidebus_draining", "1 while deliveries are drained or the gateway stops.");
  metrics_.BeforeSerialize([=, this]() mutable {
    ready.Set(health_->Ready().ok ? 1 : 0);
    draining.Set(subscriptions_->draining() ? 1 : 0);
    connected.Set(health_->broker_reachable() ? 1 : 0);
    if (dead_letters_ != nullptr) {
      missing.Set(static_cast<double>(dead_letters_->missing_topics()));
    }
    subscriptions_->UpdateMetrics();
    set_publish();
    set_subscribe();
    set_dead_letter();
  });
}

// Of the configuration that is in force: this version reads it once.
void Gateway::AddConfigMetrics() {
  metrics_
      .AddGauge("sidebus_config_last_reload_successful",
                "1 if the last load of the configuration was accepted.")
      .Set(1);
  metrics_
      .AddGauge("sidebus_config_last_reload_success_timestamp_seconds",
                "Time when the configuration in force was loaded.")
      .Set(std::chrono::duration<double>(Clock::Real().WallNow().time_since_epoch()).count());
  std::size_t publish = 0;
  std::size_t subscribe = 0;
  for (const EventTypeRoutes& type : router_->event_types()) {
    if (std::ranges::any_of(type.routes, &Route::enabled)) ++publish;
    if (!type.routes.empty()) ++subscribe;
  }
  constexpr std::string_view kName = "sidebus_event_types";
  constexpr std::string_view kHelp = "Event types of the producer config, by what can be done.";
  metrics_.AddGauge(kName, kHelp, {{"direction", "publish"}}).Set(static_cast<double>(publish));
  metrics_.AddGauge(kName, kHelp, {{"direction", "subscribe"}}).Set(static_cast<double>(subscribe));
}

std::string Gateway::ReadyLine() const {
  const std::string bootstrap = broker_->bootstrap_servers();
  const std::size_t types = router_->event_types().size();
  return fmt::format("sidebus {} is ready: API {}; admin {}{}{}; broker {}{}{}; {} event type{}",
                     kVersion, fmt::join(addresses_, ", "), admin_->address(),
                     admin_address_.empty() ? "" : "; admin API ", admin_address_, broker_->kind(),
                     bootstrap.empty() ? "" : " at ", bootstrap, types, types == 1 ? "" : "s");
}

Gateway::Leftovers Gateway::Stop(Signals& signals) {
  const SteadyTime end = Clock::Real().Now() + config_.shutdown_grace;
  const Duration flush_time = std::min(kFlushTime, config_.shutdown_grace / 2);
  const Duration answer_time = flush_time / 6;
  rpc_->BeginDrain(config_.shutdown_grace, kStopping);
  if (operator_ != nullptr) operator_->Stop();
  Leftovers left = SettleHeld(signals, end - flush_time, answer_time);
  left.unflushed = FlushPublished(signals, end - 2 * answer_time, answer_time);
  // Every call has its answer now; what is still open are streams whose clients do not let go.
  const SteadyTime answered = Clock::Real().Now() + answer_time;
  rpc_->Shutdown(answered);
  if (admin_rpc_ != nullptr) admin_rpc_->Shutdown(answered);
  Log(LogLevel::kInfo, "stopped",
      {{"unsettled", left.unsettled},
       {"uncommitted", left.uncommitted},
       {"unflushed", left.unflushed}});
  return left;
}

Gateway::Leftovers Gateway::SettleHeld(Signals& signals, SteadyTime until, Duration commit_time) {
  auto drained = std::make_shared<EventFlag>();
  const Duration grace = std::max<Duration>(until - Clock::Real().Now(), Duration(0));
  Log(LogLevel::kInfo, "stopping: no new deliveries, held ones may settle",
      {{"held", subscriptions_->held()}, {"streams", subscriptions_->streams()}});
  subscriptions_->Drain(grace, kStopping, DrainFor::kGood,
                        [drained](std::size_t) { drained->Raise(); });
  const auto woken = signals.WaitUntil(until + commit_time, drained.get());
  cut_short_ = woken == Signals::Woken::kSignal;
  Leftovers sum;
  for (const GroupLeftovers& left : subscriptions_->Leftovers()) {
    Log(LogLevel::kError, "not all of a group could be settled and committed: the rest comes again",
        {{"group", left.group},
         {"unsettled", left.unsettled},
         {"uncommitted_acks", left.uncommitted},
         {"why", left.uncommitted > 0 ? left.why
                 : cut_short_         ? "a second signal"
                                      : "nobody settled it in time"}});
    sum.unsettled += left.unsettled;
    sum.uncommitted += left.uncommitted;
  }
  return sum;
}

std::size_t Gateway::FlushPublished(Signals& signals, SteadyTime until, Duration purge_time) {
  publisher_->Refuse();
  SetServing(false);
  // The producer may have events whose calls were answered long ago: fate unknown.
  const auto pending = [&] {
    return publisher_->in_flight_events() > 0 || producer_->in_flight() > 0;
  };
  while (!cut_short_ && pending() && Clock::Real().Now() < until) {
    const SteadyTime slice = Clock::Real().Now() + milliseconds(20);
    producer_->Flush(std::min(slice, until));
    const SteadyTime wait = producer_->in_flight() > 0 ? Clock::Real().Now() : slice;
    cut_short_ = signals.WaitUntil(std::min(wait, until)) == Signals::Woken::kSignal;
  }
  const std::size_t waiting = publisher_->DropWaiting();
  const std::size_t handed_over = producer_->in_flight();
  producer_->Purge();
  producer_->Flush(Clock::Real().Now() + purge_time);  // the purge's own reports
  const std::size_t lost = waiting + handed_over;
  if (lost > 0) {
    Log(LogLevel::kError, "events could not be flushed; their callers were told",
        {{"not_written", waiting}, {"unknown_or_not_written", handed_over}});
  }
  return lost;
}

Gateway::~Gateway() {
  metrics_.DropUpdates();
  status_->Hide();
  health_->SetProducer(nullptr);
  health_->DropNotes();
  if (schema_loader_ != nullptr) schema_loader_->Stop();
  rpc_.reset();
  admin_rpc_.reset();
  operator_.reset();
  groups_.reset();
  subscriptions_.reset();
  dead_letters_.reset();
  schemas_.reset();  // its last answers go through the publisher to the producer
  producer_.reset();
}

}  // namespace sidebus
