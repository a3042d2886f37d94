"""EVENT_BUS_CONSUMER: receives events, and sends them as signals."""

import logging
from typing import Any

import sidebus
from openedx_events.event_bus import EventBusConsumer
from openedx_events.tooling import load_all_signals

from sidebus_openedx import _settings
from sidebus_openedx._consumer_options import ConsumerOptions
from sidebus_openedx._event_handler import EventHandler
from sidebus_openedx._stop_signal import stopped_by_sigterm

_log = logging.getLogger(__name__)


class SidebusEventConsumer(EventBusConsumer):
    """A member of a consumer group, that handles one event at a time in the caller's thread.

    `topic`: without prefix. `group_id`: the consumer group; Kafka's name of it.
    Extra arguments, which `consume_events --extra` takes as a JSON object:
    `topics`: more topics. `event_types`: only these, which the gateway's producer config routes to
    the topics. `start_from`: as EVENT_BUS_SIDEBUS_START_FROM. `max_attempts`: as
    EVENT_BUS_SIDEBUS_MAX_ATTEMPTS. `consumer_name`: a name for the gateway's logs.
    """

    def __init__(self, topic: str, group_id: str, **extra: Any) -> None:
        """Does not connect. What is wrong with the arguments, `consume_indefinitely` says: what a
        constructor raises, openedx-events turns into a consumer that does nothing.
        """
        self._arguments = (topic, group_id, extra)

    def consume_indefinitely(self) -> None:
        """Consumes until SIGTERM, which lets the receivers of the current event end, and returns.

        Waits for a gateway that is away. What will not pass (bad arguments, no permission, no such
        topic) is logged, and raises SystemExit(1): an Exception would make `consume_events` exit
        with 0.
        """
        try:
            if _settings.consumers_enabled():
                self._consume(ConsumerOptions.read(*self._arguments))
            else:
                _log.error("Not consuming: EVENT_BUS_SIDEBUS_CONSUMERS_ENABLED is False")
        except Exception:
            _log.exception("Consuming ended: topic=%s, group_id=%s, extra=%s", *self._arguments)
            raise SystemExit(1) from None

    def _consume(self, options: ConsumerOptions) -> None:
        load_all_signals()
        with sidebus.connect(_settings.endpoint()) as bus:
            subscription = bus.subscribe(
                *options.event_types,
                group=options.group,
                topics=options.topics,
                start_from=options.start_from,
                retry=sidebus.RetryPolicy(max_attempts=options.max_attempts),
                window=_settings.window(),
                member=options.member,
                data_format=sidebus.DataFormat.JSON,
                extend_for=_settings.extend_for(),
            )
            with stopped_by_sigterm(subscription.close):
                _log.info("Consuming: topics=%s, group_id=%s", options.topics, options.group)
                subscription.run(EventHandler(), workers=0)
        _log.info(
            "Consuming ended, as asked: topics=%s, group_id=%s", options.topics, options.group
        )
