"""Clients under test: they publish and subscribe as applications do, and write down everything."""

import random
import threading

import grpc
from bus import Bus, fault, fault_of
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event

TYPE = "order.created"
ROUTES = {TYPE: {"orders": {"event_key_field": "", "enabled": True}}}

# The broker notices soon that a killed gateway is gone.
QUICK = {"properties": {"session.timeout.ms": "2000", "heartbeat.interval.ms": "300"}}


class Publisher(threading.Thread):
    """Publishes events "<name>-<number>" of some keys, a few a call, until it is told to stop."""

    def __init__(self, name, gateway, journal, keys, batch=20, pause=0.02):
        super().__init__(daemon=True)
        self._name, self._journal = name, journal
        self._keys, self._batch, self._pause = keys, batch, pause
        self._bus = Bus(gateway.endpoint)
        self._stopping = threading.Event()
        self.start()

    def stop(self):
        self._stopping.set()
        self.join(60)
        assert not self.is_alive(), "a publish call has no end"
        self._bus.close()

    def run(self):
        number = 0
        while not self._stopping.is_set():
            events = [self._event(each) for each in range(number, number + self._batch)]
            number += self._batch
            self._stopping.wait(self._pause if self._publish(events) else 0.1)

    def _event(self, number):
        key = f"{self._name} {number % self._keys}"
        return Event(type=TYPE, id=f"{self._name}-{number}", key=key.encode(), data=b"x" * 100)

    def _publish(self, events):
        """False: some were not written."""
        try:
            results = self._bus.publish(*events, timeout=30)
            outcomes = [
                fault(result.error).outcome if result.HasField("error") else "ok"
                for result in results
            ]
        except grpc.RpcError as error:
            # Without a connection nothing was sent.
            alone = "failed to connect" in error.details()
            outcome = "not_written" if alone else fault_of(error).outcome
            outcomes = [outcome or f"unknown: {error.details()}"] * len(events)
        for event, outcome in zip(events, outcomes, strict=True):
            self._journal.answered(event.id, outcome)
        return all(outcome == "ok" for outcome in outcomes)


class Subscriber(threading.Thread):
    """One stream, whose events are acked in any order, some of them late.

    hold: how many it likes to have unsettled. deaf_to_draining: goes on as if nobody had said that
    the gateway goes away. start: more fields of SubscribeStart.
    """

    def __init__(
        self,
        name,
        gateway,
        group,
        journal,
        *event_types,
        window=200,
        hold=40,
        deaf_to_draining=False,
        **start,
    ):
        super().__init__(daemon=True)
        self.name, self._journal = name, journal
        self._hold, self._deaf_to_draining = hold, deaf_to_draining
        self._random = random.Random(f"{journal.seed} {name}")
        self._given = {}  # delivery id: what the journal has of it
        self._held = []
        self._leaving = None
        self._bus = Bus(gateway.endpoint)
        start["window"] = api.Window(events=window)
        self._stream = self._bus.subscribe(group, *(event_types or [TYPE]), **start)
        self.status = None
        self.start()

    def leave(self, how):
        """drain: settles what it holds first. half_close: gives it back. cancel: breaks off."""
        self._leaving = how
        return self.gone()

    def gone(self):
        """Waits for the end of the stream: (code, fault or None)."""
        self.join(60)
        assert not self.is_alive(), f"{self.name} does not end"
        self._bus.close()
        return self.status

    def settle_all(self):
        """Holds nothing back from now on."""
        self._hold = 0

    def run(self):
        leaving = False
        while True:
            ended = self._stream.ended  # before the last messages are taken
            messages = self._stream.arrived(0.05)
            self._take(messages)
            if ended and not messages:
                break
            if messages.get("draining") and not self._deaf_to_draining:
                self._leaving = self._leaving or "drain"
            if self._leaving and not leaving:
                leaving = True
                self._leave(self._leaving)
            elif self._leaving == "drain":
                self._ack(len(self._held))
            elif not leaving:
                self._ack(max(0, len(self._held) - self._random.randint(0, self._hold)))
        self._end()

    def _take(self, messages):
        for failures in messages.get("settle_result", []):
            for failure in failures.failures:
                self._given[failure.delivery_id].refused = fault(failure.error).reason
        for revoked in messages.get("revoked", []):
            for delivery_id in revoked.delivery_ids if not revoked.grace.ToNanoseconds() else ():
                self._given[delivery_id].revoked = True
            if not revoked.grace.ToNanoseconds():
                self._held = [each for each in self._held if not self._given[each].revoked]
        for delivery in messages.get("delivery", []):
            self._given[delivery.delivery_id] = self._journal.delivered(self.name, delivery)
            self._held.append(delivery.delivery_id)

    def _ack(self, count):
        if count <= 0 or not self._held:
            return
        self._random.shuffle(self._held)
        going, self._held = self._held[:count], self._held[count:]
        for each in going:
            self._journal.acked(self._given[each])
        self._stream.send(ack=going)

    def _leave(self, how):
        if how == "drain":
            self._ack(len(self._held))
            self._stream.drain()
        elif how == "half_close":
            self._held.clear()
            self._stream.half_close()
        else:
            self._stream.cancel()

    def _end(self):
        self.status = self._stream.status()
        if self.status[0] is grpc.StatusCode.OK:
            return
        # Nobody knows which acks were still read.
        for each in self._given.values():
            each.given_back = True
