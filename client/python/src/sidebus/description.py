"""What a gateway tells about itself."""

from __future__ import annotations

from dataclasses import dataclass

from sidebus.subscribing import Window, seconds
from sidebus.v1 import event_bus_pb2


@dataclass(frozen=True, slots=True)
class Route:
    """One (event type, topic) entry of the producer config.

    `event_key_field`: dotted path of the key in the data; empty: no key.
    `full_topic`: the topic as Kafka knows it, with the topic prefix.
    """

    topic: str
    event_key_field: str
    enabled: bool
    full_topic: str


@dataclass(frozen=True, slots=True)
class EventTypeInfo:
    """One event type: its routes in fan-out order, and what may be done with it here.

    `encoding`: `cloudevents` or `openedx`, or both with a comma between. `needs_schema`:
    publishing needs `Event.schema`.
    """

    type: str
    routes: tuple[Route, ...]
    can_publish: bool
    can_subscribe: bool
    encoding: str
    needs_schema: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """The gateway's bounds. Leases in seconds."""

    max_event_bytes: int
    max_events_per_request: int
    max_request_bytes: int
    max_window: Window
    min_lease: float
    max_lease: float


@dataclass(frozen=True, slots=True)
class Condition:
    """`broker_state_age`: for how many seconds `broker_reachable` has been what it is."""

    broker_reachable: bool
    broker_state_age: float
    draining: bool


@dataclass(frozen=True, slots=True)
class Description:
    """The answer to `describe`."""

    event_types: tuple[EventTypeInfo, ...]
    limits: Limits
    condition: Condition
    version: str
    features: tuple[str, ...]


def description_from_proto(proto: event_bus_pb2.DescribeResponse) -> Description:
    limits, condition = proto.limits, proto.condition
    return Description(
        event_types=tuple(map(_event_type, proto.event_types)),
        limits=Limits(
            limits.max_event_bytes,
            limits.max_events_per_request,
            limits.max_request_bytes,
            Window(limits.max_window.events, limits.max_window.bytes),
            seconds(limits.min_lease),
            seconds(limits.max_lease),
        ),
        condition=Condition(
            condition.broker_reachable, seconds(condition.broker_state_age), condition.draining
        ),
        version=proto.version,
        features=tuple(proto.features),
    )


def _event_type(proto: event_bus_pb2.EventTypeInfo) -> EventTypeInfo:
    routes = (
        Route(one.topic, one.event_key_field, one.enabled, one.full_topic) for one in proto.routes
    )
    return EventTypeInfo(
        proto.type,
        tuple(routes),
        proto.can_publish,
        proto.can_subscribe,
        proto.encoding,
        proto.needs_schema,
    )
