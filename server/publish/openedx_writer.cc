#include "server/publish/openedx_writer.h"

#include <algorithm>
#include <utility>

#include "server/base/error.h"
#include "server/publish/refusals.h"

namespace sidebus {

OpenedxWriter::OpenedxWriter(OpenedxOptions options, std::uint64_t max_event_bytes,
                             SchemaCache& cache, const Clock& clock,
                             std::function<void()> on_answer)
    : registering_(options.registering),
      max_event_bytes_(max_event_bytes),
      cache_(cache),
      on_answer_(std::move(on_answer)),
      encoder_(std::move(options.defaults), max_event_bytes, clock),
      parsed_(options.schema_bytes) {
  constexpr auto kOptions = OpenedxSchema::Origin::kOptions;
  for (const auto& [type, schema] : options.schemas.by_type) {
    known_[type].of_type = std::make_shared<OpenedxSchema>(schema, kOptions);
  }
  for (const auto& [route, schema] : options.schemas.by_route) {
    known_[route.first].of_routes.emplace_back(route.second,
                                               std::make_shared<OpenedxSchema>(schema, kOptions));
  }
}

absl::Status OpenedxWriter::Encode(const Event& event, std::span<const PlannedRoute> routes,
                                   std::span<Slot> slots) {
  if (const std::uint64_t size = SizeOf(event); size > max_event_bytes_) {
    return EventTooLarge(size, max_event_bytes_);
  }
  SharedSchema brought;
  if (!event.schema.empty()) {
    auto parsed = parsed_.Find(event.schema);
    if (!parsed.ok()) return parsed.status();
    brought = *std::move(parsed);
  }
  const auto known = known_.find(event.type);

  std::vector<SharedSchema> schemas;
  std::vector<std::shared_ptr<const OpenedxRoute>> targets;
  schemas.reserve(routes.size());
  targets.reserve(routes.size());
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const Route& route = *routes[i].route;
    schemas.push_back(
        SchemaOf(known == known_.end() ? nullptr : &known->second, route.topic, brought));
    if (schemas[i] == nullptr) return SchemaMissing(event.type);
    auto target = schemas[i]->On(event.type, route);
    if (!target.ok()) return target.status();
    targets.push_back(*std::move(target));
    const AvroFieldPath* key = targets[i]->key.has_value() ? &*targets[i]->key : nullptr;
    const bool as_before = i > 0 && schemas[i] == schemas[i - 1] && key != nullptr &&
                           targets[i - 1]->key.has_value() &&
                           key->text() == targets[i - 1]->key->text();
    if (as_before) {
      slots[i].record = slots[i - 1].record;
    } else {
      auto record = encoder_.Encode(event, {*targets[i]->schema, SchemaId(), key, SchemaId()});
      if (!record.ok()) return record.status();
      slots[i].record = *std::move(record);
    }
  }
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const bool registers = Registers(*schemas[i]);
    Slot& slot = slots[i];
    if (targets[i]->key_id != nullptr) {  // the key's first, as in Python
      const auto status = FindId(*targets[i]->key_id, registers, *slot.record.key, slot.key_id);
      if (!status.ok()) return status;
    }
    const auto status = FindId(*targets[i]->value_id, registers, *slot.record.value, slot.value_id);
    if (!status.ok()) return status;
    slot.SetLane(*routes[i].lane);
  }
  return absl::OkStatus();
}

OpenedxWriter::SharedSchema OpenedxWriter::SchemaOf(const Known* known, const std::string& topic,
                                                    const SharedSchema& brought) {
  if (known == nullptr) return brought;
  const auto of_route = std::ranges::find_if(
      known->of_routes, [&topic](const auto& route) { return route.first == topic; });
  const SharedSchema& own = of_route == known->of_routes.end() ? known->of_type : of_route->second;
  if (brought == nullptr || own == nullptr) return brought == nullptr ? own : brought;
  // What comes with the event is mostly what the gateway has, and then it is the gateway's.
  return brought->text() == own->text() ? own : brought;
}

bool OpenedxWriter::Registers(const OpenedxSchema& schema) const {
  if (registering_ == Registering::kOwn) return schema.origin() == OpenedxSchema::Origin::kOptions;
  return registering_ == Registering::kAll;
}

absl::Status OpenedxWriter::FindId(SubjectSchemaId& wanted, bool registers, std::string& framed,
                                   std::shared_ptr<const SchemaAnswer>& later) {
  const auto ask = [this, registers](const SubjectSchema& schema, SubjectSchemaId::Later answer) {
    const auto method = registers ? &SchemaCache::Register : &SchemaCache::FindId;
    return (cache_.*method)(schema, [answer = std::move(answer),
                                     wake = on_answer_](absl::StatusOr<SchemaId> id) mutable {
      answer(std::move(id));
      wake();
    });
  };
  auto found = wanted.Find(ask);
  if (!found.ok()) return found.status();
  if (found->later == nullptr) {
    SetConfluentId(framed, found->id);
  } else {
    later = std::move(found->later);
  }
  return absl::OkStatus();
}

}  // namespace sidebus
