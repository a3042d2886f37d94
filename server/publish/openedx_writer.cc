#include "server/publish/openedx_writer.h"

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
  for (auto& [type, schema] : options.schemas) {
    known_.emplace(type, std::make_shared<OpenedxSchema>(std::move(schema), OpenedxSchema::Origin::kOptions));
  }
}

absl::Status OpenedxWriter::Encode(const Event& event, std::span<const PlannedRoute> routes,
                                   std::span<Slot> slots) {
  if (const std::uint64_t size = SizeOf(event); size > max_event_bytes_) {
    return EventTooLarge(size, max_event_bytes_);
  }
  const auto schema = SchemaOf(event);
  if (!schema.ok()) return schema.status();

  std::vector<std::shared_ptr<const OpenedxRoute>> targets;
  targets.reserve(routes.size());
  for (std::size_t i = 0; i < routes.size(); ++i) {
    auto target = (*schema)->On(event.type, *routes[i].route);
    if (!target.ok()) return target.status();
    targets.push_back(*std::move(target));
    const AvroFieldPath* key = targets[i]->key.has_value() ? &*targets[i]->key : nullptr;
    const bool as_before = i > 0 && key != nullptr && targets[i - 1]->key.has_value() &&
                           key->text() == targets[i - 1]->key->text();
    if (as_before) {
      slots[i].record = slots[i - 1].record;
    } else {
      auto record = encoder_.Encode(event, {*targets[i]->schema, SchemaId(), key, SchemaId()});
      if (!record.ok()) return record.status();
      slots[i].record = *std::move(record);
    }
  }
  const bool registers = Registers(**schema);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    Slot& slot = slots[i];
    slot.key_id.reset();  // of an event that was refused before this one
    slot.value_id.reset();
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

absl::StatusOr<std::shared_ptr<OpenedxSchema>> OpenedxWriter::SchemaOf(const Event& event) {
  const auto known = known_.find(event.type);
  if (event.schema.empty()) {
    if (known == known_.end()) return SchemaMissing(event.type);
    return known->second;
  }
  auto parsed = parsed_.Find(event.schema);
  if (!parsed.ok() || known == known_.end()) return parsed;
  // What comes with the event is mostly what the gateway has, and then it is the gateway's.
  return (*parsed)->text() == known->second->text() ? known->second : parsed;
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
