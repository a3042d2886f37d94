"""Kafka is away: at the start, and in the middle of everything."""

import itertools
import json
import threading
import time
from collections import Counter

import grpc
import pytest
import sidebus
from bus import Bus, fault, fault_of
from cluster import Cluster
from kafka import Kafka
from prometheus import Metrics
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

ROUTES = {"order.created": {"orders": {"event_key_field": "", "enabled": True}}}


@pytest.fixture(scope="module")
def kafka():
    """A broker that these tests alone kill and start again."""
    with Kafka() as one:
        yield one.start()


@pytest.fixture
def own_cluster(kafka, gateway):
    """It, with the topic of this test."""
    if not kafka.running:
        kafka.start()
    cluster = Cluster(kafka.address)
    cluster.create(f"{gateway.prefix}-orders", partitions=3)
    return cluster


def order(**fields):
    return Event(**({"type": "order.created", "data": b"x"} | fields))


def test_a_gateway_starts_without_kafka_and_works_when_it_is_there(
    gateway, connect, group, kafka, own_cluster
):
    kafka.stop()
    one = gateway(ROUTES, kafka.address)
    bus = connect(one)
    stream = bus.subscribe(group, "order.created")
    assert stream.next("started").topics == ["orders"]

    started = time.monotonic()
    (result,) = bus.publish(order(), timeout=1)
    took = time.monotonic() - started

    found = fault(result.error)
    assert (found.code, found.reason) == ("UNAVAILABLE", "BROKER_DOWN")
    assert found.outcome == "not_written"
    assert found.retry is not None
    assert 0.5 < took < 1
    assert bus.describe().condition.broker_reachable is False
    for path in ("/livez", "/startupz", "/readyz"):
        assert one.get(path)[0] == 200

    waits = bus.publish_later(order(id="waited"), timeout=60)
    kafka.start()

    (result,) = waits.result().results
    assert not result.HasField("error"), result
    assert stream.next("delivery").event.id == "waited"
    assert bus.describe().condition.broker_reachable is True
    assert len(own_cluster.records(f"{one.prefix}-orders")) == 1


def test_probes_can_be_told_to_follow_kafka(gateway, kafka):
    kafka.stop()
    wants = {"readiness": {"kafka": "any"}, "startup": {"require_broker": True}}
    one = gateway(ROUTES, kafka.address, **wants)
    assert one.get("/livez")[0] == 200
    assert one.get("/startupz")[0] == one.get("/readyz")[0] == 503

    kafka.start()

    eventually(lambda: one.get("/readyz")[0] == 200, "ready", seconds=5)
    assert one.get("/startupz")[0] == one.get("/livez")[0] == 200


def test_a_group_without_a_coordinator_is_waited_for(gateway, connect, group):
    with Kafka(properties={"offsets.topic.replication.factor": 2}) as lame:  # of one broker
        lame.start()
        cluster = Cluster(lame.address)
        cluster.create(f"{gateway.prefix}-orders")
        one = gateway(ROUTES, lame.address)
        bus = connect(one)
        bus.must_publish(order(id="1"))
        stream = bus.subscribe(group, "order.created")
        stream.next("heartbeat")  # by then, or soon, what was asked of the coordinator is too old

        lame.restart({"offsets.topic.replication.factor": 1})

        (delivery,) = stream.take(1)
        stream.ack(delivery)
        stream.drain()
        assert stream.end() == (grpc.StatusCode.OK, None)
        assert delivery.event.id == "1"
        assert one.stop() == 0


def test_groups_that_begin_while_kafka_dies_wait_quietly_and_get_everything(
    gateway, connect, group, kafka, own_cluster
):
    one = gateway(ROUTES, kafka.address)
    bus = connect(one)
    published = {f"{n}" for n in range(20)}
    bus.must_publish(*(order(id=each) for each in published))
    streams = [bus.subscribe(f"{group}-{n}", "order.created") for n in range(24)]
    first = streams[0].next("delivery")  # by now the others are anywhere on their way
    kafka.suspend()
    for stream in streams:
        stream.next("started")
    kafka.kill()

    def used_in_a_second():
        before = one.cpu_seconds()
        (result,) = bus.publish(order(), timeout=1)  # answered when the second is nearly over
        assert fault(result.error).reason in ("BROKER_DOWN", "DELIVERY_TIMEOUT")
        return one.cpu_seconds() - before

    # Less than a third of a processor for 24 clients, whose connections are refused all the time.
    eventually(lambda: used_in_a_second() < 0.3, "a quiet gateway", seconds=20)
    quiet = [used_in_a_second() for _ in range(5)]
    assert sum(quiet) < 5 * 0.3, quiet
    kafka.start()

    for stream in streams:
        missing = published - ({first.event.id} if stream is streams[0] else set())
        while missing:  # what was answered "unknown" above may come, too
            missing.discard(stream.next("delivery", seconds=40).event.id)


