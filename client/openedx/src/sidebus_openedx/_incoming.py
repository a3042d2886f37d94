"""What a delivery means for a Django service: the signal, its metadata and its data."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

import sidebus
from openedx_events.data import EventsMetadata
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer
from openedx_events.tooling import OpenEdxPublicSignal

from sidebus_openedx._falsy import restore_falsy
from sidebus_openedx._local_schema import LocalSchema
from sidebus_openedx._unusable import Unusable

T = TypeVar("T")


@dataclass(frozen=True)
class Incoming:
    signal: OpenEdxPublicSignal
    metadata: EventsMetadata
    data: dict[str, Any]


def incoming(event: sidebus.Event) -> Incoming:
    """Raises Unusable for an event that this service's openedx-events cannot take."""
    try:
        signal = OpenEdxPublicSignal.get_signal_by_type(event.type)
    except KeyError:
        raise Unusable("this service's openedx-events has no such event type") from None
    return Incoming(signal, metadata_of(event), data_of(event, signal))


def metadata_of(event: sidebus.Event) -> EventsMetadata:
    """What the event does not say has the defaults that openedx-events gives: those of here."""
    sourcehost = event.header("sourcehost")
    sourcelib = event.header("sourcelib")
    minorversion = event.extensions.get("minorversion")
    return EventsMetadata(
        event_type=event.type,
        id=_uuid(event),
        minorversion=_read("minorversion", minorversion, int),
        source=event.source or None,
        sourcehost=_read("sourcehost", sourcehost, bytes.decode),
        time=event.time,
        sourcelib=_read("sourcelib", sourcelib, lambda it: tuple(map(int, it.split(b".")))),
    )


def data_of(event: sidebus.Event, signal: OpenEdxPublicSignal) -> dict[str, Any]:
    """The arguments for the signal's receivers."""
    try:
        data = event.json()
    except ValueError as error:
        raise Unusable("the data is no JSON" if event.data else "the event has no data") from error
    deserializer, schema = _deserializer_of(signal)
    fitted = schema.fit(data)
    try:
        built = deserializer.from_dict(fitted)
    except Exception as error:
        raise Unusable(f"openedx-events cannot build its data: {type(error).__name__}") from error
    return {
        name: restore_falsy(built[name], fitted[name], declared)
        for name, declared in signal.init_data.items()
    }


def _uuid(event: sidebus.Event) -> UUID:
    """Ids of other producers need be no UUID: one of them always makes the same UUID."""
    try:
        return UUID(event.id)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"{event.source}#{event.id}")


def _read(name: str, value: Any, read: Callable[[Any], T]) -> T | None:
    try:
        return None if value is None else read(value)
    except ValueError as error:
        raise Unusable(f"its {name} cannot be read") from error


@cache
def _deserializer_of(signal: OpenEdxPublicSignal) -> tuple[AvroSignalDeserializer, LocalSchema]:
    try:
        deserializer = AvroSignalDeserializer(signal)
    except Exception as error:
        raise Unusable(f"openedx-events cannot build its schema: {type(error).__name__}") from error
    return deserializer, LocalSchema(deserializer.schema)
