"""A connection to Kafka that breaks at any step of a group's start moves nothing."""

import itertools

import pytest
from cluster import Cluster
from kafka import Kafka
from kafka_proxy import REQUESTS, KafkaProxy
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

TYPE = "order.created"
ROUTES = {TYPE: {"orders": {"event_key_field": "", "enabled": True}}}


@pytest.fixture(scope="module")
def proxy():
    with KafkaProxy() as one:
        advertised = {"advertised.listeners": f"PLAINTEXT://{one.address}"}
        with Kafka(properties=advertised) as kafka:
            one.lead_to(kafka.start().address)
            yield one


@pytest.fixture
def broken_start(gateway, connect, group, proxy):
    """Publishes ten events, breaks a connection, and subscribes; (bus, stream)."""

    def begin(request, loses, **start):
        Cluster(proxy.address).create(f"{gateway.prefix}-orders")
        bus = connect(gateway(ROUTES, proxy.address))
        bus.must_publish(*[Event(type=TYPE, id=f"{n}", key=b"%d" % n) for n in range(10)])
        proxy.break_at(request, loses)
        stream = bus.subscribe(group, TYPE, **start)
        assert proxy.broke.wait(20), f"nobody sent {request}"
        return bus, stream

    return begin


def ids(stream, count):
    return sorted(int(each.event.id) for each in stream.take(count, seconds=10))


@pytest.mark.parametrize("loses", ["request", "answer"])
@pytest.mark.parametrize("request_name", REQUESTS)
def test_a_group_still_begins_at_the_beginning(broken_start, request_name, loses):
    _, stream = broken_start(request_name, loses)

    assert ids(stream, 10) == list(range(10))


@pytest.mark.parametrize("loses", ["request", "answer"])
@pytest.mark.parametrize("request_name", ["ListOffsets", "OffsetCommit"])
def test_a_group_still_begins_at_the_end(broken_start, request_name, loses):
    bus, stream = broken_start(request_name, loses, start_from=api.StartFrom(latest=True))

    numbers = itertools.count(10)

    def comes():
        bus.must_publish(Event(type=TYPE, id=f"{next(numbers)}"))
        return "delivery" in stream.waiting()

    eventually(comes, "an event", seconds=10)
    assert ids(stream, 1)[0] >= 10
