"""Signals and events for tests."""

from datetime import UTC, datetime
from uuid import UUID

import attr
from opaque_keys.edx.keys import CourseKey, UsageKey
from openedx_events.content_authoring.data import XBlockData
from openedx_events.content_authoring.signals import XBLOCK_PUBLISHED
from openedx_events.data import EventsMetadata
from openedx_events.tooling import OpenEdxPublicSignal

BLOCK = "block-v1:edx+DemoX+Demo_course+type@video+block@abc"
ID = UUID("3f7a5dd6-6a0c-11ef-9a4d-0242ac120002")
METADATA = EventsMetadata(
    event_type=XBLOCK_PUBLISHED.event_type,
    id=ID,
    minorversion=3,
    source="openedx/cms/web",
    sourcehost="cms-1",
    time=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    sourcelib=(11, 2, 0),
)


def xblock():
    return XBlockData(usage_key=UsageKey.from_string(BLOCK), block_type="video")


def sent(**changes):
    """The arguments of `send`."""
    return {
        "signal": XBLOCK_PUBLISHED,
        "topic": "xblocks",
        "event_key_field": "xblock_info.usage_key",
        "event_data": {"xblock_info": xblock()},
        "event_metadata": METADATA,
    } | changes


@attr.s(frozen=True)
class Inner:
    number = attr.ib(type=int, default=7)


@attr.s(frozen=True)
class Falsy:
    """Attributes whose falsy values the deserializer of openedx-events leaves out."""

    required = attr.ib(type=bool)
    flag = attr.ib(type=bool, default=True)
    count = attr.ib(type=int, default=None)
    ratio = attr.ib(type=float, default=0.5)
    text = attr.ib(type=str, default="text")
    names = attr.ib(type=list[str], default=("a",))
    options = attr.ib(type=dict[str, bool], default=dict)
    course = attr.ib(type=CourseKey, default=None)
    inner = attr.ib(type=Inner, default=None)


FALSY = OpenEdxPublicSignal("org.example.falsy.v1", {"falsy": Falsy})
