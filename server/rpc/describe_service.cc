#include "server/rpc/describe_service.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "server/base/error.h"
#include "server/rpc/message_buffer.h"
#include "server/rpc/rpc_status.h"

namespace sidebus {
namespace {

// Of its routes, each once, in fan-out order.
std::string EncodingsOf(const EventTypeRoutes& type) {
  std::string names;
  bool told[2] = {};
  for (const Route& route : type.routes) {
    const bool openedx = route.encoding == RecordEncoding::kOpenedx;
    if (std::exchange(told[openedx ? 1 : 0], true)) continue;
    if (!names.empty()) names += ',';
    names += openedx ? "openedx" : "cloudevents";
  }
  return names;
}

}  // namespace

DescribeService::DescribeService(Description description, RouterProvider router,
                                 ConditionProvider condition, DrainingProvider draining,
                                 const Clock& clock)
    : description_(std::move(description)),
      router_(std::move(router)),
      condition_(std::move(condition)),
      draining_(std::move(draining)),
      clock_(clock) {}

void DescribeService::Serve(CallRef call, grpc::ByteBuffer message) {
  sidebus::v1::DescribeRequest request;
  if (!ParseMessage(message, request)) {
    return ServerCall::Finish(
        std::move(call),
        MakeError(Reason::kEventInvalid, "the message is no sidebus.v1.DescribeRequest"));
  }
  const auto answer = Answer(request);
  if (answer.ok()) {
    ServerCall::FinishWith(std::move(call), ToBuffer(*answer));
  } else {
    ServerCall::Finish(std::move(call), answer.status());
  }
}

absl::StatusOr<sidebus::v1::DescribeResponse> DescribeService::Answer(
    const sidebus::v1::DescribeRequest& request) const {
  const std::shared_ptr<const Router> router = router_();
  sidebus::v1::DescribeResponse response;
  std::set<std::string_view> named;
  for (const std::string& name : request.event_types()) {
    if (!named.insert(name).second) continue;
    const EventTypeRoutes* type = router->Find(name);
    if (type == nullptr) {
      return MakeError(Reason::kEventTypeUnknown,
                       "the producer config has no such event type: check its name, or add it",
                       {{std::string(error_key::kEventType), name}});
    }
    AddType(*type, response);
  }
  if (request.event_types().empty()) {
    for (const EventTypeRoutes& type : router->event_types()) AddType(type, response);
  }
  auto& limits = *response.mutable_limits();
  limits.set_max_event_bytes(description_.requests.max_event_bytes);
  limits.set_max_events_per_request(description_.requests.max_events_per_request);
  limits.set_max_request_bytes(description_.requests.max_request_bytes);
  limits.mutable_max_window()->set_events(description_.max_window.events);
  limits.mutable_max_window()->set_bytes(description_.max_window.bytes);
  *limits.mutable_min_lease() = ToProto(description_.min_lease);
  *limits.mutable_max_lease() = ToProto(description_.max_lease);

  const BrokerCondition broker = condition_();
  auto& condition = *response.mutable_condition();
  condition.set_broker_reachable(broker.reachable);
  *condition.mutable_broker_state_age() =
      ToProto(std::max(clock_.Now() - broker.since, Duration::zero()));
  condition.set_draining(draining_());
  response.set_version(description_.version);
  response.mutable_features()->Add(description_.features.begin(), description_.features.end());
  return response;
}

void DescribeService::AddType(const EventTypeRoutes& type,
                              sidebus::v1::DescribeResponse& response) const {
  auto& proto = *response.add_event_types();
  proto.set_type(type.type);
  for (const Route& route : type.routes) {
    auto& added = *proto.add_routes();
    added.set_topic(route.topic);
    if (route.key_path.has_value()) added.set_event_key_field(route.key_path->text());
    added.set_enabled(route.enabled);
    added.set_full_topic(route.full_topic);
  }
  proto.set_can_publish(std::ranges::any_of(type.routes, &Route::enabled));
  proto.set_can_subscribe(!type.routes.empty());
  proto.set_encoding(EncodingsOf(type));
  proto.set_needs_schema(description_.need_schema.contains(type.type));
}

}  // namespace sidebus
