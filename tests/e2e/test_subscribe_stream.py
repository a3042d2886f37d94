"""The Subscribe stream message by message: how it settles, and how it ends."""

import time

import grpc
import pytest
from bus import fault
from google.protobuf.duration_pb2 import Duration
from prometheus import Metrics
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event

TYPE = "order.created"
ROUTES = {TYPE: {"orders": {"event_key_field": "", "enabled": True}}}
OK = (grpc.StatusCode.OK, None)


@pytest.fixture
def one(gateway):
    return gateway(ROUTES, partitions=1, subscribe={"min_lease": "200ms"})


@pytest.fixture
def bus(one, connect):
    return connect(one)


def publish(bus, *ids):
    bus.must_publish(*[Event(type=TYPE, id=each, key=each[:1].encode()) for each in ids])


def failure(stream):
    """The only failure of the next SettleResult: (delivery id, code, reason)."""
    (found,) = stream.next("settle_result").failures
    error = fault(found.error)
    return found.delivery_id, error.code, error.reason


def ids(deliveries):
    return [each.event.id for each in deliveries]


# --- settling -------------------------------------------------------------------------------------


def test_an_id_that_was_never_given_is_reported_and_harmless(bus, group):
    publish(bus, "A1")
    stream = bus.subscribe(group, TYPE)
    (held,) = stream.take(1)

    stream.send(ack=[held.delivery_id + 1000])
    assert failure(stream) == (held.delivery_id + 1000, "NOT_FOUND", "DELIVERY_UNKNOWN")
    stream.ack(held)
    stream.drain()

    assert stream.end() == OK


def test_a_second_ack_is_reported_and_harmless(bus, group):
    publish(bus, "A1")
    stream = bus.subscribe(group, TYPE)
    (held,) = stream.take(1)

    stream.ack(held)
    stream.ack(held)
    stream.send(nack=[api.Nack(delivery_id=held.delivery_id)])
    stream.send(extend=[held.delivery_id])

    failures = []
    while len(failures) < 3:
        failures += stream.next("settle_result").failures
    assert {each.delivery_id for each in failures} == {held.delivery_id}
    assert {fault(each.error).reason for each in failures} == {"DELIVERY_UNKNOWN"}
    stream.drain()
    assert stream.end() == OK


def test_an_id_of_another_stream_settles_nothing(bus, group):
    publish(bus, "A1", "B1")
    window = api.Window(events=1)
    first = bus.subscribe(group, TYPE, window=window)
    first.next("started")
    second = bus.subscribe(group, TYPE, window=window)
    (held,) = first.take(1)
    (other,) = second.take(1)
    stranger = max(held.delivery_id, other.delivery_id) + 7

    second.send(ack=[stranger])
    assert failure(second)[1:] == ("NOT_FOUND", "DELIVERY_UNKNOWN")
    first.cancel()

    second.ack(other)
    assert ids(second.take(1)) == [held.event.id]


def test_an_ack_after_the_event_went_to_another_is_refused(bus, group):
    publish(bus, "A1")
    retry = api.RetryPolicy(min_backoff=Duration(nanos=10_000_000))
    stream = bus.subscribe(group, TYPE, lease=Duration(nanos=300_000_000), retry=retry)
    (first,) = stream.take(1)
    (again,) = stream.take(1)
    assert (first.event.id, again.event.id, again.attempt) == ("A1", "A1", 2)
    assert again.delivery_id > first.delivery_id

    stream.ack(first)

    code = failure(stream)
    assert code[0] == first.delivery_id
    assert code[1:] in [("ABORTED", "LEASE_EXPIRED"), ("NOT_FOUND", "DELIVERY_UNKNOWN")]
    stream.ack(again)
    stream.drain()
    assert stream.end() == OK


def test_one_message_settles_extends_and_resizes(bus, group):
    publish(bus, "A1", "B1", "C1", "D1")
    stream = bus.subscribe(group, TYPE, window=api.Window(events=3))
    a, b, c = stream.take(3)

    stream.send(
        ack=[a.delivery_id],
        nack=[api.Nack(delivery_id=b.delivery_id, action=api.Nack.ACTION_SKIP)],
        extend=[c.delivery_id],
        window=api.Window(events=9),
        drain=False,
    )

    assert ids(stream.take(1)) == ["D1"]


# --- the end --------------------------------------------------------------------------------------


