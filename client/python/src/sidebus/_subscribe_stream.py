"""What one Subscribe stream holds and has still to say. No I/O: sync and asyncio drive it."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import grpc

from sidebus._lease_keeper import LeaseKeeper
from sidebus._settle_batch import SettleBatch
from sidebus.delivery import Delivery
from sidebus.errors import SidebusError, UnavailableError, error_from_status
from sidebus.events import Position
from sidebus.subscribing import (
    Heartbeat,
    SettleFailure,
    Started,
    SubscribeOptions,
    seconds,
    started_from_proto,
)
from sidebus.v1 import event_bus_pb2

# Heartbeats come every 10 s: after this long without any message the gateway is gone.
SILENCE = 35.0
# How many settled deliveries are remembered, to tell what a SettleFailure is about.
REMEMBERED = 1_000


@dataclass(slots=True)
class Notices:
    """What a message of the gateway means for the application, to be told without the lock."""

    started: Started | None = None
    delivered: int = 0
    revoked: list[Delivery] = field(default_factory=list)
    failures: list[SettleFailure] = field(default_factory=list)
    draining: str | None = None
    heartbeat: Heartbeat | None = None


class SubscribeStream:
    """One stream, from its start to its end. It is the `Settler` of its deliveries.

        gateway ──receive──► queue ──take──► application
                ◄──next_request── batch ◄── ack, nack, extend, leases that need it

    `lock` guards everything; methods take it themselves, so that any thread may call them. `wake`
    is called, with the lock held, when there is something to send. After `end` nothing is sent any
    more: delivery ids mean nothing on another stream.
    """

    def __init__(
        self,
        options: SubscribeOptions,
        *,
        lock: threading.RLock,
        wake: Callable[[], None],
        now: float,
        keep_handed: bool = False,
    ) -> None:
        self._options = options
        self._lock = lock
        self._wake = wake
        self._batch = SettleBatch()
        self._leases = LeaseKeeper(options.extend_for, keep_handed)
        # Weak: what the application forgot without settling it must not pile up here.
        self._held: WeakValueDictionary[int, Delivery] = WeakValueDictionary()
        self._queue: deque[Delivery] = deque()
        self._recent: OrderedDict[int, tuple[str, str, Position]] = OrderedDict()
        self._last_heard = now
        self._is_start_sent = False
        self._is_draining = False
        self._is_half_closed = False
        self._is_ended = False
        self._has_settled = False

    # --- the gateway's side ------------------------------------------------------------------

    def receive(self, response: event_bus_pb2.SubscribeResponse, now: float) -> Notices:
        notices = Notices()
        with self._lock:
            self._last_heard = now
            kind = response.WhichOneof("kind")
            if kind == "deliveries":
                notices.delivered = self._add(response.deliveries, now)
            elif kind == "started":
                notices.started = started_from_proto(response.started)
                self._leases.start(notices.started.lease)
            elif kind == "revoked":
                is_lost = response.revoked.grace.ToNanoseconds() <= 0
                notices.revoked = self._revoke(response.revoked.delivery_ids, is_lost)
            elif kind == "settle_result":
                notices.failures = list(map(self._failure, response.settle_result.failures))
                for failure in notices.failures:
                    # The last holder may still ack after its lease, until someone else has it.
                    is_lost = failure.error.reason != "LEASE_EXPIRED"
                    notices.revoked += self._revoke([failure.delivery_id], is_lost)
            elif kind == "draining":
                notices.draining = response.draining.reason or "the gateway is going away"
                self.request_drain()
            elif kind == "heartbeat":
                beat = response.heartbeat
                notices.heartbeat = Heartbeat(
                    beat.lag_events, seconds(beat.oldest_unsettled), tuple(beat.missing_topics)
                )
        return notices

    def next_request(self, now: float) -> event_bus_pb2.SubscribeRequest | None:
        """What to send now, if anything."""
        with self._lock:
            if self._is_ended:
                return None
            if not self._is_start_sent:
                self._is_start_sent = True
                return event_bus_pb2.SubscribeRequest(start=self._options.start())
            if not self._is_half_closed:
                for delivery_id in self._leases.due(now):
                    self._batch.extend(delivery_id)
            return self._batch.take()

    def is_finished(self) -> bool:
        """Whether nothing will be sent any more, when `next_request` has nothing."""
        with self._lock:
            return self._is_ended or (self._is_half_closed and not self._batch)

    def wait_seconds(self, now: float) -> float:
        """How long `next_request` and `is_silent` can be left alone, unless `wake` is called."""
        with self._lock:
            due = self._leases.next_due()
            until_silence = self._last_heard + SILENCE - now
            until_due = until_silence if due is None else due - now
            return max(0.0, min(until_silence, until_due))

    def is_silent(self, now: float) -> bool:
        """Whether the gateway has not even sent heartbeats for too long."""
        with self._lock:
            return now - self._last_heard >= SILENCE

    def end(self) -> list[Delivery]:
        """The stream is over: what it held belongs to the gateway again."""
        with self._lock:
            self._is_ended = True
            self._wake()
            return self._revoke(list(self._held), is_lost=True)

    # --- the application's side --------------------------------------------------------------

    def take(self, now: float) -> Delivery | None:
        """The next delivery for the application; None when none waits."""
        with self._lock:
            if not self._queue or self._is_half_closed:
                return None
            delivery = self._queue.popleft()
            if self._leases.hand_out(delivery.delivery_id, now):
                self._batch.extend(delivery.delivery_id)
                self._wake()
            return delivery

    def ack(self, delivery: Delivery) -> None:
        with self._lock:
            if self._settled(delivery):
                self._batch.ack(delivery.delivery_id)
                self._wake()

    def nack(self, delivery: Delivery, nack: event_bus_pb2.Nack) -> None:
        with self._lock:
            if self._settled(delivery):
                self._batch.nack(nack)
                self._wake()

    def extend(self, delivery: Delivery) -> None:
        with self._lock:
            if self._is_open() and delivery.delivery_id in self._held:
                self._batch.extend(delivery.delivery_id)
                self._wake()

    def resize(self, window: event_bus_pb2.Window) -> None:
        with self._lock:
            if self._is_open():
                self._batch.resize(window)
                self._wake()

    def request_drain(self) -> None:
        """No new deliveries; the gateway ends the stream when all are settled."""
        with self._lock:
            if self._is_open() and not self._is_draining:
                self._is_draining = True
                self._batch.drain()
                self._wake()

    def half_close(self) -> None:
        """Send what waits, and nothing after it: what is held returns to the gateway at once."""
        with self._lock:
            self._is_half_closed = True
            self._queue.clear()
            self._wake()

    def keep_handed(self) -> None:
        """From now on extend also the leases of what the application has."""
        with self._lock:
            self._leases.keep_handed()

    @property
    def has_settled(self) -> bool:
        """Whether anything was settled on it."""
        return self._has_settled

    # --- inside ------------------------------------------------------------------------------

    def _is_open(self) -> bool:
        return not self._is_ended and not self._is_half_closed

    def _add(self, deliveries: event_bus_pb2.Deliveries, now: float) -> int:
        if self._leases.next_due() is None:
            self._wake()  # whoever sends has a new time to wait for
        for proto in deliveries.items:
            delivery = Delivery(proto, self)
            self._held[delivery.delivery_id] = delivery
            if not self._is_half_closed:
                self._queue.append(delivery)
                self._leases.add(delivery.delivery_id, now)
        return len(deliveries.items)

    def _settled(self, delivery: Delivery) -> bool:
        """Marks it settled. Whether to tell the gateway: once, and while there is a stream."""
        delivery_id = delivery.delivery_id
        if delivery._is_settled or not self._is_open() or delivery_id not in self._held:
            return False
        delivery._is_settled = self._has_settled = True
        del self._held[delivery_id]
        self._leases.discard(delivery_id)
        self._recent[delivery_id] = (delivery.event.type, delivery.event.id, delivery.position)
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return True

    def _revoke(self, delivery_ids: Iterable[int], is_lost: bool) -> list[Delivery]:
        """Marks them. What is not lost yet can still be settled.

        What waits in the queue is not handed out, but returned, so that nobody waits for it.
        """
        revoked = []
        for delivery_id in delivery_ids:
            delivery = self._held.get(delivery_id)
            if delivery is None:
                continue
            if not delivery._is_revoked:
                delivery._is_revoked = True
                revoked.append(delivery)
            self._leases.discard(delivery_id)
            if is_lost:
                del self._held[delivery_id]
        if revoked:
            returned = [one for one in self._queue if one._is_revoked]
            self._queue = deque(one for one in self._queue if not one._is_revoked)
            for delivery in () if is_lost else returned:
                delivery.nack("revoked before it was handled", counted=False)
        return revoked

    def _failure(self, proto: event_bus_pb2.SettleFailure) -> SettleFailure:
        delivery_id = proto.delivery_id
        error = error_from_status(proto.error)
        held = self._held.get(delivery_id)
        if held is not None:
            about = (held.event.type, held.event.id, held.position)
        elif delivery_id in self._recent:
            about = self._recent[delivery_id]
        else:
            return SettleFailure(delivery_id, error)
        return SettleFailure(delivery_id, error, *about)


def silence_error() -> SidebusError:
    return UnavailableError(
        f"nothing was heard from the gateway for {SILENCE:.0f} s", code=grpc.StatusCode.UNAVAILABLE
    )
