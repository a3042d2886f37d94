#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <string_view>
#include <vector>

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

// Moves the strings out of `proto`. Whatever is wrong with the event is for the publisher to say.
Event EventFromProto(sidebus::v1::Event&& proto);

// Adds the context as headers, unless the event has a traceparent of its own.
void AddTraceContext(const TraceContext& trace, Event& event);

// Moves the events out of a request.
std::vector<Event> EventsFromProto(google::protobuf::RepeatedPtrField<sidebus::v1::Event>& protos,
                                   const TraceContext& trace);

// An event that was consumed.
void EventToProto(const Event& event, sidebus::v1::Event& proto);

void PositionToProto(const Position& position, sidebus::v1::Position& proto);

sidebus::v1::PublishResponse PublishResponseOf(std::vector<PublishResult> results);

}  // namespace sidebus