def test_drain_ends_with_ok_when_everything_is_settled_and_committed(one, bus, group, cluster):
    publish(bus, "A1", "B1", "A2")
    stream = bus.subscribe(group, TYPE)
    a, b = stream.take(2)

    stream.drain()
    stream.ack(a)
    stream.ack(b)

    assert stream.end() == OK
    assert stream.waiting() == {"started": 1}
    assert cluster.committed(group, f"{one.prefix}-orders") == {0: 2}


def test_half_close_returns_what_is_held_at_once(one, bus, group, cluster):
    publish(bus, "A1", "B1")
    stream = bus.subscribe(group, TYPE)
    held = {each.event.id: each for each in stream.take(2)}

    stream.ack(held["A1"])
    stream.half_close()

    assert stream.end(5) == OK
    assert cluster.committed(group, f"{one.prefix}-orders") == {0: 1}
    (again,) = bus.subscribe(group, TYPE).take(1)
    assert (again.event.id, again.interruptions) == ("B1", 0)


def test_what_a_broken_stream_held_goes_to_another_within_a_second(bus, group):
    publish(bus, "A1", "A2")
    first = bus.subscribe(group, TYPE, window=api.Window(events=1))
    (held,) = first.take(1)
    second = bus.subscribe(group, TYPE)
    second.next("started")

    broken = time.monotonic()
    first.cancel()
    (again,) = second.take(1)
    took = time.monotonic() - broken

    assert (again.event.id, again.interruptions) == (held.event.id, 1)
    assert again.attempt == 1
    assert took < 1
    second.ack(again)
    assert ids(second.take(1)) == ["A2"]


def test_a_subscription_waits_for_a_stream_that_broke_off(one, bus, group):
    publish(bus, "A1", "A2")
    stream = bus.subscribe(group, TYPE)
    stream.ack(*stream.take(1))
    assert ids(stream.take(1)) == ["A2"]

    stream.cancel()
    (again,) = bus.subscribe(group, TYPE).take(1)

    assert (again.event.id, again.interruptions) == ("A2", 1)
    assert Metrics.of(one).value("sidebus_rebalances_total", group=group, kind="revoke") == 0


def test_a_reader_that_never_settles_costs_its_window_only(bus, group):
    publish(bus, *[f"{key}1" for key in "ABCDEFGH"])
    stuck = bus.subscribe(group, TYPE, window=api.Window(events=3))
    held = set(ids(stuck.take(3)))

    other = bus.subscribe(group, TYPE)
    got = set()
    while len(got) < 5:
        batch = other.batch()
        other.ack(*batch)
        got |= set(ids(batch))

    assert held | got == {f"{key}1" for key in "ABCDEFGH"}


# --- bad starts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "fields", "code", "reason"),
    [
        ([], {}, "INVALID_ARGUMENT", "START_INVALID"),
        ([TYPE], {"start_from": api.StartFrom(latest=False)}, "INVALID_ARGUMENT", "START_INVALID"),
        ([TYPE], {"start_from": api.StartFrom()}, "INVALID_ARGUMENT", "START_INVALID"),
        (
            [TYPE],
            {"start_from": api.StartFrom(positions={"items": [{"topic": "orders"}]})},
            "INVALID_ARGUMENT",
            "START_INVALID",
        ),
        (["order.deleted"], {}, "NOT_FOUND", "EVENT_TYPE_UNKNOWN"),
        ([TYPE], {"topics": ["payments"]}, "NOT_FOUND", "TOPIC_NOT_ROUTED"),
        ([], {"topics": ["../x"]}, "INVALID_ARGUMENT", "START_INVALID"),
    ],
    ids=["nothing", "false", "empty from", "positions", "type", "topic", "bad topic"],
)
def test_a_bad_start_ends_the_stream_before_it_joins(bus, group, types, fields, code, reason):
    stream = bus.subscribe(group, *types, **fields)

    _, error = stream.end()

    assert (error.code, error.reason) == (code, reason)
    assert error.retry is None
    assert stream.waiting() == {}


@pytest.mark.parametrize("name", [" ", " g", "g "], ids=["only", "begins", "ends"])
def test_a_group_with_blanks_at_its_ends_is_refused_and_the_gateway_lives(bus, group, name):
    _, error = bus.subscribe(name, TYPE).end()

    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "START_INVALID")
    bus.subscribe(group, TYPE).next("started")


def test_a_second_start_ends_the_stream(bus, group):
    stream = bus.subscribe(group, TYPE)
    stream.next("started")

    stream.send(start=api.SubscribeStart(group=group, event_types=[TYPE]))

    assert stream.end()[1].reason == "START_INVALID"
