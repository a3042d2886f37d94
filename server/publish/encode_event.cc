#include "server/publish/encode_event.h"

#include <optional>
#include <utility>

#include "server/base/error.h"
#include "server/codec/cloudevents.h"
#include "server/publish/refusals.h"

namespace sidebus {
namespace {

// The key of one route. `before` is the route before it and `slot_before` has its key; null for the
// first.
absl::Status ReadKey(const Event& event, const Route& route, const Route* before,
                     const Slot* slot_before, std::optional<std::string>& key) {
  key.reset();  // of an event that was refused before this one
  if (event.key.has_value()) {
    key = event.key;
    return absl::OkStatus();
  }
  if (!route.key_path.has_value()) return absl::OkStatus();
  if (before != nullptr && before->key_path.has_value() &&
      before->key_path->text() == route.key_path->text()) {
    key = slot_before->record.key;
    return absl::OkStatus();
  }
  if (!event.data.has_value()) return NoKeyWithoutData(event.type, route.key_path->text());
  auto found = route.key_path->Extract(*event.data);
  if (!found.ok()) return WithMetadata(found.status(), error_key::kEventType, event.type);
  key = *std::move(found);
  return absl::OkStatus();
}

}  // namespace

absl::Status EncodeEvent(Event&& event, std::span<const PlannedRoute> routes,
                         std::uint64_t max_event_bytes, std::span<Slot> slots) {
  const std::size_t size_without_key = SizeOf(event) - (event.key ? event.key->size() : 0);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const Route* before = i == 0 ? nullptr : routes[i - 1].route;
    const Slot* slot_before = i == 0 ? nullptr : &slots[i - 1];
    std::optional<std::string>& key = slots[i].record.key;
    const auto status = ReadKey(event, *routes[i].route, before, slot_before, key);
    if (!status.ok()) return status;
    const std::uint64_t size = size_without_key + (key.has_value() ? key->size() : 0);
    if (size > max_event_bytes) return EventTooLarge(size, max_event_bytes);
  }

  Slot& last = slots.back();
  last.record = EncodeCloudEvent(std::move(event), std::move(last.record.key));
  for (Slot& slot : slots.first(slots.size() - 1)) {
    slot.record.value = last.record.value;
    slot.record.headers = last.record.headers;
  }
  for (std::size_t i = 0; i < routes.size(); ++i) slots[i].SetLane(*routes[i].lane);
  return absl::OkStatus();
}

}  // namespace sidebus
