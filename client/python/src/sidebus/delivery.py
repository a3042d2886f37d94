"""One event that was handed to this subscriber."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sidebus.events import Event, Position, event_from_proto, position_from_proto, timestamp
from sidebus.subscribing import NackAction, Seconds, set_duration
from sidebus.v1 import event_bus_pb2

REASON_BYTES = 1_024


class Settler(Protocol):
    """The stream that a delivery came on."""

    def ack(self, delivery: Delivery) -> None: ...
    def nack(self, delivery: Delivery, nack: event_bus_pb2.Nack) -> None: ...
    def extend(self, delivery: Delivery) -> None: ...


class Delivery:
    """An event, and the duty to settle it: `ack` it, or `nack` it.

    `event`; `position` in the log; `attempt`, 1 on the first delivery; `broker_time`, the record's
    timestamp; `interruptions`, how often a holder of this event vanished; `delivery_id`, for logs.

    What is not settled within the lease is delivered again. The first settle counts, later ones do
    nothing; on a revoked delivery, too, none of the methods raises. They return at once: what they
    say is sent in the background. They may be called from any thread.
    """

    __slots__ = (
        "__weakref__",
        "_is_revoked",
        "_is_settled",
        "_settler",
        "attempt",
        "broker_time",
        "delivery_id",
        "event",
        "interruptions",
        "position",
    )

    def __init__(self, proto: event_bus_pb2.Delivery, settler: Settler) -> None:
        self.event: Event = event_from_proto(proto.event)
        self.position: Position = position_from_proto(proto.position)
        self.attempt: int = proto.attempt
        self.broker_time: datetime = timestamp(proto.broker_time)
        self.interruptions: int = proto.interruptions
        self.delivery_id: int = proto.delivery_id
        self._settler = settler
        self._is_settled = False
        self._is_revoked = False

    @property
    def is_settled(self) -> bool:
        """Whether it was acked or nacked here."""
        return self._is_settled

    @property
    def is_revoked(self) -> bool:
        """Whether it is no longer this subscriber's: drop the work, someone else will do it.

        So after a rebalance, after a lost connection, and when its lease ran out and the gateway
        refused to extend it.
        """
        return self._is_revoked

    def ack(self) -> None:
        """It is done."""
        self._settler.ack(self)

    def nack(
        self,
        reason: str = "",
        *,
        action: NackAction = NackAction.RETRY,
        delay: Seconds | None = None,
        counted: bool = True,
    ) -> None:
        """It is not done.

        `reason`: for logs and the dead-letter record; at most 1 KiB is kept.
        `delay` (RETRY only): pause before the next attempt, instead of the retry policy's.
        `counted` (RETRY only): False says "I am busy", which uses up no attempt.
        """
        cut = reason.encode()[:REASON_BYTES].decode(errors="ignore")
        proto = event_bus_pb2.Nack(
            delivery_id=self.delivery_id, action=action.value, reason=cut, not_counted=not counted
        )
        set_duration(proto.delay, delay)
        self._settler.nack(self, proto)

    def reject(self, reason: str = "") -> None:
        """It can never be done: to the dead-letter topic."""
        self.nack(reason, action=NackAction.REJECT)

    def skip(self, reason: str = "") -> None:
        """It shall never be done: settled as if acked."""
        self.nack(reason, action=NackAction.SKIP)

    def extend(self) -> None:
        """Hold it for one more full lease, counted from now."""
        self._settler.extend(self)

    def __repr__(self) -> str:
        topic, partition, offset, entry_id = self.position
        return (
            f"<Delivery {self.delivery_id} of {self.event.type} {self.event.id} at "
            f"{topic}/{partition}/{entry_id or offset}, attempt {self.attempt}>"
        )


class Nacked(Exception):
    """Raise `Retry`, `Reject` or `Skip` in a handler to say what shall become of the event."""

    action: NackAction = NackAction.RETRY

    def __init__(
        self, reason: str = "", *, delay: Seconds | None = None, counted: bool = True
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay
        self.counted = counted

    def settle(self, delivery: Delivery) -> None:
        delivery.nack(self.reason, action=self.action, delay=self.delay, counted=self.counted)


class Retry(Nacked):
    """Deliver it again, after `delay` if given; `counted=False` uses up no attempt."""


class Reject(Nacked):
    """Never again: to the dead-letter topic."""

    action = NackAction.REJECT

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


class Skip(Nacked):
    """Never again: settled as if acked."""

    action = NackAction.SKIP

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


def settle_after(delivery: Delivery, error: BaseException | None) -> None:
    """What a handler's end means for its delivery, unless the handler settled it itself."""
    if error is None:
        delivery.ack()
    elif isinstance(error, Nacked):
        error.settle(delivery)
    else:
        text = str(error)
        delivery.nack(f"{type(error).__name__}: {text}" if text else type(error).__name__)
