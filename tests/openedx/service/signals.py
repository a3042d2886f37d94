"""An event type of our own, whose attributes have defaults that are not falsy."""

import attr
from openedx_events.tooling import OpenEdxPublicSignal


@attr.s(frozen=True)
class FlagsData:
    course = attr.ib(type=str)
    enabled = attr.ib(type=bool, default=True)
    limit = attr.ib(type=int, default=None)


FLAGS_CHANGED = OpenEdxPublicSignal("org.example.flags.changed.v1", {"flags": FlagsData})