def test_what_kafka_refuses_a_group_is_in_the_log(gateway, connect, group):
    below_what_the_broker_allows = {"session.timeout.ms": "500", "heartbeat.interval.ms": "100"}
    one = gateway(ROUTES, kafka={"properties": below_what_the_broker_allows})
    connect(one).subscribe(group, "order.created")

    eventually(lambda: "INVALID_SESSION_TIMEOUT" in one.stderr, "the refusal in the log")
    assert one.stderr.count("INVALID_SESSION_TIMEOUT") == 1


# --- under load -----------------------------------------------------------------------------------


class Journal:
    """What was published, and what became of it: {id: ("ok" | outcome | "rpc", start, end)}."""

    def __init__(self):
        self.entries = {}
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._threads = []

    def publish_with(self, endpoint, calls=3):
        """Calls with a short deadline, and a stream, whose events may wait."""
        work = [self._call] * calls + [self._stream]
        self._threads = [threading.Thread(target=each, args=(endpoint,)) for each in work]
        for thread in self._threads:
            thread.start()

    def _stream(self, endpoint):
        started = {}

        def on_result(result):
            outcome = result.error.outcome.value if result.error else "ok"
            self.entries[result.event_id] = (outcome, started[result.event_id], time.monotonic())

        with (
            sidebus.connect(endpoint) as bus,
            bus.publish_stream(on_result=on_result, max_in_flight=300) as stream,
        ):
            for n in itertools.count():
                if self._stop.is_set():
                    break
                event = sidebus.Event("order.created", bytes(200), id=f"s{n}", key=f"{n % 7}")
                started[event.id] = time.monotonic()
                stream.publish(event)

    def _call(self, endpoint, timeout=2):
        bus = Bus(endpoint)
        while not self._stop.is_set():
            events = [
                order(id=f"e{next(self._numbers)}", key=b"%d" % (n % 7), data=bytes(200))
                for n in range(10)
            ]
            started = time.monotonic()
            try:
                results = bus.publish(*events, timeout=timeout)
                outcomes = [
                    fault(each.error).outcome if each.HasField("error") else "ok"
                    for each in results
                ]
            except grpc.RpcError as error:
                outcomes = [f"{fault_of(error)}"] * len(events)
            ended = time.monotonic()
            for event, outcome in zip(events, outcomes, strict=True):
                self.entries[event.id] = (outcome, started, ended)
        bus.close()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a publisher hangs"

    def ids(self, outcome):
        return {event for event, entry in self.entries.items() if entry[0] == outcome}

    def count(self, outcome, since=0.0):
        entries = list(self.entries.values())
        return sum(1 for found, _, ended in entries if found == outcome and ended > since)


class Reader:
    """Acks everything that comes to a group, on a stream that stays open."""

    def __init__(self, bus, group):
        self.got = Counter()
        self.ended = None  # why, when the stream did not stay open
        self._stream = bus.subscribe(group, "order.created", window=api.Window(events=500))
        self._stream.next("started")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                batch = self._stream.batch(60)
            except AssertionError as error:
                self.ended = error
                return
            self.got.update(each.event.id for each in batch)
            self._stream.ack(*batch)

    def stop(self):
        """Everything acked is committed then."""
        self._stream.drain()
        code, error = self._stream.end(20)
        self._thread.join(20)
        assert code == grpc.StatusCode.OK, error


