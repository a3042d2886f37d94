"""Slow, stuck and hostile subscribers on a real Kafka: they harm nobody but themselves."""

import threading
from collections import defaultdict

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from prometheus import Metrics
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

TYPE = "order.created"
ROUTES = {TYPE: {"orders": {"event_key_field": "", "enabled": True}}}
OK = (grpc.StatusCode.OK, None)
MIB = 1024 * 1024


def publish(bus, count, keys, size=10):
    events = [
        Event(type=TYPE, id=f"{n}", key=b"%d" % (n % keys), data=bytes(size)) for n in range(count)
    ]
    for first in range(0, count, 200):
        bus.must_publish(*events[first : first + 200], timeout=60)


# --- handlers that take their time ----------------------------------------------------------------
#
# Time is counted in rounds: in each one the application handles what it was given, all at once, and
# settles it at its end. One event at a time takes a round for each event.


def test_a_slow_handler_of_many_keys_gets_a_window_full_at_a_time(gateway, connect, group):
    bus = connect(gateway(ROUTES, partitions=1))
    publish(bus, 2000, keys=100)
    stream = bus.subscribe(group, TYPE, window=api.Window(events=100))

    rounds, order = 0, defaultdict(list)
    while sum(map(len, order.values())) < 2000:
        held = stream.take(100)
        rounds += 1
        for each in held:
            order[each.event.key].append(int(each.event.id))
        assert len({each.event.key for each in held}) == 100, "each key once"
        stream.ack(*held)

    assert 2000 / rounds >= 50
    assert all(numbers == sorted(numbers) for numbers in order.values())


def test_a_slow_handler_of_one_key_gets_one_event_at_a_time(gateway, connect, group):
    bus = connect(gateway(ROUTES, partitions=1))
    publish(bus, 200, keys=1)
    stream = bus.subscribe(group, TYPE, window=api.Window(events=100))

    for number in range(200):
        (held,) = stream.batch()
        assert held.event.id == str(number)
        assert not stream.waiting().get("delivery")
        stream.ack(held)


# --- subscribers that misbehave -------------------------------------------------------------------

LIMIT = 32 * MIB
BASE = 64 * MIB  # what a gateway takes that has nothing to do: code, gRPC, librdkafka
EVENTS, SIZE = 8_000, 12 * 1024  # together three times the limit


class Misbehaving(threading.Thread):
    """Does one thing to all it gets, until the test is over."""

    def __init__(self, bus, group):
        super().__init__(daemon=True)
        self.stream = bus.subscribe(group, TYPE, window=api.Window(events=20))
        self.got = 0
        self.over = threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            for delivery in self.stream.arrived(0.05).get("delivery", []):
                self.got += 1
                self.handle(delivery)

    def handle(self, delivery):
        pass

    def end(self):
        self.over.set()
        self.join(20)


class NeverSettles(Misbehaving):
    pass


class NacksForEver(Misbehaving):
    def handle(self, delivery):
        self.stream.nack(delivery, delay=Duration(nanos=50_000_000), not_counted=True)


class OneASecond(Misbehaving):
    def handle(self, delivery):
        if not self.over.wait(1):
            self.stream.ack(delivery)


class NeverReads:
    """Its transport is open, and nobody takes anything from it."""

    def __init__(self, bus, group):
        self.call = bus.subscribe_without_reading(group, TYPE)

    def end(self):
        self.call.cancel()


@pytest.fixture
def misbehaving():
    made = []
    yield made
    for one in made:
        one.end()


def test_bad_subscribers_cost_what_they_may_hold_and_harm_no_other(
    gateway, connect, cluster, group, misbehaving
):
    # Nobody may be put out of a group because its application is slow, so that is made easy.
    impatient = {"properties": {"max.poll.interval.ms": "10000", "session.timeout.ms": "6000"}}
    one = gateway(ROUTES, partitions=4, kafka=impatient, limits={"memory": f"{LIMIT // MIB}MiB"})
    kinds = (NeverSettles, NacksForEver, OneASecond, NeverReads)
    groups = [f"{group}.{kind.__name__}" for kind in kinds]
    misbehaving.extend(kind(connect(one), name) for kind, name in zip(kinds, groups, strict=True))
    topic = f"{one.prefix}-orders"
    good = connect(one).subscribe(group, TYPE, window=api.Window(events=500))
    publisher = threading.Thread(target=publish, args=(connect(one), EVENTS, 500, SIZE))
    publisher.start()

    got = 0
    while got < EVENTS:
        batch = good.batch(30)
        got += len(batch)
        good.ack(*batch)
    publisher.join(20)
    never_settles, nacks, slow, _ = misbehaving
    eventually(lambda: slow.got > 12, "more than the longest interval between polls", seconds=30)
    good.drain()

    assert good.end() == OK
    assert cluster.committed(group, topic) == cluster.ends(topic)
    assert one.most_memory() <= LIMIT + BASE
    assert all(cluster.members(name) == 1 for name in groups)
    metrics = Metrics.of(one)
    assert metrics.value("sidebus_rebalances_total", kind="lost") == 0
    assert metrics.value("sidebus_rebalances_total", kind="assign") == 5, "each group's first"
    assert never_settles.got == 20
    assert nacks.got > 100
    assert 1 <= slow.got <= 100
