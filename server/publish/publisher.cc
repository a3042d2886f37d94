#include "server/publish/publisher.h"

#include <algorithm>
#include <utility>

#include "server/base/check.h"
#include "server/codec/cloudevents.h"
#include "server/metrics/publish_metrics.h"
#include "server/publish/encode_event.h"
#include "server/publish/join.h"
#include "server/publish/openedx_writer.h"
#include "server/publish/plan.h"
#include "server/publish/refusals.h"
#include "server/publish/waiting_room.h"

namespace sidebus {

namespace {

bool IsOpenedx(const PlannedRoute& route) {
  return route.route->encoding == RecordEncoding::kOpenedx;
}

}  // namespace

// Shared with the timers of calls, which may run while the Publisher is being destroyed.
class Publisher::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(PublisherOptions options, std::shared_ptr<const Router> router, MemoryBudget& budget,
       const Clock& clock, Timers& timers, PublishMetrics& metrics)
      : options_(std::move(options)),
        router_(std::move(router)),
        services_{budget, clock, timers, metrics} {}

  void UseSchemas(SchemaCache* schemas);
  void Start(Producer& producer);
  std::optional<Results> Publish(PublishBatch batch, Done done);

  void Refuse() {
    refusing_.store(true, std::memory_order_relaxed);
    room_.Close();
  }
  std::size_t DropWaiting() { return room_.Drop(Draining()); }
  void OnReadinessChanged() { room_.OnChange(); }
  std::size_t in_flight_events() const { return services_.events_in_flight; }
  std::uint64_t in_flight_bytes() const { return services_.bytes_in_flight; }
  std::size_t schema_bytes() { return openedx_.has_value() ? openedx_->schema_bytes() : 0; }

 private:
  // The routes of an event of a batch; empty when it is refused.
  using Routes = std::vector<std::span<const PlannedRoute>>;

  SteadyTime AnswerBy(SteadyTime deadline, SteadyTime now) const;
  absl::Status RefuseAll(SteadyTime answer_by, SteadyTime now) const;
  absl::StatusOr<std::span<const PlannedRoute>> RoutesOf(const Event& event,
                                                         const PlannedType* type,
                                                         const std::string& topic) const;
  void Encode(std::vector<Event> events, const Routes& routes, Join& join);
  void Complete(Event& event, std::span<const PlannedRoute> routes, SystemTime now);
  absl::Status EncodeOne(Event& event, std::span<const PlannedRoute> routes, std::span<Slot> slots);
  void HandOn(Join& join);
  void OnDeadline(Join& join);

  const PublisherOptions options_;
  const std::shared_ptr<const Router> router_;
  PublishServices services_;
  Producer* producer_ = nullptr;
  std::shared_ptr<const Plan> plan_;
  std::atomic<bool> refusing_{false};
  WaitingRoom room_;
  std::optional<OpenedxWriter> openedx_;  // nullopt: no route writes so
};

void Publisher::Impl::UseSchemas(SchemaCache* schemas) {
  SIDEBUS_CHECK(options_.openedx.has_value() || !router_->has_openedx());
  if (!options_.openedx.has_value()) return;
  SIDEBUS_CHECK(schemas != nullptr);
  openedx_.emplace(*options_.openedx, options_.max_event_bytes, *schemas, services_.clock,
                   [weak = weak_from_this()] {
                     if (const auto self = weak.lock(); self != nullptr) self->room_.OnChange();
                   });
}

void Publisher::Impl::Start(Producer& producer) {
  producer_ = &producer;
  plan_ = std::make_shared<const Plan>(router_, producer, services_.metrics);
  room_.Start(producer);
  services_.metrics.Watch(
      services_.budget.limit(),
      [weak = weak_from_this()]() -> std::optional<PublishMetrics::InFlight> {
        const auto self = weak.lock();
        if (self == nullptr) return std::nullopt;
        return PublishMetrics::InFlight{self->in_flight_events(), self->in_flight_bytes()};
      });
}

