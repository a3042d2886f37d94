#include "server/rpc/event_conversions.h"

#include <algorithm>
#include <utility>

#include "server/rpc/rpc_status.h"

namespace sidebus {

Event EventFromProto(sidebus::v1::Event&& proto) {
  Event event;
  // mutable_...() of a field that is not there would make a string for it.
  if (!proto.id().empty()) event.id = std::move(*proto.mutable_id());
  if (!proto.type().empty()) event.type = std::move(*proto.mutable_type());
  if (!proto.source().empty()) event.source = std::move(*proto.mutable_source());
  if (!proto.subject().empty()) event.subject = std::move(*proto.mutable_subject());
  if (proto.has_time()) event.time.emplace(proto.time().seconds(), proto.time().nanos());
  if (proto.has_key()) event.key = std::move(*proto.mutable_key());
  if (!proto.content_type().empty()) {
    event.content_type = std::move(*proto.mutable_content_type());
  }
  if (proto.has_data()) event.data = std::move(*proto.mutable_data());
  if (!proto.data_schema().empty()) event.data_schema = std::move(*proto.mutable_data_schema());
  for (auto& [name, value] : *proto.mutable_extensions()) {
    event.extensions.emplace(name, std::move(value));
  }
  event.headers.reserve(static_cast<std::size_t>(proto.headers_size()));
  for (auto& header : *proto.mutable_headers()) {
    Header& added = event.headers.emplace_back();
    added.name = std::move(*header.mutable_name());
    if (header.has_value()) added.value = std::move(*header.mutable_value());
  }
  if (!proto.schema().empty()) event.schema = std::move(*proto.mutable_schema());
  return event;
}

void AddTraceContext(const TraceContext& trace, Event& event) {
  if (trace.traceparent.empty()) return;
  const auto is_own = [](const Header& header) { return header.name == "traceparent"; };
  // tracestate means nothing without the traceparent that it came with.
  if (std::ranges::any_of(event.headers, is_own)) return;
  std::erase_if(event.headers, [](const Header& header) { return header.name == "tracestate"; });
  event.headers.push_back({"traceparent", std::string(trace.traceparent)});
  if (!trace.tracestate.empty()) {
    event.headers.push_back({"tracestate", std::string(trace.tracestate)});
  }
}

std::vector<Event> EventsFromProto(google::protobuf::RepeatedPtrField<sidebus::v1::Event>& protos,
                                   const TraceContext& trace) {
  std::vector<Event> events;
  events.reserve(static_cast<std::size_t>(protos.size()));
  for (auto& proto : protos) {
    AddTraceContext(trace, events.emplace_back(EventFromProto(std::move(proto))));
  }
  return events;
}

void EventToProto(const Event& event, sidebus::v1::Event& proto) {
  proto.set_id(event.id);
  proto.set_type(event.type);
  proto.set_source(event.source);
  proto.set_subject(event.subject);
  if (event.time.has_value()) {
    proto.mutable_time()->set_seconds(event.time->seconds);
    proto.mutable_time()->set_nanos(event.time->nanos);
  }
  if (event.key.has_value()) proto.set_key(*event.key);
  proto.set_content_type(event.content_type);
  if (event.data.has_value()) proto.set_data(*event.data);
  proto.set_data_schema(event.data_schema);
  proto.mutable_extensions()->insert(event.extensions.begin(), event.extensions.end());
  for (const Header& header : event.headers) {
    auto& added = *proto.add_headers();
    added.set_name(header.name);
    if (header.value.has_value()) added.set_value(*header.value);
  }
  proto.set_schema(event.schema);
}

void PositionToProto(const Position& position, sidebus::v1::Position& proto) {
  proto.set_topic(position.topic);
  proto.set_partition(position.partition);
  proto.set_offset(position.offset);
}

sidebus::v1::PublishResponse PublishResponseOf(std::vector<PublishResult> results) {
  sidebus::v1::PublishResponse response;
  response.mutable_results()->Reserve(static_cast<int>(results.size()));
  for (PublishResult& result : results) {
    auto& proto = *response.add_results();
    proto.set_event_id(std::move(result.event_id));
    if (!result.error.ok()) *proto.mutable_error() = ToRpcStatus(result.error);
    for (const Position& position : result.positions) {
      PositionToProto(position, *proto.add_positions());
    }
  }
  return response;
}

}  // namespace sidebus
