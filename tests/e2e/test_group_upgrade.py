"""A group of stock consumers and gateways while its protocol changes: docs/adr/0045.

`pytest -s` prints how long nobody was given anything of a partition, per step.
"""

import bisect
import itertools
import threading
import time
from collections import Counter

import pytest
from confluent_kafka import Consumer, Producer
from kafka import Kafka
from sidebus.v1.event_pb2 import Event  # noqa: F401  (the protos are there)
from waiting import eventually

PARTITIONS = 6
CALM = 5  # seconds after which a change is over
ROUTES = {"order.created": {"orders": {"event_key_field": "", "enabled": True}}}


class Traffic:
    """A record every 20 ms to each partition, and when each was received by whom."""

    def __init__(self, bootstrap, topic):
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        self._topic = topic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0
        self._arrived = []  # (time, partition, member), the first copies only
        self._received = Counter()  # (partition, number)
        self._lock = threading.Lock()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(0.02):
            for partition in range(PARTITIONS):
                self._producer.produce(
                    self._topic,
                    f"{self.sent}",
                    partition=partition,
                    headers={
                        "ce_specversion": "1.0",
                        "ce_source": "/orders",
                        "ce_type": "order.created",
                        "ce_id": f"{partition}.{self.sent}",
                    },
                )
            self.sent += 1
            self._producer.poll(0)
        self._producer.flush(20)

    def got(self, partition, number, member):
        with self._lock:
            self._received[partition, number] += 1
            if self._received[partition, number] == 1:
                self._arrived.append((time.monotonic(), partition, member))

    def _since(self, since):
        with self._lock:
            first = bisect.bisect(self._arrived, (since,))
            return self._arrived[first:]

    def pause(self, since):
        """The longest time in which some partition gave nobody anything new, in seconds."""
        arrivals = {partition: [since] for partition in range(PARTITIONS)}
        for at, partition, _ in self._since(since):
            arrivals[partition].append(at)
        now = time.monotonic()
        return max(
            later - earlier
            for times in arrivals.values()
            for earlier, later in itertools.pairwise([*times, now])
        )

    def members_since(self, since):
        return {member for _, _, member in self._since(since)}

    def missing(self):
        wanted = {(p, n) for p in range(PARTITIONS) for n in range(self.sent)}
        return wanted - set(self._received)

    def doubles(self):
        return self._received.total() - len(self._received)


class StockMember:
    """A consumer as in Open edX: classic, range, poll and commit."""

    def __init__(self, name, bootstrap, group, topic, traffic):
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "partition.assignment.strategy": "range,roundrobin",
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 600,
                "log_level": 0,
            }
        )
        self._consumer.subscribe([topic])
        self._name, self._traffic = name, traffic
        self._stop = threading.Event()
        self.errors = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            for record in self._consumer.consume(50, timeout=0.05):
                if record.error():
                    self.errors.append(record.error())
                    continue
                self._traffic.got(record.partition(), int(record.value()), self._name)
                self._consumer.commit(record, asynchronous=True)
        self._consumer.close()

    def close(self):
        self._stop.set()
        self._thread.join()


class GatewayMember:
    """A stream that acks all it gets."""

    def __init__(self, name, bus, group, traffic):
        self._stream = bus.subscribe(group, "order.created")
        self._name, self._traffic = name, traffic
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                batch = self._stream.batch(seconds=120)
            except AssertionError:
                return
            for delivery in batch:
                partition, number = delivery.event.id.split(".")
                self._traffic.got(int(partition), int(number), self._name)
            self._stream.ack(*batch)

    def close(self):
        self._stream.drain()
        return self._stream.end(40)


@pytest.fixture(scope="module", params=["300", "5000"], ids=["heartbeat-0.3s", "heartbeat-5s"])
def kafka(request):
    """A broker that tells members of the new protocol how often to ask what to do."""
    with Kafka(properties={"group.consumer.heartbeat.interval.ms": request.param}) as one:
        yield one.start()


def test_stock_members_go_on_while_a_member_of_the_new_protocol_comes_and_goes(
    gateway, connect, group, kafka, record_property
):
    from cluster import Cluster

    topic = f"{gateway.prefix}-orders"
    cluster = Cluster(kafka.address)
    cluster.create(topic, partitions=PARTITIONS)
    new = connect(gateway(ROUTES, kafka.address, subscribe={"group_protocol": "consumer"}))
    old = connect(gateway(ROUTES, kafka.address))
    with Traffic(kafka.address, topic) as traffic:
        stock = [StockMember(f"stock {n}", kafka.address, group, topic, traffic) for n in (1, 2)]

        def step(what, act, *after):
            """Until these members, and no others, get records all the time; then what it cost."""
            since = time.monotonic()
            result = act()

            def calm():
                lately = time.monotonic() - CALM
                return traffic.members_since(lately) == set(after) and traffic.pause(lately) < 1

            eventually(
                lambda: time.monotonic() > since + CALM and calm(),
                lambda: f"{what}: {traffic.members_since(time.monotonic() - CALM)}",
                seconds=60,
            )
            took, pause = time.monotonic() - since - CALM, traffic.pause(since)
            print(f"\n{what}: done in {took:.1f} s, longest pause {pause:.2f} s", end="")
            record_property(what, round(pause, 2))
            return result

        step("two stock members begin", lambda: None, "stock 1", "stock 2")
        joined = step(
            "a gateway with `consumer` joins",
            lambda: GatewayMember("new", new, group, traffic),
            *("stock 1", "stock 2", "new"),
        )
        step("a stock member leaves", stock[0].close, "stock 2", "new")
        step(
            "a gateway with `classic` joins",
            lambda: GatewayMember("old", old, group, traffic),
            *("stock 2", "new", "old"),
        )
        step("the gateway with `consumer` leaves", joined.close, "stock 2", "old")
    eventually(lambda: not traffic.missing(), lambda: f"{len(traffic.missing())} missing")
    print(f"\n{traffic.sent * PARTITIONS} records, {traffic.doubles()} doubles")
    assert not stock[1].errors
    stock[1].close()
