"""Publish and subscribe by event type, through a Sidebus gateway.

    import sidebus

    with sidebus.connect() as bus:
        bus.publish("order.created", {"order": {"id": "A-7"}})
        for delivery in bus.subscribe("order.created", group="billing"):
            print(delivery.event.json())
            delivery.ack()

`sidebus.aio` is the same for asyncio.
"""

from sidebus._bus import Bus, connect
from sidebus._publish_call import PublishResult
from sidebus._retry import Backoff
from sidebus._sync_publish_stream import PublishStream
from sidebus._sync_subscription import Subscription
from sidebus.delivery import Delivery, Nacked, Reject, Retry, Skip
from sidebus.description import Condition, Description, EventTypeInfo, Limits, Route
from sidebus.errors import (
    AbortedError,
    ClosedError,
    DataLossError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    NotSupportedError,
    Outcome,
    OutOfRangeError,
    PermissionDeniedError,
    PublishError,
    ResourceExhaustedError,
    SidebusError,
    UnauthenticatedError,
    UnavailableError,
)
from sidebus.events import Data, Event, EventAttributes, Header, Headers, Position
from sidebus.subscribing import (
    DataFormat,
    Heartbeat,
    NackAction,
    OnExhausted,
    Ordering,
    RetryPolicy,
    Seconds,
    SettleFailure,
    Started,
    StartFrom,
    Window,
)

__version__ = "0.1.0"

__all__ = [
    "AbortedError",
    "Backoff",
    "Bus",
    "ClosedError",
    "Condition",
    "Data",
    "DataFormat",
    "DataLossError",
    "DeadlineExceededError",
    "Delivery",
    "Description",
    "Event",
    "EventAttributes",
    "EventTypeInfo",
    "FailedPreconditionError",
    "Header",
    "Headers",
    "Heartbeat",
    "InternalError",
    "InvalidArgumentError",
    "Limits",
    "NackAction",
    "Nacked",
    "NotFoundError",
    "NotSupportedError",
    "OnExhausted",
    "Ordering",
    "OutOfRangeError",
    "Outcome",
    "PermissionDeniedError",
    "Position",
    "PublishError",
    "PublishResult",
    "PublishStream",
    "Reject",
    "ResourceExhaustedError",
    "Retry",
    "RetryPolicy",
    "Route",
    "Seconds",
    "SettleFailure",
    "SidebusError",
    "Skip",
    "StartFrom",
    "Started",
    "Subscription",
    "UnauthenticatedError",
    "UnavailableError",
    "Window",
    "connect",
]
