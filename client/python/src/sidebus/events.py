"""Events, as an application makes and receives them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias, TypedDict

from sidebus.v1 import event_pb2

Data: TypeAlias = (
    bytes | bytearray | memoryview | str | dict[str, Any] | list[Any] | tuple[Any, ...] | None
)
"""What `Event` takes as data: see there."""

Headers: TypeAlias = Mapping[str, bytes | str | None] | Iterable[tuple[str, bytes | str | None]]
"""What `Event` takes as headers: see there."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventAttributes(TypedDict, total=False):
    """The optional arguments of `Event`, which documents them."""

    id: str
    source: str
    subject: str
    time: datetime | None
    key: bytes | str | None
    content_type: str
    data_schema: str
    extensions: Mapping[str, str] | None
    headers: Headers
    schema: str


class Header(NamedTuple):
    """One record header. A name may come more than once; a value of None is Kafka's null."""

    name: str
    value: bytes | None


class Position(NamedTuple):
    """Where an event stands in the log.

    `offset` is -1 for an event that is written at an offset that the broker did not say.
    `entry_id` is for brokers that have no offsets.
    """

    topic: str
    partition: int
    offset: int
    entry_id: str = ""


@dataclass(init=False, slots=True)
class Event:
    """A CloudEvent, and what Kafka adds to it.

    `type`: CloudEvents type, the key of the gateway's producer config.
    `data`: bytes are stored as they are. A dict, list or tuple is encoded as JSON, with content
    type `application/json`; a str as UTF-8, with content type `text/plain; charset=utf-8`; unless
    `content_type` says another. None is a Kafka tombstone. The attribute is always bytes or None.
    `id`: CloudEvents id. Empty: the client makes one when it publishes.
    `source`, `subject`: CloudEvents attributes. Empty source: the gateway's.
    `time`: when the thing happened, with a time zone. None: now, by the gateway's clock.
    `key`: record key; events of one key stay in order. None: taken from the data by the gateway,
    if the route says where it is. A str is encoded as UTF-8. Empty is a key.
    `data_schema`: CloudEvents dataschema, a URI.
    `extensions`: CloudEvents extension attributes; names of a-z and 0-9.
    `headers`: other record headers, in order: a mapping, or pairs when a name repeats.
    `schema`: schema text, for routes that need one and have none of their own.
    """

    type: str
    data: bytes | None
    id: str
    source: str
    subject: str
    time: datetime | None
    key: bytes | None
    content_type: str
    data_schema: str
    extensions: dict[str, str]
    headers: list[Header]
    schema: str

    def __init__(
        self,
        type: str,
        data: Data,
        *,
        id: str = "",
        source: str = "",
        subject: str = "",
        time: datetime | None = None,
        key: bytes | str | None = None,
        content_type: str = "",
        data_schema: str = "",
        extensions: Mapping[str, str] | None = None,
        headers: Headers = (),
        schema: str = "",
    ) -> None:
        """Raises TypeError for data of another kind, ValueError for a time without time zone."""
        if time is not None and time.tzinfo is None:
            raise ValueError(f"time {time.isoformat()} has no time zone")
        self.type = type
        self.data, default_content_type = _encode(data)
        self.id = id
        self.source = source
        self.subject = subject
        self.time = time
        self.key = key.encode() if isinstance(key, str) else key
        self.content_type = content_type or default_content_type
        self.data_schema = data_schema
        self.extensions = dict(extensions or {})
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        self.headers = [
            Header(name, value.encode() if isinstance(value, str) else value)
            for name, value in pairs
        ]
        self.schema = schema

    def json(self) -> Any:
        """The data, decoded as JSON. Raises ValueError when it is no JSON, or a tombstone."""
        if self.data is None:
            raise ValueError("the event has no data (it is a tombstone)")
        return json.loads(self.data)

    def text(self) -> str:
        """The data, decoded as UTF-8. Raises ValueError when it is not, or a tombstone."""
        if self.data is None:
            raise ValueError("the event has no data (it is a tombstone)")
        return self.data.decode()

    @property
    def is_tombstone(self) -> bool:
        return self.data is None

    def header(self, name: str) -> bytes | None:
        """The value of the last header with that name; None when there is none, or its value is."""
        return next((one.value for one in reversed(self.headers) if one.name == name), None)


def _encode(data: Data) -> tuple[bytes | None, str]:
    match data:
        case None:
            return None, ""
        case bytes():
            return data, ""
        case bytearray() | memoryview():
            return bytes(data), ""
        case str():
            return data.encode(), "text/plain; charset=utf-8"
        case dict() | list() | tuple():
            text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            return text.encode(), "application/json"
    raise TypeError(
        f"data is a {type(data).__name__}; give bytes, str, a dict or list (sent as JSON), or None"
    )


def event_to_proto(event: Event, event_id: str) -> event_pb2.Event:
    proto = event_pb2.Event(
        id=event_id,
        type=event.type,
        source=event.source,
        subject=event.subject,
        key=event.key,
        content_type=event.content_type,
        data=event.data,
        data_schema=event.data_schema,
        extensions=event.extensions,
        headers=[event_pb2.Header(name=name, value=value) for name, value in event.headers],
        schema=event.schema,
    )
    if event.time is not None:
        set_timestamp(proto.time, event.time)
    return proto


def event_from_proto(proto: event_pb2.Event) -> Event:
    return Event(
        proto.type,
        proto.data if proto.HasField("data") else None,
        id=proto.id,
        source=proto.source,
        subject=proto.subject,
        time=timestamp(proto.time) if proto.HasField("time") else None,
        key=proto.key if proto.HasField("key") else None,
        content_type=proto.content_type,
        data_schema=proto.data_schema,
        extensions=proto.extensions,
        headers=[(one.name, one.value if one.HasField("value") else None) for one in proto.headers],
        schema=proto.schema,
    )


def position_from_proto(proto: event_pb2.Position) -> Position:
    return Position(proto.topic, proto.partition, proto.offset, proto.entry_id)


def position_to_proto(position: Position) -> event_pb2.Position:
    return event_pb2.Position(
        topic=position.topic,
        partition=position.partition,
        offset=position.offset,
        entry_id=position.entry_id,
    )


def set_timestamp(proto: Any, value: datetime) -> None:
    """Fills a Timestamp, to the microsecond. Raises ValueError without a time zone."""
    if value.tzinfo is None:
        raise ValueError(f"time {value.isoformat()} has no time zone")
    since = value - _EPOCH
    proto.seconds = since.days * 86_400 + since.seconds
    proto.nanos = since.microseconds * 1_000


def timestamp(proto: Any) -> datetime:
    """A Timestamp in UTC; what is finer than a microsecond is cut off."""
    return _EPOCH + timedelta(seconds=proto.seconds, microseconds=proto.nanos // 1_000)