std::optional<Publisher::Results> Publisher::Impl::Publish(PublishBatch batch, Done done) {
  SIDEBUS_CHECK(producer_ != nullptr);
  if (batch.events.empty()) return Results{};
  const SteadyTime now = services_.clock.Now();
  const SteadyTime answer_by = AnswerBy(batch.deadline, now);
  const absl::Status all = RefuseAll(answer_by, now);
  const auto join = std::make_shared<Join>(services_, plan_, batch.events.size(), std::move(done),
                                           batch.want_positions);

  Routes routes(batch.events.size());
  std::size_t slots = 0;
  for (std::size_t i = 0; i < batch.events.size(); ++i) {
    const Event& event = batch.events[i];
    Join::EventState& state = join->events()[i];
    state.type = plan_->Find(event.type);
    auto found = all.ok() ? RoutesOf(event, state.type, batch.topic) : all;
    if (!found.ok()) {
      if (event.id.size() <= kMaxIdBytes) state.id = event.id;  // the answer stays small
      state.refusal = NotWritten(found.status());
      continue;
    }
    routes[i] = *found;
    slots += found->size();
  }

  join->Reserve(slots);
  Encode(std::move(batch.events), routes, *join);
  join->Open();
  HandOn(*join);

  TimerId timer;
  if (join->HasOpenSlots()) {
    timer = services_.timers.At(answer_by,
                                [self = shared_from_this(), join] { self->OnDeadline(*join); });
  }
  if (!join->EndHandOn(timer)) return std::nullopt;
  services_.timers.Cancel(timer);
  return join->TakeResults();
}

SteadyTime Publisher::Impl::AnswerBy(SteadyTime deadline, SteadyTime now) const {
  const SteadyTime latest = now + options_.timeout;
  if (deadline == SteadyTime{}) return latest;
  constexpr Duration kLeastMargin = std::chrono::milliseconds(50);
  const Duration margin = std::max(kLeastMargin, (deadline - now) / 20);
  return std::min(latest, deadline - margin);
}

absl::Status Publisher::Impl::RefuseAll(SteadyTime answer_by, SteadyTime now) const {
  if (refusing_.load(std::memory_order_relaxed)) return Draining();
  if (answer_by <= now) return DeadlineTooShort();
  return absl::OkStatus();
}

absl::StatusOr<std::span<const PlannedRoute>> Publisher::Impl::RoutesOf(
    const Event& event, const PlannedType* type, const std::string& topic) const {
  if (auto status = ValidateEvent(event); !status.ok()) return status;
  if (type == nullptr) return EventTypeUnknown(event.type);
  const auto routes = type->Select(topic);
  if (routes.empty()) {
    if (!topic.empty() && type->config->FindTopic(topic) == nullptr) {
      return TopicNotRouted(event.type, topic);
    }
    return RouteDisabled(event.type, topic);
  }
  return routes;
}

// An event has the same id in every topic: one that Open edX reads, if some of them are so.
void Publisher::Impl::Complete(Event& event, std::span<const PlannedRoute> routes, SystemTime now) {
  if (std::ranges::any_of(routes, IsOpenedx)) return openedx_->Complete(event);
  if (event.id.empty()) event.id = RandomUuid();
  if (event.source.empty()) event.source = options_.source;
  if (!event.time.has_value()) event.time = now;
}

void Publisher::Impl::Encode(std::vector<Event> events, const Routes& routes, Join& join) {
  const SystemTime now = services_.clock.WallNow();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (routes[i].empty()) continue;
    Event& event = events[i];
    Complete(event, routes[i], now);
    Join::EventState& state = join.events()[i];
    state.id = event.id;
    const std::span<Slot> slots = join.NextSlots(routes[i].size());
    const auto status = EncodeOne(event, routes[i], slots);
    event.data.reset();  // where it was not moved into a record
    if (status.ok()) {
      join.TakeSlots(state, slots.size());
    } else {
      state.refusal = NotWritten(status);
    }
  }
}