def test_nothing_is_lost_and_nothing_is_misreported_when_kafka_is_killed(
    gateway, connect, group, kafka, own_cluster
):
    one = gateway(ROUTES, kafka.address)
    reader = Reader(connect(one), group)
    journal = Journal()
    journal.publish_with(one.endpoint)
    try:
        eventually(lambda: journal.count("ok") > 1000, "a load")

        kafka.kill()
        killed = time.monotonic()
        eventually(lambda: journal.count("not_written", killed) >= 40, "refusals", seconds=15)
        assert one.get("/livez")[0] == 200
        starting = time.monotonic()
        kafka.start()
        back = time.monotonic()
        eventually(lambda: journal.count("ok", back) > 1000, "recovery", seconds=15)
    finally:
        journal.stop()

    records = own_cluster.records(f"{one.prefix}-orders")
    written = Counter(dict(each.headers())["ce_id"].decode() for each in records)
    outcomes = Counter(outcome for outcome, _, _ in journal.entries.values())
    assert outcomes.keys() <= {"ok", "not_written", "unknown"}
    assert {each for each in journal.ids("ok") if written[each] != 1} == set(), "lost or twice"
    assert journal.ids("not_written") & written.keys() == set(), "not_written, but there"
    assert written.keys() <= journal.entries.keys()

    # Unknown is only what was handed to a broker that then went away.
    unknown = [journal.entries[each] for each in journal.ids("unknown")]
    assert [each for each in unknown if killed + 1 < each[1] and each[2] < starting] == []

    wanted = written.keys()
    eventually(
        lambda: reader.got.keys() >= wanted or reader.ended,
        lambda: f"the last of {len(wanted)} events; missing: {len(wanted - reader.got.keys())}",
        seconds=30,
    )
    assert reader.ended is None
    reader.stop()
    assert reader.got.keys() == wanted
    ends = own_cluster.ends(f"{one.prefix}-orders")
    assert own_cluster.committed(group, f"{one.prefix}-orders") == ends
    assert Metrics.of(one).value("sidebus_publish_inflight_events") == 0
    assert one.stop(10) == 0


def ack_fifty_that_nobody_commits(bus, group, kafka):
    """Kafka dies while they are held; the stream stays open."""
    bus.must_publish(*(order(id=f"{n}") for n in range(50)))
    stream = bus.subscribe(group, "order.created")
    held = stream.take(50)
    kafka.kill()
    eventually(lambda: not bus.describe().condition.broker_reachable, "the gateway to see it")
    stream.ack(*held)


def test_a_gateway_ends_in_time_though_kafka_is_away_and_acks_wait_for_their_commit(
    gateway, connect, group, kafka, own_cluster
):
    one = gateway(ROUTES, kafka.address, shutdown={"grace": "4s"})
    bus = connect(one)
    ack_fifty_that_nobody_commits(bus, group, kafka)
    calls = [bus.publish_later(order()) for _ in range(20)]

    started = time.monotonic()
    code = one.stop(20)

    assert code == 3
    assert time.monotonic() - started < 5.5
    assert all(call.done() for call in calls)


@pytest.mark.parametrize("grace", ["4s", "15s"])  # shorter and longer than leaving the group takes
def test_acks_that_kafka_did_not_commit_are_counted_and_its_exit_code_is_3(
    gateway, connect, group, kafka, own_cluster, grace
):
    one = gateway(ROUTES, kafka.address, shutdown={"grace": grace})
    ack_fifty_that_nobody_commits(connect(one), group, kafka)

    assert one.stop(20) == 3

    assert "50 acks could not be committed: the groups get their events again" in one.stderr
    (line,) = [line for line in one.stderr.splitlines() if "not all of a group" in line]
    said = json.loads(line)
    assert (said["group"], said["uncommitted_acks"]) == (group, "50")
    assert said["why"]


def test_a_held_event_can_be_settled_after_an_outage(gateway, connect, group, kafka, own_cluster):
    topic = f"{gateway.prefix}-orders"
    one = gateway(ROUTES, kafka.address)
    bus = connect(one)
    at, _ = bus.must_publish(order(id="1", key=b"k"), order(id="2", key=b"k"))
    stream = bus.subscribe(group, "order.created")

    def committed():
        return own_cluster.committed(group, topic).get(at.partition)

    stream.ack(stream.next("delivery"))
    second = stream.next("delivery")
    eventually(lambda: committed() == 1, "the first commit")

    kafka.kill()
    eventually(lambda: not bus.describe().condition.broker_reachable, "the gateway to see it")
    stream.ack(second)
    kafka.start()

    eventually(lambda: committed() == 2, "the second commit", seconds=30)
    assert stream.next("heartbeat", seconds=12)
    stream.drain()
    assert stream.end() == (grpc.StatusCode.OK, None)
    assert "delivery" not in stream.waiting()
