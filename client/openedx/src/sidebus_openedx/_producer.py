"""EVENT_BUS_PRODUCER: sends signals to the gateway."""

import logging
from typing import Any

import sidebus
from django.db import transaction
from edx_django_utils.monitoring import record_exception
from openedx_events.data import EventsMetadata
from openedx_events.event_bus import EventBusProducer
from openedx_events.tooling import OpenEdxPublicSignal

from sidebus_openedx import _settings
from sidebus_openedx._outgoing import Outgoing
from sidebus_openedx._process_bus import ProcessBus

_log = logging.getLogger(__name__)


class SidebusEventProducer(EventBusProducer):
    """Publishes each signal, and knows at once what became of it.

    One object serves all threads of a process, and of the processes that are forked from it.
    """

    def __init__(self) -> None:
        """Does not connect, and needs no gateway."""
        self._bus = ProcessBus()

    def send(
        self,
        *,
        signal: OpenEdxPublicSignal,
        topic: str,
        event_key_field: str,
        event_data: dict[str, Any],
        event_metadata: EventsMetadata,
    ) -> None:
        """Publishes to `topic`. Returns within EVENT_BUS_SIDEBUS_TIMEOUT, and raises nothing.

        With EVENT_BUS_SIDEBUS_ON_COMMIT, and inside a transaction of the default database: when
        that commits, with the data as they are now; never if it is rolled back. What was not
        published is logged, with all that is needed to send it again.
        """
        outgoing = Outgoing(signal, topic, event_key_field, event_data, event_metadata)
        try:
            event = outgoing.event()
            if _settings.on_commit() and transaction.get_connection().in_atomic_block:
                transaction.on_commit(lambda: self._publish(event, outgoing))
                return
        except Exception as error:
            _log_failure(outgoing, error)
            return
        self._publish(event, outgoing)

    def _publish(self, event: sidebus.Event, outgoing: Outgoing) -> None:
        try:
            is_audited = _settings.audit_logging_enabled()
            bus = self._bus.get(_settings.endpoint())
            result = bus.publish(event, topic=outgoing.topic, timeout=_settings.timeout())
        except Exception as error:
            _log_failure(outgoing, error)
            return
        if is_audited:
            _log_success(outgoing, result)


def create_producer() -> SidebusEventProducer:
    """The value for EVENT_BUS_PRODUCER. Needs no gateway."""
    return SidebusEventProducer()


def _log_success(outgoing: Outgoing, result: sidebus.PublishResult) -> None:
    for position in result.positions:
        _log.info(
            "Event published: topic=%s, partition=%d, offset=%d, message_id=%s, signal=%r",
            position.topic,
            position.partition,
            position.offset,
            result.event_id,
            outgoing.signal,
        )


def _log_failure(outgoing: Outgoing, error: Exception) -> None:
    """Inside an `except`: monitoring gets the exception, too."""
    outcome = getattr(error, "outcome", sidebus.Outcome.NOT_WRITTEN)
    _log.exception(
        "Event not published: error=%r, outcome=%s, %s", str(error), outcome, outgoing.context()
    )
    record_exception()
