"""An event that nobody can handle leaves its group: whole, with the reason, and alone."""

import re
import signal
import struct
from collections import defaultdict

import grpc
import pytest
from confluent_kafka import Producer
from prometheus import Metrics
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

ROUTES = {"order": {"orders": {"event_key_field": "", "enabled": True}}}
REJECT = api.Nack.ACTION_REJECT
AT_ONCE = api.RetryPolicy(max_attempts=1)


def note(record):
    """What the headers of a dead letter say."""
    return {
        name.removeprefix("sidebus-dead-"): value.decode()
        for name, value in record.headers()
        if name.startswith("sidebus-dead-")
    }


@pytest.fixture
def letters(cluster, prefix, group):
    """Reads the dead-letter topic of the test's group."""
    topic = f"{prefix}-orders.{group}.dead"

    def read(count):
        eventually(lambda: topic in cluster.topics(), f"topic {topic}")
        return eventually(
            lambda: (found := cluster.records(topic)) and len(found) >= count and found,
            f"{count} dead letters",
        )

    return read


def test_a_record_goes_there_byte_for_byte(gateway, connect, cluster, group, letters):
    one = gateway(ROUTES, partitions=3)
    headers = [
        ("x", b"1"),
        ("ce_time", b"1970-01-01T01:00:00.0000+01:00"),
        ("ce_type", b"order"),
        ("x", None),
        ("binary", b"\x00\xff"),
        ("sidebus-dead-reason", b"of an earlier group"),
    ]
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 3})
    producer.produce(
        f"{one.prefix}-orders", b"\xfe\x00", b"\x00k", partition=2, timestamp=1_000, headers=headers
    )
    assert producer.flush(20) == 0
    stream = connect(one).subscribe(group, "order")
    (delivery,) = stream.take(1)

    stream.nack(delivery, action=REJECT, reason="no such customer")

    (letter,) = letters(1)
    assert (letter.key(), letter.value()) == (b"\x00k", b"\xfe\x00")
    kept = [pair for pair in letter.headers() if not pair[0].startswith("sidebus-dead-")]
    assert kept == headers[:-1]
    said = note(letter)
    assert said.pop("time") >= said.pop("first-failure") > "2020"
    assert said == {
        "reason": "REJECTED",
        "detail": "no such customer",
        "group": group,
        "attempts": "1",
        "topic": f"{one.prefix}-orders",
        "partition": "2",
        "offset": "0",
        "timestamp": "1970-01-01T00:00:01Z",
    }
    assert set(cluster.ends(letter.topic())) == {0, 1, 2}, "made like the topic it left"
    committed = {2: 1}
    eventually(
        lambda: cluster.committed(group, f"{one.prefix}-orders").items() >= committed.items(),
        "the position after it",
    )


def test_a_record_that_is_no_event_goes_there(gateway, connect, cluster, group, letters):
    one = gateway(ROUTES, partitions=1)
    avro = b"\x00" + struct.pack(">I", 77) + b"not ours"
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 3})
    producer.produce(f"{one.prefix}-orders", avro, b"k")
    assert producer.flush(20) == 0
    bus = connect(one)
    bus.must_publish(Event(type="order", key=b"k", data=b"next of its key"))

    stream = bus.subscribe(group, "order")

    assert stream.take(1)[0].event.data == b"next of its key"
    (letter,) = letters(1)
    assert letter.value() == avro
    assert note(letter)["reason"] == "UNDECODABLE"


def test_with_the_embedded_broker_too(gateway, connect, group):
    one = gateway(ROUTES, broker="embedded")
    bus = connect(one)
    bus.must_publish(
        Event(type="order", key=b"k", data=b"poison"), Event(type="order", key=b"k", data=b"next")
    )
    stream = bus.subscribe(group, "order", retry=AT_ONCE)

    stream.nack(*stream.take(1), reason="cannot")

    (after,) = stream.take(1)
    assert after.event.data == b"next"
    dead = bus.subscribe("reader", topics=[f"orders.{group}.dead"])
    (letter,) = dead.take(1)
    assert letter.event.data == b"poison"
    assert {each.name: each.value for each in letter.event.headers}[
        "sidebus-dead-detail"
    ] == b"cannot"


def test_one_poison_event_among_ten_thousand(gateway, connect, group, letters, seeded):
    """All other keys go on, its own as soon as it is safe; a redrive brings it back."""
    one = gateway(ROUTES, partitions=1, admin_api=True)
    bus = connect(one)
    keys, count = 50, 10_000
    poison = seeded.randrange(1_000, 2_000)
    events = [
        Event(type="order", id=str(n), key=b"%d" % (n % keys), data=b"%d" % n) for n in range(count)
    ]
    for begin in range(0, count, 1_000):
        bus.must_publish(*events[begin : begin + 1_000])
    retry = api.RetryPolicy(max_attempts=3)
    retry.min_backoff.FromMilliseconds(300)
    stream = bus.subscribe(group, "order", window=api.Window(events=1_000), retry=retry)

    handled, attempts = defaultdict(list), []
    while sum(map(len, handled.values())) < count - 1:
        good = []
        for delivery in stream.batch():
            n = int(delivery.event.data)
            if n == poison:
                attempts.append((delivery.attempt, sum(map(len, handled.values()))))
                stream.nack(delivery, reason="poison")
            else:
                handled[n % keys].append(n)
                good.append(delivery)
        stream.ack(*good)

    assert [attempt for attempt, _ in attempts] == [1, 2, 3]
    for key, numbers in handled.items():
        assert numbers == [n for n in range(key, count, keys) if n != poison]
    # Its neighbours did not wait for its retries.
    assert attempts[-1][1] - attempts[0][1] >= keys - 1
    (letter,) = letters(1)
    assert letter.value() == b"%d" % poison
    said = {"reason": "EXHAUSTED", "attempts": "3", "detail": "poison"}
    assert note(letter).items() >= said.items()
    assert one.operate("redrive", f"orders.{group}.dead").returncode == 0
    assert stream.take(1)[0].event.data == b"%d" % poison


