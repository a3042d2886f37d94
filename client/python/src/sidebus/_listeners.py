"""The application's callbacks, and the log lines for what it did not ask to be told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sidebus._subscribe_stream import Notices
from sidebus.delivery import Delivery, Nacked
from sidebus.errors import SidebusError
from sidebus.subscribing import Heartbeat, SettleFailure

_log = logging.getLogger("sidebus")

OnRevoked = Callable[[list[Delivery]], object]
OnSettleFailure = Callable[[SettleFailure], object]
OnDisconnect = Callable[[SidebusError | None], object]
OnHeartbeat = Callable[[Heartbeat], object]


@dataclass(slots=True)
class Listeners:
    """Of one subscription. They are called one at a time, and must not block."""

    on_revoked: OnRevoked | None = None
    on_settle_failure: OnSettleFailure | None = None
    on_disconnect: OnDisconnect | None = None
    on_heartbeat: OnHeartbeat | None = None
    _is_connected: bool = True

    def noticed(self, who: object, notices: Notices) -> None:
        if notices.started is not None:
            self._is_connected = True
            _log.debug("%r: started, %r", who, notices.started)
        self.revoked(notices.revoked)
        for failure in notices.failures:
            _log.warning("%r: %s not settled: %s", who, _about(failure), failure.error)
            _call(self.on_settle_failure, failure)
        if notices.draining is not None:
            _log.info("%r: draining: %s", who, notices.draining)
        if notices.heartbeat is not None:
            _call(self.on_heartbeat, notices.heartbeat)

    def revoked(self, deliveries: list[Delivery]) -> None:
        if deliveries:
            _log.info("%d deliveries were revoked", len(deliveries))
            _call(self.on_revoked, deliveries)

    def disconnected(self, who: object, error: SidebusError | None) -> None:
        """The stream is over, and will be opened again. Logged once until it works again."""
        level = logging.WARNING if self._is_connected and error is not None else logging.DEBUG
        _log.log(level, "%r: connecting again after: %s", who, error or "OK")
        self._is_connected = False
        _call(self.on_disconnect, error)

    def handler_failed(self, delivery: Delivery, error: Exception) -> None:
        if isinstance(error, Nacked):
            _log.info("%r: %s: %s", delivery, type(error).__name__, error)
        else:
            _log.error("%r: the handler raised", delivery, exc_info=error)


def _about(failure: SettleFailure) -> str:
    if failure.event_type is None:
        return f"delivery {failure.delivery_id}"
    return f"{failure.event_type} {failure.event_id} (delivery {failure.delivery_id})"


def _call(callback: Callable[..., object] | None, argument: object) -> None:
    if callback is None:
        return
    try:
        callback(argument)
    except Exception:
        _log.exception("a callback raised")