// Routes of one encoding that stand together are encoded together, in fan-out order. Takes the event
// apart.
absl::Status Publisher::Impl::EncodeOne(Event& event, std::span<const PlannedRoute> routes,
                                        std::span<Slot> slots) {
  for (Slot& slot : slots) {
    slot.key_id.reset();  // of an event that was refused before this one
    slot.value_id.reset();
  }
  std::optional<Event> copy;  // to take apart while others need the event
  while (true) {
    const bool openedx = IsOpenedx(routes.front());
    const auto end = std::ranges::find_if(
        routes, [openedx](const PlannedRoute& route) { return IsOpenedx(route) != openedx; });
    const auto count = static_cast<std::size_t>(end - routes.begin());
    const bool last = count == routes.size();
    const auto status =
        openedx ? openedx_->Encode(event, routes.first(count), slots.first(count))
                : EncodeEvent(last ? std::move(event) : std::move(copy.emplace(event)),
                              routes.first(count), options_.max_event_bytes, slots.first(count));
    if (!status.ok() || last) return status;
    routes = routes.subspan(count);
    slots = slots.subspan(count);
  }
}

void Publisher::Impl::HandOn(Join& join) {
  // Events of one batch mostly go to one topic: its readiness is asked for once in a row.
  const TopicLane* asked = nullptr;
  TopicReadiness readiness = TopicReadiness::kWaiting;

  for (std::size_t i = 0; i < join.events().size(); ++i) {
    Join::EventState& state = join.events()[i];
    if (state.slot_count == 0) continue;
    const TopicLane* missing = nullptr;
    bool waits = false;
    for (const Slot& slot : join.slots_of(state)) {
      if (slot.lane != asked) {
        asked = slot.lane;
        readiness = slot.lane->topic->readiness();
      }
      if (readiness == TopicReadiness::kMissing) missing = slot.lane;
      waits = waits || readiness == TopicReadiness::kWaiting || slot.lacks_ids() ||
              slot.lane->waiting.load(std::memory_order_acquire) > 0;
    }
    if (missing != nullptr) {
      join.Fail(i, TopicMissing(missing->name));
    } else if (!waits) {
      join.Produce(*producer_, i);
    } else if (const auto status = room_.Enter(join, i); !status.ok()) {
      join.Fail(i, status);
    }
  }
}

void Publisher::Impl::OnDeadline(Join& join) {
  const bool none_open = room_.Leave(join, BrokerDown());
  if (none_open || join.Expire()) join.Answer();
}

Publisher::Publisher(PublisherOptions options, std::shared_ptr<const Router> router,
                     MemoryBudget& budget, const Clock& clock, Timers& timers,
                     PublishMetrics& metrics, SchemaCache* schemas)
    : impl_(std::make_shared<Impl>(std::move(options), std::move(router), budget, clock, timers,
                                   metrics)) {
  impl_->UseSchemas(schemas);
}

Publisher::~Publisher() {
  impl_->Refuse();
  impl_->DropWaiting();
}

void Publisher::Start(Producer& producer) { impl_->Start(producer); }

std::optional<Publisher::Results> Publisher::Publish(PublishBatch batch, Done done) {
  return impl_->Publish(std::move(batch), std::move(done));
}

void Publisher::Refuse() { impl_->Refuse(); }
std::size_t Publisher::DropWaiting() { return impl_->DropWaiting(); }
std::size_t Publisher::in_flight_events() const { return impl_->in_flight_events(); }
std::uint64_t Publisher::in_flight_bytes() const { return impl_->in_flight_bytes(); }
std::size_t Publisher::schema_bytes() const { return impl_->schema_bytes(); }
void Publisher::OnReadinessChanged() { impl_->OnReadinessChanged(); }

}  // namespace sidebus
