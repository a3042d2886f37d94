"""A consumer that runs in the test's process, and the gateway's side of its stream."""

import threading
from contextlib import contextmanager

import sidebus
from fake_gateway import HALF_CLOSED, PATIENCE
from openedx_events.content_authoring.signals import XBLOCK_PUBLISHED
from samples import sent
from sidebus.events import event_to_proto
from sidebus.v1 import event_bus_pb2 as pb
from sidebus.v1 import event_pb2
from sidebus_openedx import SidebusEventConsumer
from sidebus_openedx._outgoing import Outgoing


class Consuming:
    """consume_indefinitely in a thread, as it would run in a process of its own."""

    def __init__(self, gateway, lease=60.0, **extra):
        self.exit = None
        self._thread = threading.Thread(target=self._run, args=(extra,), daemon=True)
        self._thread.start()
        self.stream = gateway.subscribe()
        self.start = self.stream.start(lease)

    def _run(self, extra):
        try:
            SidebusEventConsumer("xblocks", "search", **extra).consume_indefinitely()
        except BaseException as error:
            self.exit = error

    def deliver(self, *events):
        deliver(self.stream, *events)

    def nack(self):
        (nack,) = self.stream.next_that(lambda message: message.nack).nack
        return nack

    def join(self):
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def deliver(stream, *events):
    """Their delivery ids are 1, 2, ..."""
    items = [a_delivery(number, one) for number, one in enumerate(events, 1)]
    stream.send(pb.SubscribeResponse(deliveries=pb.Deliveries(items=items)))


def a_delivery(delivery_id, event):
    delivery = pb.Delivery(delivery_id=delivery_id, attempt=1)
    delivery.event.CopyFrom(event_to_proto(event, event.id))
    delivery.position.CopyFrom(event_pb2.Position(topic="xblocks", partition=1, offset=7))
    delivery.broker_time.FromMilliseconds(1_700_000_000_000)
    return delivery


def published(**changes):
    """An event as our producer sends it."""
    return Outgoing(**sent(**changes)).event()


def foreign(event_type=XBLOCK_PUBLISHED.event_type, data=b"{}"):
    """An event that this service cannot take."""
    return sidebus.Event(event_type, data, id="1")


@contextmanager
def receivers(signal, *functions):
    """Connected to the signal for a while."""
    for function in functions:
        signal.connect(function)
    try:
        yield
    finally:
        for function in functions:
            signal.disconnect(function)


def until_half_closed(stream):
    """All that the client still says."""
    said = []
    while (message := stream.next()) != HALF_CLOSED:
        said.append(message)
    return said
