"""What is sent for a signal: the event, and what a log must say of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import sidebus
from openedx_events.data import EventsMetadata
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
from openedx_events.tooling import OpenEdxPublicSignal


@dataclass(frozen=True)
class Outgoing:
    """The arguments of one `send`."""

    signal: OpenEdxPublicSignal
    topic: str
    event_key_field: str
    event_data: dict[str, Any]
    event_metadata: EventsMetadata

    @cached_property
    def data(self) -> dict[str, Any]:
        """The data as JSON has it. Raises for what openedx-events cannot serialise."""
        serializer, _ = _serializer_of(self.signal)
        return serializer.to_dict(self.event_data)

    def event(self) -> sidebus.Event:
        """The CloudEvent. The gateway takes the key from the data, as its route says."""
        _, schema = _serializer_of(self.signal)
        metadata = self.event_metadata
        return sidebus.Event(
            metadata.event_type,
            self.data,
            id=str(metadata.id),
            source=metadata.source,
            time=metadata.time,
            extensions={"minorversion": str(metadata.minorversion)},
            headers=[
                ("sourcehost", metadata.sourcehost),
                ("sourcelib", ".".join(map(str, metadata.sourcelib))),
            ],
            schema=schema,
        )

    def context(self) -> str:
        """Everything that is needed to send it again by hand. Never raises."""
        parts: dict[str, Callable[[], object]] = {
            "topic": lambda: self.topic,
            "event_key_field": lambda: self.event_key_field,
            "signal": lambda: repr(self.signal),
            "event_data": lambda: repr(self.event_data),
            "event_metadata": lambda: repr(self.event_metadata),
            "event_data_as_json": lambda: json.dumps(self.data),
            "event_metadata_as_json": lambda: self.event_metadata.to_json(),
        }
        return ", ".join(f"{name}={_text_or_none(make)}" for name, make in parts.items())


@cache
def _serializer_of(signal: OpenEdxPublicSignal) -> tuple[AvroSignalSerializer, str]:
    serializer = AvroSignalSerializer(signal)
    return serializer, serializer.schema_string()


def _text_or_none(make: Callable[[], object]) -> str | None:
    try:
        return str(make())
    except Exception:
        return None
