"""What a consumer was asked for, by its arguments, --extra of consume_events, and the settings."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sidebus

from sidebus_openedx import _settings

_log = logging.getLogger(__name__)

OURS = ("topics", "event_types", "start_from", "max_attempts", "consumer_name")

# What --extra may say to the stock consumers, and there is nothing to do for.
IGNORED = ("check_backlog", "claim_msgs_older_than")
# ... and must not be passed over in silence: the group would not be where it is expected.
MOVES = ("offset_time", "last_read_msg_id")


@dataclass(frozen=True)
class ConsumerOptions:
    group: str
    topics: tuple[str, ...]
    event_types: tuple[str, ...]
    start_from: sidebus.StartFrom
    max_attempts: int
    member: str | None

    @classmethod
    def read(cls, topic: str, group_id: str, extra: Mapping[str, Any]) -> "ConsumerOptions":
        """Raises ValueError for what is wrong, ImproperlyConfigured for a wrong setting."""
        given = {name: value for name, value in extra.items() if value is not None}
        _refuse(given)
        if not group_id:
            raise ValueError("group_id is empty: without a group nothing is committed")
        topics = dict.fromkeys([topic, *_texts(given, "topics")])
        return cls(
            group=group_id,
            topics=tuple(topics),
            event_types=_texts(given, "event_types"),
            start_from=_start_from(given.get("start_from", _settings.start_from())),
            max_attempts=_attempts(given.get("max_attempts", _settings.max_attempts())),
            member=_text(given, "consumer_name"),
        )


def _refuse(given: Mapping[str, Any]) -> None:
    for name in given:
        if name in MOVES:
            raise ValueError(f"{name} moves the group's position: use `sidebus seek`")
        if name in IGNORED:
            _log.info("%s has no meaning here: what is not settled always comes again", name)
        elif name not in OURS:
            raise ValueError(f"unknown argument {name}; there are: {', '.join(OURS)}")


def _texts(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = given.get(name, ())
    if not isinstance(value, list | tuple) or not all(
        isinstance(one, str) and one for one in value
    ):
        raise ValueError(f"{name} is {value!r}; it must be a list of names")
    return tuple(value)


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; it must be a text")
    return value


def _start_from(value: Any) -> sidebus.StartFrom:
    match value:
        case "latest":
            return sidebus.StartFrom.latest()
        case "earliest":
            return sidebus.StartFrom.earliest()
    try:
        return sidebus.StartFrom.at_time(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        raise ValueError(
            f"start_from is {value!r}; it must be latest, earliest, or a time with a time zone"
        ) from None


def _attempts(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"max_attempts is {value!r}; it must be 1 or more")
    return value