def test_a_missing_topic_that_is_not_to_be_made_is_waited_for(gateway, connect, cluster, group):
    one = gateway(ROUTES, partitions=1, dead_letter={"create": False})
    topic = f"{one.prefix}-orders.{group}.dead"
    bus = connect(one)
    bus.must_publish(
        Event(type="order", key=b"k", data=b"poison"), Event(type="order", key=b"k", data=b"next")
    )
    stream = bus.subscribe(group, "order")
    eventually(lambda: "a dead-letter topic is missing" in one.log(), "a warning at the start")

    stream.nack(*stream.take(1), action=REJECT)
    eventually(
        lambda: Metrics.of(one).value("sidebus_dead_letter_failures_total", group=group),
        "an attempt that failed",
    )
    assert Metrics.of(one).value("sidebus_dead_lettering_events", group=group) == 1
    assert "delivery" not in stream.waiting()
    cluster.create(topic, partitions=1)

    assert stream.take(1)[0].event.data == b"next"
    assert [record.value() for record in cluster.records(topic)] == [b"poison"]


def test_a_gateway_that_is_ended_before_a_letter_is_written_says_so(gateway, connect, group):
    one = gateway(ROUTES, partitions=1, dead_letter={"create": False})
    bus = connect(one)
    bus.must_publish(Event(type="order", key=b"k"))
    stream = bus.subscribe(group, "order")
    stream.nack(*stream.take(1), action=REJECT)
    eventually(
        lambda: Metrics.of(one).value("sidebus_dead_lettering_events", group=group) == 1,
        "the letter to be waited for",
    )

    one.signal(signal.SIGTERM)
    one.signal(signal.SIGTERM)

    assert one.wait(5) == 3
    assert re.search(r"\b1 held delivery was not settled", one.stderr)
    assert group in next(line for line in one.stderr.splitlines() if "not all of a group" in line)


def test_without_dead_letters_an_event_is_halted_and_nobody_may_ask_for_them(
    gateway, connect, cluster, group
):
    one = gateway(ROUTES, partitions=1, dead_letter="off")
    bus = connect(one)
    bus.must_publish(Event(type="order", key=b"k", data=b"poison"))
    stream = bus.subscribe(group, "order", retry=AT_ONCE)
    asked = bus.subscribe(
        group, "order", retry=api.RetryPolicy(on_exhausted=api.RetryPolicy.EXHAUSTED_DEAD_LETTER)
    )
    assert asked.end()[1].reason == "NOT_SUPPORTED"

    stream.nack(*stream.take(1))

    eventually(
        lambda: Metrics.of(one).value("sidebus_held_back_keys", group=group) == 1, "a halted event"
    )
    assert not any(topic.endswith(".dead") for topic in cluster.topics() if one.prefix in topic)


def test_what_was_redriven_for_another_group_is_passed_over(gateway, connect, cluster, group):
    one = gateway(ROUTES, partitions=1)
    headers = [("ce_type", b"order"), ("sidebus-redrive-group", group.encode())]
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 3})
    producer.produce(f"{one.prefix}-orders", b"again", b"k", headers=headers)
    assert producer.flush(20) == 0
    bus = connect(one)

    assert bus.subscribe(group, "order").take(1)[0].event.data == b"again"
    other = bus.subscribe(f"{group}-other", "order")
    other.next("started")
    eventually(
        lambda: cluster.committed(f"{group}-other", f"{one.prefix}-orders") == {0: 1},
        "the position of the other group after it",
    )
    assert "delivery" not in other.waiting()


def test_letters_that_are_too_large_only_together_are_written_one_by_one(
    gateway, connect, cluster, group
):
    one = gateway(ROUTES, partitions=1)
    bus = connect(one)
    dead = f"{one.prefix}-orders.{group}.dead"
    cluster.create(dead, partitions=1, **{"max.message.bytes": "4000"})
    bus.must_publish(*(Event(type="order", id=f"{n}", data=bytes(500)) for n in range(60)))
    stream = bus.subscribe(group, "order")

    for delivery in stream.take(60):
        stream.nack(delivery, action=api.Nack.ACTION_REJECT)
    stream.drain()

    assert stream.end() == (grpc.StatusCode.OK, None)
    assert len(cluster.records(dead)) == 60
    assert Metrics.of(one).value("sidebus_held_back_keys", group=group) == 0
