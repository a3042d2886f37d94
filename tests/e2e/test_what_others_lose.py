"""How another sidecar lost, repeated or held up its Kafka events, and that this one does not.

Each test is named after an issue of dapr/components-contrib. What went wrong there is told in the
test's own words.
"""

import time

import grpc
import pytest
from bus import fault
from google.protobuf.duration_pb2 import Duration
from prometheus import Metrics
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

TYPE = "order.created"
ROUTES = {TYPE: {"orders": {"event_key_field": "", "enabled": True}}}
QUICK = {"properties": {"session.timeout.ms": "2000", "heartbeat.interval.ms": "300"}}
OK = (grpc.StatusCode.OK, None)
SOON = Duration(nanos=20_000_000)
EIGHT = tuple(f"{letter}1" for letter in "ABCDEFGH")


def publish(bus, *ids):
    """The letter of an id is its key."""
    bus.must_publish(*[Event(type=TYPE, id=each, key=each[:1].encode(), data=b"x") for each in ids])


def nacked(streams, got):
    """Nacks what has come to each stream, and adds it to that one's set in `got`."""
    for stream, ids in zip(streams, got, strict=True):
        for delivery in stream.arrived(0.02).get("delivery", []):
            ids.add(delivery.event.id)
            stream.nack(delivery, delay=SOON, not_counted=True)
    return got


def nack_next(stream, event):
    """The next delivery, which must be of that event, is nacked."""
    (delivery,) = stream.take(1)
    assert delivery.event.id == event
    stream.nack(delivery, delay=SOON, not_counted=True)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_3529_an_event_that_is_being_retried_outlives_its_gateway(
    gateway, connect, cluster, group, end
):
    """A poison event was retried for ever, as configured, until the pod ended: the cancelled retry
    was taken for a final failure, the event was marked as done, and never came again.

    Here the end of a process settles nothing.
    """
    one = gateway(ROUTES, partitions=1, kafka=QUICK)
    bus = connect(one)
    publish(bus, "A1", "A2")
    stream = bus.subscribe(group, TYPE)
    for _ in range(5):
        nack_next(stream, "A1")

    one.stop() if end == "stop" else one.kill()
    assert cluster.committed(group, f"{one.prefix}-orders") in ({}, {0: 0})
    one.start()

    stream = connect(one).subscribe(group, TYPE)
    nack_next(stream, "A1")
    for event in ("A1", "A2"):
        (delivery,) = stream.take(1)
        assert delivery.event.id == event
        stream.ack(delivery)
    stream.drain()
    assert stream.end() == OK


def test_3849_events_that_are_being_retried_outlive_a_rebalance(gateway, connect, cluster, group):
    """While an event was retried, another member joined the group: the cancelled retry ended the
    attempt, the loop went on to the next event, and its position passed the failed one.

    Here a retry ends with the assignment, and who reads the partition next begins at that event.
    """
    one = gateway(ROUTES, partitions=2)
    bus = connect(one)
    publish(bus, *EIGHT)
    streams = [bus.subscribe(group, TYPE)]
    got = [set()]
    eventually(lambda: nacked(streams, got) == [set(EIGHT)], "all events")

    streams.append(connect(gateway(ROUTES)).subscribe(group, TYPE))
    got = [set(), set()]
    eventually(lambda: all(nacked(streams, got)), "events at the new member")
    got = [set(), set()]
    eventually(lambda: set().union(*nacked(streams, got)) == set(EIGHT), "all events again")

    assert all(got), "each member has a partition"
    assert not got[0] & got[1], "an event has one holder"
    topic = f"{one.prefix}-orders"
    assert not any(cluster.committed(group, topic).values())
    assert not cluster.settled(group, topic)


