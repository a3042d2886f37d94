#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/event/event.h"
#include "server/publish/publisher.h"
#include "sidebus/v1/event.pb.h"
#include "sidebus/v1/event_bus.pb.h"

namespace sidebus {

// The call's trace context (W3C), from its metadata; empty when absent.
struct TraceContext {
  std::string_view traceparent;
  std::string_view tracestate;
};

// Moves the strings out of `proto`. EVENT_INVALID with field `time` for a time that is none. What
// else may be wrong with an event is for the publisher to say.
absl::StatusOr<Event> EventFromProto(sidebus::v1::Event&& proto);

// Adds the context as headers, unless the event has a traceparent of its own.
void AddTraceContext(const TraceContext& trace, Event& event);

// The events of a request, and the answers that are known already: those of events that could not
// be taken over.
//
//   request   0   1   2   3
//   batch     0       1   2        failed: {1: EVENT_INVALID}
//
// A value. Usual case: nothing failed, and nothing is copied.
class ConvertedEvents {
 public:
  ConvertedEvents() = default;

  // Moves out of `protos`.
  ConvertedEvents(google::protobuf::RepeatedPtrField<sidebus::v1::Event>& protos,
                  const TraceContext& trace);

  // The events to publish; to be taken once.
  std::vector<Event> TakeEvents() { return std::move(events_); }

  // How many could not be taken over.
  std::size_t failed() const { return failed_.size(); }

  // Puts the results of the batch and the failures into the request's order.
  std::vector<PublishResult> Merge(std::vector<PublishResult> results) &&;

 private:
  struct Failed {
    std::size_t index;
    PublishResult result;
  };
  std::vector<Event> events_;
  std::vector<Failed> failed_;  // ascending by index
};

void PositionToProto(const Position& position, sidebus::v1::Position& proto);

sidebus::v1::PublishResponse PublishResponseOf(std::vector<PublishResult> results);

}  // namespace sidebus
