#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/codec/openedx_encoder.h"
#include "server/codec/schema_cache.h"
#include "server/event/event.h"
#include "server/publish/openedx_options.h"
#include "server/publish/openedx_schema.h"
#include "server/publish/parsed_schemas.h"
#include "server/publish/plan.h"
#include "server/publish/slot.h"

namespace sidebus {

// Turns events into the records that Open edX reads, with the schemas that events bring along or, for
// those that bring none, those of the options.
//
// A record is encoded at once and as a whole. Where the id of a schema is not known, the registry is
// asked, and the slot has the answer to come. So what is wrong with an event never waits for the
// registry, and an event that is wrong registers nothing, unless only a route of another encoding refuses
// it.
//
// Thread safety: all methods may be called from any thread; none blocks.
class OpenedxWriter {
 public:
  // `on_answer` is called on a thread of the registry's, with no lock held, whenever answers that
  // slots have are there. The references outlive it.
  OpenedxWriter(OpenedxOptions options, std::uint64_t max_event_bytes, SchemaCache& cache,
                const Clock& clock, std::function<void()> on_answer);

  // What the schemas of events take, about.
  std::size_t schema_bytes() { return parsed_.bytes(); }

  // Gives the event what it lacks: OpenedxEncoder::Complete().
  void Complete(Event& event) { encoder_.Complete(event); }

  // `slots` is as long as `routes`, which is not empty and of the event's type; they await no ids. The
  // event is valid and complete. On failure the slots are not to be used: SCHEMA_MISSING, EVENT_INVALID (also of
  // the schema), EVENT_TOO_LARGE, KEY_FIELD_MISSING, SCHEMA_MISMATCH, and those of the registry
  // where they are known: REGISTRY_DOWN, SCHEMA_INCOMPATIBLE.
  absl::Status Encode(const Event& event, std::span<const PlannedRoute> routes,
                      std::span<Slot> slots);

 private:
  using SharedSchema = std::shared_ptr<OpenedxSchema>;

  // The gateway's own schemas of an event type.
  struct Known {
    SharedSchema of_type;                                         // null: there is none
    std::vector<std::pair<std::string, SharedSchema>> of_routes;  // by topic; they win
  };

  // Of the event on one route: `brought` along, or null. Null: there is none.
  static SharedSchema SchemaOf(const Known* known, const std::string& topic,
                               const SharedSchema& brought);
  bool Registers(const OpenedxSchema& schema) const;

  // The id in the record, or, where it is not known, the answer in `later`.
  absl::Status FindId(SubjectSchemaId& wanted, bool registers, std::string& framed,
                      std::shared_ptr<const SchemaAnswer>& later);

  const Registering registering_;
  const std::uint64_t max_event_bytes_;
  SchemaCache& cache_;
  const std::function<void()> on_answer_;
  std::map<std::string, Known, std::less<>> known_;  // by event type
  OpenedxEncoder encoder_;
  ParsedSchemas parsed_;
};

}  // namespace sidebus