def test_4362_an_event_that_was_given_up_does_not_come_again(gateway, connect, cluster, group):
    """An event used up its retries and was given up; long after, when the pod was restarted, it was
    delivered once more, because the position behind it had never been committed.

    Here giving up is settling: it is committed, even while an event before it is still held.
    """
    one = gateway(ROUTES, partitions=1, kafka=QUICK)
    bus = connect(one)
    publish(bus, "A1", "B1", "C1")
    retry = api.RetryPolicy(
        max_attempts=2, min_backoff=SOON, on_exhausted=api.RetryPolicy.EXHAUSTED_SKIP
    )
    stream = bus.subscribe(group, TYPE, retry=retry)
    given_up = [each for each in stream.take(3) if each.event.id == "B1"]
    stream.nack(given_up[0])
    (given_up,) = stream.take(1)
    assert (given_up.event.id, given_up.attempt) == ("B1", 2)
    stream.nack(given_up)

    topic = f"{one.prefix}-orders"
    eventually(lambda: cluster.settled(group, topic) == {(0, 1)}, "its settlement")
    one.kill()
    one.start()

    stream = connect(one).subscribe(group, TYPE)
    assert [each.event.id for each in stream.take(2)] == ["A1", "C1"]
    assert not stream.arrived(0.3).get("delivery")


def test_4577_an_event_that_moves_is_with_nobody_until_its_holder_was_told(gateway, connect, group):
    """A slow handler went on with an event, and with its retries, after the partition had moved,
    and the new owner handled the same event at the same time: nothing told the first to stop.

    Here the holder is told, and has a grace in which nobody else gets the event; what it settles
    in time is settled, and later its settles count no more.
    """
    one = gateway(ROUTES, partitions=1, subscribe={"revoke_grace": "1500ms"})
    bus = connect(one)
    publish(bus, "A1", "B1")
    holder = bus.subscribe(group, TYPE)
    a, b = holder.take(2)

    joined = connect(gateway(ROUTES)).subscribe(group, TYPE)
    assert len(holder.next("revoked").delivery_ids) == 2
    told = time.monotonic()
    holder.ack(a)
    lost = holder.next("revoked")
    assert not joined.waiting().get("delivery") or time.monotonic() - told >= 1.5
    assert (list(lost.delivery_ids), lost.grace.ToNanoseconds()) == ([b.delivery_id], 0)
    holder.ack(b)

    (failure,) = holder.next("settle_result").failures
    assert failure.delivery_id == b.delivery_id
    assert fault(failure.error).reason == "DELIVERY_REVOKED"
    got = [set(), set()]
    eventually(lambda: any(nacked([holder, joined], got)), "the event at its owner")
    assert sorted(map(sorted, got)) == [[], ["B1"]]


def test_4580_an_event_that_always_fails_does_not_keep_the_group_from_settling_down(
    gateway, connect, cluster, group
):
    """A member that was busy retrying one event did not hear of a rebalance, was put out of the
    group, joined again, and so caused the next one: after a health check had failed for ten
    seconds, two members passed one event to and fro for ever, and nothing else moved.

    Here the group knows nothing of retries: it is steady as soon as its members are, the event
    stays where it is, and others are not held up by it.
    """
    gateways = [gateway(ROUTES, partitions=1) for _ in range(2)]
    buses = [connect(one) for one in gateways]
    publish(buses[0], "A1")
    streams = [bus.subscribe(group, TYPE) for bus in buses]
    eventually(lambda: any(nacked(streams, [set(), set()])), "the event")

    streams[1].half_close()  # its application is unwell, and well again
    streams[1].end()
    streams[1] = buses[1].subscribe(group, TYPE)
    eventually(lambda: len(cluster.shares(group)) == 2, "both")
    eventually(lambda: sum(assigned(one) for one in gateways) == 1, "who has the partition")
    nacked(streams, [set(), set()])  # what came before
    settled_down = [moved(one) for one in gateways]
    holders = []
    while len(holders) < 20:
        for number, ids in enumerate(nacked(streams, [set(), set()])):
            holders += [number] * len(ids)
    assert len(set(holders)) == 1
    assert [moved(one) for one in gateways] == settled_down

    publish(buses[0], "B1")
    got = [set(), set()]
    eventually(lambda: "B1" in nacked(streams, got)[holders[0]], "the event of another key")


def assigned(one):
    return Metrics.of(one).value("sidebus_assigned_partitions", topic="orders")


def moved(one):
    """How many partitions went, and how."""
    metrics = Metrics.of(one)
    return [
        metrics.value("sidebus_rebalances_total", kind=kind)
        for kind in ("assign", "revoke", "lost")
    ]
