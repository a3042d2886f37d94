#include "server/publish/openedx_writer.h"

#include <utility>

#include "server/base/error.h"
#include "server/publish/refusals.h"

namespace sidebus {

OpenedxWriter::OpenedxWriter(OpenedxOptions options, std::uint64_t max_event_bytes,
                             SchemaCache& cache, const Clock& clock,
                             std::function<void()> on_answer)
    : registers_(options.registers),
      max_event_bytes_(max_event_bytes),
      cache_(cache),
      on_answer_(std::move(on_answer)),
      encoder_(std::move(options.defaults), max_event_bytes, clock) {
  for (auto& [type, schema] : options.schemas) {
    known_.emplace(type, std::make_shared<OpenedxSchema>(std::move(schema)));
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
  for (std::size_t i = 0; i < routes.size(); ++i) {
    Slot& slot = slots[i];
    slot.key_id.reset();  // of an event that was refused before this one
    slot.value_id.reset();
    if (targets[i]->key_id != nullptr) {  // the key's first, as in Python
      const auto status = FindId(*targets[i]->key_id, *slot.record.key, slot.key_id);
      if (!status.ok()) return status;
    }
    const auto status = FindId(*targets[i]->value_id, *slot.record.value, slot.value_id);
    if (!status.ok()) return status;
    slot.SetLane(*routes[i].lane);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<OpenedxSchema>> OpenedxWriter::SchemaOf(const Event& event) {
  if (!event.schema.empty()) return parsed_.Find(event.schema);
  const auto known = known_.find(event.type);
  if (known == known_.end()) return SchemaMissing(event.type);
  return known->second;
}

absl::Status OpenedxWriter::FindId(SubjectSchemaId& wanted, std::string& framed,
                                   std::shared_ptr<const SchemaAnswer>& later) {
  const auto ask = [this](const SubjectSchema& schema, SubjectSchemaId::Later answer) {
    const auto method = registers_ ? &SchemaCache::Register : &SchemaCache::FindId;
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
