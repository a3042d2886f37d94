#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "server/event/event.h"
#include "server/publish/join.h"
#include "server/publish/plan.h"

namespace sidebus {

// Turns one valid event into the records of its routes.
//
// Takes the event apart: the payload is moved into the last route's record, and copied only for the
// others. The data is parsed only where a route has a key field and the event no key, and once for
// routes with the same one. On failure (KEY_FIELD_MISSING, EVENT_INVALID, EVENT_TOO_LARGE) the
// slots are not to be used.
//
// `slots` is as long as `routes`, which is not empty. The event has id, source and time.
absl::Status EncodeEvent(Event&& event, std::span<const PlannedRoute> routes,
                         std::uint64_t max_event_bytes, std::span<Slot> slots);

}  // namespace sidebus
