"""What a subscriber can ask for, and what the gateway tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, TypeAlias

from sidebus.errors import SidebusError
from sidebus.events import Position, position_to_proto, set_timestamp
from sidebus.v1 import event_bus_pb2, event_pb2

Seconds: TypeAlias = float | timedelta
"""A duration: seconds, or a timedelta."""


class Ordering(Enum):
    """What stays in order, and is delivered one at a time. All streams of a group must agree."""

    BY_KEY = event_bus_pb2.ORDERING_BY_KEY
    BY_PARTITION = event_bus_pb2.ORDERING_BY_PARTITION
    UNORDERED = event_bus_pb2.ORDERING_UNORDERED


class DataFormat(Enum):
    """How `Event.data` arrives."""

    STORED = event_bus_pb2.DATA_FORMAT_STORED
    """The stored bytes."""

    JSON = event_bus_pb2.DATA_FORMAT_JSON
    """JSON, decoded with the schema where the data has one."""


class OnExhausted(Enum):
    """What happens to an event whose attempts are used up."""

    DEAD_LETTER = event_bus_pb2.RetryPolicy.EXHAUSTED_DEAD_LETTER
    """It goes to the dead-letter topic."""

    SKIP = event_bus_pb2.RetryPolicy.EXHAUSTED_SKIP
    """It is settled as if it had been acked."""

    HALT = event_bus_pb2.RetryPolicy.EXHAUSTED_HALT
    """It holds back its key until an operator decides."""


class NackAction(Enum):
    """What is to be done with a delivery that was not handled."""

    RETRY = event_bus_pb2.Nack.ACTION_RETRY
    """Deliver it again."""

    REJECT = event_bus_pb2.Nack.ACTION_REJECT
    """Never again: to the dead-letter topic."""

    SKIP = event_bus_pb2.Nack.ACTION_SKIP
    """Never again: settled as if acked."""


class StartFrom:
    """Where to start on topics on which the group has no committed position yet."""

    def __init__(self, proto: event_bus_pb2.StartFrom) -> None:
        """Use `earliest`, `latest`, `at_time` or `at_positions`."""
        self.proto = proto

    @classmethod
    def earliest(cls) -> StartFrom:
        """The default for a group."""
        return cls(event_bus_pb2.StartFrom(earliest=True))

    @classmethod
    def latest(cls) -> StartFrom:
        """The default for broadcast."""
        return cls(event_bus_pb2.StartFrom(latest=True))

    @classmethod
    def at_time(cls, time: datetime) -> StartFrom:
        """The first event not older than `time`, which has a time zone."""
        proto = event_bus_pb2.StartFrom()
        set_timestamp(proto.time, time.astimezone(UTC) if time.tzinfo else time)
        return cls(proto)

    @classmethod
    def at_positions(cls, positions: Iterable[Position]) -> StartFrom:
        """Broadcast only: one position per partition."""
        items = [position_to_proto(position) for position in positions]
        return cls(event_bus_pb2.StartFrom(positions=event_pb2.Positions(items=items)))


@dataclass(frozen=True, slots=True)
class Window:
    """How much may be unsettled on a stream: events, and bytes of their keys, data and headers.

    One zero: that one at the gateway's maximum. Both zero: nothing is delivered (paused).
    """

    events: int = 0
    bytes: int = 0

    def to_proto(self) -> event_bus_pb2.Window:
        return event_bus_pb2.Window(events=self.events, bytes=self.bytes)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What happens after a failure. None: the gateway's configured value.

    `max_attempts`: deliveries before the event is exhausted; can only be lowered here.
    `min_backoff`, `max_backoff`: the pause before the second attempt, and the longest one.
    """

    max_attempts: int | None = None
    min_backoff: Seconds | None = None
    max_backoff: Seconds | None = None
    on_exhausted: OnExhausted | None = None

    def to_proto(self) -> event_bus_pb2.RetryPolicy:
        proto = event_bus_pb2.RetryPolicy(max_attempts=self.max_attempts or 0)
        set_duration(proto.min_backoff, self.min_backoff)
        set_duration(proto.max_backoff, self.max_backoff)
        if self.on_exhausted is not None:
            proto.on_exhausted = self.on_exhausted.value
        return proto


@dataclass(frozen=True, slots=True)
class Started:
    """What is in force on a stream, after the gateway's limits were applied. Times in seconds."""

    stream_id: str
    topics: tuple[str, ...]
    window: Window
    lease: float
    ordering: Ordering
    max_attempts: int
    min_backoff: float
    max_backoff: float


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The gateway's, every 10 s. `oldest_unsettled`: seconds.

    `missing_topics`: of this subscription, that do not exist (any more); they are waited for.
    """

    lag_events: int
    oldest_unsettled: float
    missing_topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SettleFailure:
    """A settle or an extend that the gateway did not take.

    `position`, `event_type` and `event_id` are None when the delivery was settled too long ago.
    """

    delivery_id: int
    error: SidebusError
    event_type: str | None = None
    event_id: str | None = None
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class SubscribeOptions:
    """The arguments of `subscribe`, which documents them."""

    event_types: tuple[str, ...]
    group: str
    topics: tuple[str, ...] = ()
    start_from: StartFrom | None = None
    ordering: Ordering | None = None
    window: Window | None = None
    lease: Seconds | None = None
    retry: RetryPolicy | None = None
    member: str = ""
    data_format: DataFormat | None = None
    extend_for: float = 600.0
    _start: event_bus_pb2.SubscribeStart = field(init=False, repr=False)

    def __post_init__(self) -> None:
        start = event_bus_pb2.SubscribeStart(
            group=self.group,
            event_types=self.event_types,
            topics=self.topics,
            start_from=self.start_from.proto if self.start_from else None,
            window=self.window.to_proto() if self.window else None,
            retry=self.retry.to_proto() if self.retry else None,
            member=self.member,
        )
        if self.ordering is not None:
            start.ordering = self.ordering.value
        if self.data_format is not None:
            start.data_format = self.data_format.value
        set_duration(start.lease, self.lease)
        object.__setattr__(self, "_start", start)

    def start(self) -> event_bus_pb2.SubscribeStart:
        return self._start

    def __str__(self) -> str:
        what = ", ".join(self.event_types or self.topics)
        return f"{self.group or 'broadcast'} to {what}"

    def with_window(self, window: Window) -> SubscribeOptions:
        return replace(self, window=window)


def started_from_proto(proto: event_bus_pb2.SubscribeStarted) -> Started:
    known = {one.value for one in Ordering}
    return Started(
        stream_id=proto.stream_id,
        topics=tuple(proto.topics),
        window=Window(proto.window.events, proto.window.bytes),
        lease=seconds(proto.lease),
        ordering=Ordering(proto.ordering) if proto.ordering in known else Ordering.BY_KEY,
        max_attempts=proto.retry.max_attempts,
        min_backoff=seconds(proto.retry.min_backoff),
        max_backoff=seconds(proto.retry.max_backoff),
    )


def set_duration(proto: Any, value: Seconds | None) -> None:
    """Fills a Duration; leaves it unset for None."""
    if value is not None:
        proto.FromTimedelta(value if isinstance(value, timedelta) else timedelta(seconds=value))


def seconds(proto: Any) -> float:
    return float(proto.ToNanoseconds()) / 1e9
