"""One delivery at a time: from the gateway to the receivers of its signal."""

import logging
from typing import Any

import sidebus
from edx_django_utils.monitoring import record_exception, set_custom_attribute
from openedx_events.tooling import prepare_for_new_work_cycle

from sidebus_openedx import _settings
from sidebus_openedx._incoming import incoming
from sidebus_openedx._unusable import Unusable

_log = logging.getLogger(__name__)

# Pause before an event is tried again that could not even be begun with.
NOT_READY_DELAY = 5.0


class ReceiversFailed(Exception):
    """At least one receiver raised. The others did run."""


class EventHandler:
    """The handler of a subscription: returns when all receivers succeeded, else says what is next.

    | what happened                                | raises                              |
    |----------------------------------------------|-------------------------------------|
    | the database is away                         | Retry, which uses up no attempt     |
    | this service cannot read the event           | Reject: to the dead-letter topic    |
    | a receiver raised, or sending the signal did | Retry, until the attempts are used up |
    """

    def __call__(self, delivery: sidebus.Delivery) -> None:
        _set_attributes(delivery)
        try:
            prepare_for_new_work_cycle()
        except Exception as error:
            _log_failure("This service is not ready for it", delivery, error)
            reason = _reason("not ready", error)
            raise sidebus.Retry(reason, delay=NOT_READY_DELAY, counted=False) from error
        try:
            _send(delivery)
        except Unusable as error:
            _log_failure("It is of no use to this service", delivery, error)
            raise sidebus.Reject(str(error)) from error
        except Exception as error:
            _log_failure("Its receivers did not all succeed", delivery, error)
            is_ours = isinstance(error, ReceiversFailed)
            raise sidebus.Retry(str(error) if is_ours else _reason("", error)) from error
        _audit("processed", delivery)


def _send(delivery: sidebus.Delivery) -> None:
    """The signal is marked as coming from the bus, so that it is not published again."""
    _audit("received", delivery)
    event = incoming(delivery.event)
    responses = event.signal.send_event_with_custom_metadata(event.metadata, **event.data)
    failed = [(who, one) for who, one in responses if isinstance(one, BaseException)]
    if failed:
        for receiver, error in failed:
            _log.error("Receiver %s raised", _name(receiver), exc_info=error)
        what = "; ".join(_reason(_name(receiver), error) for receiver, error in failed)
        raise ReceiversFailed(f"{len(failed)} of {len(responses)} receivers raised: {what}")


def _audit(what: str, delivery: sidebus.Delivery) -> None:
    """Ids and places, no data."""
    if _settings.audit_logging_enabled():
        _log.info("Event %s: %s", what, _whereabouts(delivery))


def _log_failure(what: str, delivery: sidebus.Delivery, error: Exception) -> None:
    """Inside an `except`: monitoring gets the exception, too."""
    record_exception()
    _log.error(
        "Event not processed: %s: %s: %s", what, error, _whereabouts(delivery), exc_info=error
    )


def _whereabouts(delivery: sidebus.Delivery) -> str:
    position, event = delivery.position, delivery.event
    return (
        f"topic={position.topic}, partition={position.partition}, offset={position.offset}, "
        f"message_id={event.id}, event_type={event.type}, key={event.key!r}, "
        f"broker_time={delivery.broker_time.isoformat()}, attempt={delivery.attempt}"
    )


def _set_attributes(delivery: sidebus.Delivery) -> None:
    """For monitoring."""
    position = delivery.position
    set_custom_attribute("sidebus_topic", position.topic)
    set_custom_attribute("sidebus_partition", position.partition)
    set_custom_attribute("sidebus_offset", position.offset)
    set_custom_attribute("sidebus_message_id", delivery.event.id)
    set_custom_attribute("sidebus_event_type", delivery.event.type)
    set_custom_attribute("sidebus_attempt", delivery.attempt)


def _reason(where: str, error: BaseException) -> str:
    return f"{where and where + ': '}{type(error).__name__}: {error}"


def _name(receiver: Any) -> str:
    name = getattr(receiver, "__qualname__", None) or type(receiver).__qualname__
    return f"{getattr(receiver, '__module__', '?')}.{name}"
