"""What the sync and the asyncio bus make of their arguments alike."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from sidebus.events import Data, Event, EventAttributes
from sidebus.subscribing import (
    DataFormat,
    Ordering,
    RetryPolicy,
    Seconds,
    StartFrom,
    SubscribeOptions,
    Window,
)

Metadata = Sequence[tuple[str, str]]
"""Call metadata, such as `[("authorization", "Bearer ...")]`."""

MetadataSource = Metadata | Callable[[], Metadata]
"""Call metadata, or a function that gives it anew for each call (a token that is renewed)."""


class Unset:
    """The type of an argument that was not given, where None means something."""


UNSET = Unset()


def metadata_source(metadata: MetadataSource) -> Callable[[], Any]:
    if callable(metadata):
        source = metadata
        return lambda: tuple(source())
    fixed = tuple(metadata)
    return lambda: fixed


def as_event(event: Event | str, data: Data | Unset, attributes: EventAttributes) -> Event:
    """`publish(Event(...))`, or `publish(type, data, ...)` with the attributes that were given."""
    if isinstance(event, Event):
        if not isinstance(data, Unset) or attributes:
            raise TypeError("give an Event, or a type with data and attributes, not both")
        return event
    if isinstance(data, Unset):
        raise TypeError(f"no data for {event}; None publishes a tombstone")
    return Event(event, data, **attributes)


def subscribe_options(
    event_types: tuple[str, ...],
    *,
    group: str,
    topics: Iterable[str],
    start_from: StartFrom | Literal["earliest", "latest"] | None,
    ordering: Ordering | None,
    window: Window | int | None,
    lease: Seconds | None,
    retry: RetryPolicy | None,
    member: str | None,
    data_format: DataFormat | None,
    extend_for: float,
) -> SubscribeOptions:
    if isinstance(topics, str):
        topics = [topics]
    if start_from == "earliest":
        start_from = StartFrom.earliest()
    elif start_from == "latest":
        start_from = StartFrom.latest()
    elif isinstance(start_from, str):
        raise ValueError(f"start_from is {start_from!r}; it is earliest, latest or a StartFrom")
    return SubscribeOptions(
        event_types=event_types,
        group=group,
        topics=tuple(topics),
        start_from=start_from,
        ordering=ordering,
        window=Window(events=window) if isinstance(window, int) else window,
        lease=lease,
        retry=retry,
        member=f"{socket.gethostname()}/{os.getpid()}" if member is None else member,
        data_format=data_format,
        extend_for=extend_for,
    )
