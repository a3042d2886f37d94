"""Telling the application what became of the events of a publish stream."""

import logging
from collections.abc import Callable

import grpc

from sidebus._publish_call import PublishResult
from sidebus.errors import SidebusError, UnavailableError

_log = logging.getLogger("sidebus")

OnResult = Callable[[PublishResult], object]


def report(on_result: OnResult | None, result: PublishResult) -> None:
    """Calls `on_result`; without one, a failure is logged, so that it is never lost."""
    if on_result is None:
        if result.error is not None:
            _log.warning("event %s was not published: %s", result.event_id, result.error)
        return
    try:
        on_result(result)
    except Exception:
        _log.exception("on_result raised")


def stream_end() -> SidebusError:
    return UnavailableError(
        "the stream ended before the gateway told what became of the event",
        code=grpc.StatusCode.UNAVAILABLE,
    )
