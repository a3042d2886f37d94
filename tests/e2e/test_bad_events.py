"""What is wrong with an event is said with its reason and field, and costs no other event."""

import dataclasses

import grpc
import pytest
from bus import fault, fault_of
from google.protobuf.timestamp_pb2 import Timestamp
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event, Header
from waiting import eventually

ROUTES = {
    "plain": {"plain": {"event_key_field": "", "enabled": True}},
    "keyed": {"keyed": {"event_key_field": "order.id", "enabled": True}},
    "off": {"plain": {"event_key_field": "", "enabled": False}},
    "both": {
        "plain": {"event_key_field": "", "enabled": True},
        "keyed": {"event_key_field": "", "enabled": True},
    },
}
MIB = 1024 * 1024
LIMIT = 1_000_000
LAST_SECOND = 253_402_300_799  # of the year 9999


def plain(**fields):
    return Event(**({"type": "plain", "data": b"x"} | fields))


def keyed(data, **fields):
    return Event(type="keyed", **({} if data is None else {"data": data}), **fields)


def headers(*names, value=b"v"):
    return [Header(name=name, value=value) for name in names]


def nested(depth):
    """Valid JSON of that depth, with a key."""
    inner = depth - 1
    return b'{"order":{"id":"1"},"x":' + b"[" * inner + b"0" + b"]" * inner + b"}"


@dataclasses.dataclass
class Bad:
    name: str
    event: Event
    reason: str
    field: str | None = None
    code: str = "INVALID_ARGUMENT"


def unknown_type(name, text):
    return Bad(f"type {name}", plain(type=text), "EVENT_TYPE_UNKNOWN", code="NOT_FOUND")


def invalid(name, event, field):
    return Bad(name, event, "EVENT_INVALID", field)


def no_key(name, data):
    return Bad(f"key {name}", keyed(data), "KEY_FIELD_MISSING", "order.id")


BAD = [
    invalid("type empty", plain(type=""), "type"),
    invalid("type of 256 bytes", plain(type="t" * 256), "type"),
    invalid("type of 1 MiB", plain(type="t" * MIB), "type"),
    invalid("type with NUL", plain(type="plain\0"), "type"),
    invalid("type with newline", plain(type="plain\nplain"), "type"),
    invalid("type with escape", plain(type="\x1b[31mplain"), "type"),
    unknown_type("of 255 bytes", "t" * 255),
    unknown_type("with a path", "../x"),
    unknown_type("star", "*"),
    unknown_type("in capitals", "PLAIN"),
    unknown_type("of the broker", "__consumer_offsets"),
    invalid("id of 256 bytes", plain(id="i" * 256), "id"),
    invalid("id with newline", plain(id="a\nb"), "id"),
    invalid("source with newline", plain(source="a\nb"), "source"),
    invalid("subject with newline", plain(subject="a\nb"), "subject"),
    invalid("content type with newline", plain(content_type="a\nb"), "content_type"),
    invalid("header without name", plain(headers=headers("")), "headers"),
    invalid("header ce_id", plain(headers=headers("ce_id")), "headers"),
    invalid("header ce_new", plain(headers=headers("ce_new")), "headers"),
    invalid("header sidebus-x", plain(headers=headers("sidebus-x")), "headers"),
    invalid("header content-type", plain(headers=headers("content-type")), "headers"),
    invalid("1,001 headers", plain(headers=headers(*["h"] * 1001)), "headers"),
    invalid("100,000 headers", plain(headers=headers(*["h"] * 100_000)), "headers"),
    invalid("time before 1970", plain(time=Timestamp(seconds=-1)), "time"),
    invalid("time after 9999", plain(time=Timestamp(seconds=LAST_SECOND + 1)), "time"),
    invalid("time with nanos below 0", plain(time=Timestamp(nanos=-1)), "time"),
    invalid("time with nanos of a second", plain(time=Timestamp(nanos=10**9)), "time"),
    invalid("extension without name", plain(extensions={"": "v"}), "extensions"),
    invalid("extension in capitals", plain(extensions={"Color": "v"}), "extensions"),
    invalid("extension with a dash", plain(extensions={"a-b": "v"}), "extensions"),
    invalid("extension of 21 characters", plain(extensions={"e" * 21: "v"}), "extensions"),
    invalid("extension named as an attribute", plain(extensions={"source": "v"}), "extensions"),
    Bad("data over the limit", plain(data=bytes(LIMIT + 1)), "EVENT_TOO_LARGE"),
    Bad("key over the limit", plain(key=bytes(MIB)), "EVENT_TOO_LARGE"),
    Bad("header over the limit", plain(headers=headers("h", value=bytes(MIB))), "EVENT_TOO_LARGE"),
    no_key("and data absent", None),
    no_key("absent", b"{}"),
    no_key("absent deeper", b'{"order":{}}'),
    no_key("null", b'{"order":{"id":null}}'),
    no_key("is an object", b'{"order":{"id":{}}}'),
    no_key("is an array", b'{"order":{"id":[1]}}'),
    no_key("below a string", b'{"order":"id"}'),
    no_key("in an array", b'[{"order":{"id":1}}]'),
    invalid("data empty where a key is read", keyed(b""), "data"),
    invalid("data not JSON", keyed(b"order=1"), "data"),
    invalid("data cut short", keyed(b'{"order":{"id":"1"}'), "data"),
    invalid("data with NaN", keyed(b'{"order":{"id":"1"},"x":NaN}'), "data"),
    invalid("data with a second value", keyed(b'{"order":{"id":"1"}} {}'), "data"),
    invalid("data not UTF-8", keyed(b'{"order":{"id":"\xff"}}'), "data"),
    invalid("data nested 129 deep", keyed(nested(129)), "data"),
    invalid("data nested 100,000 deep", keyed(nested(100_000)), "data"),
    invalid("duplicate member", keyed(b'{"order":{"id":"1","id":"2"}}'), "data"),
    invalid("duplicate parent", keyed(b'{"order":{"id":"1"},"order":{"id":"1"}}'), "data"),
]

GOOD = {
    "empty key": plain(key=b""),
    "binary key": plain(key=bytes(range(256))),
    "empty data": plain(data=b""),
    "tombstone": Event(type="plain", key=b"k"),
    "tombstone without key": Event(type="plain"),
    "data of the limit": plain(data=bytes(LIMIT)),
    "1,000 headers": plain(headers=headers(*["h"] * 1000)),
    "binary header": plain(headers=[Header(name="h", value=bytes(range(256)))]),
    "empty and null header": plain(headers=[Header(name="h", value=b""), Header(name="h")]),
    "time 1970": plain(time=Timestamp()),
    "time 9999": plain(time=Timestamp(seconds=LAST_SECOND, nanos=999_999_999)),
    "nested 128 deep": keyed(nested(128)),
    "duplicate member elsewhere": keyed(b'{"order":{"id":"1"},"x":1,"x":2}'),
    "number as key": keyed(b'{"order":{"id":17}}'),
    "tombstone with its own key": keyed(None, key=b"k"),
    "no JSON with its own key": keyed(b"order=1", key=b"k"),
}


@pytest.fixture(scope="module")
def one(module_gateway):
    return module_gateway(ROUTES)


@pytest.fixture
def bus(one, connect):
    return connect(one)


def assert_good(*results):
    assert [result.error for result in results if result.HasField("error")] == []
    assert all(result.positions for result in results)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_event_is_explained_and_its_neighbours_are_published(bus, bad):
    first, result, last = bus.publish(plain(), bad.event, plain())

    assert_good(first, last)
    found = fault(result.error)
    assert (found.code, found.reason) == (bad.code, bad.reason)
    assert found.outcome == "not_written"
    assert found.metadata.get("field") == bad.field
    assert found.fields == ([bad.field] if bad.field else [])
    assert found.retry is None
    assert len(result.error.SerializeToString()) < 8192
    assert list(result.positions) == []
    if bad.reason == "EVENT_TOO_LARGE":
        assert found.metadata["limit"] == str(LIMIT)
    if bad.reason == "EVENT_TYPE_UNKNOWN":
        assert found.metadata["event_type"] == bad.event.type


@pytest.mark.parametrize("event", GOOD.values(), ids=GOOD.keys())
def test_an_unusual_event_is_published(bus, event):
    assert_good(*bus.publish(event))


def test_nothing_of_a_refused_event_is_in_kafka(gateway, connect, cluster, prefix):
    bus = connect(gateway(ROUTES))
    small = [bad.event for bad in BAD if bad.event.ByteSize() < 10_000]

    results = bus.publish(*small, plain(id="the good one"))

    assert_good(results[-1])
    assert cluster.records(f"{prefix}-keyed") == []
    (record,) = cluster.records(f"{prefix}-plain")
    assert dict(record.headers())["ce_id"] == b"the good one"


def test_a_stream_says_which_of_its_events_were_bad(bus):
    events = [plain()]
    for bad in BAD:
        if bad.event.ByteSize() < 10_000:
            events += [bad.event, plain()]

    answers = list(bus.publish_stream(iter([api.PublishStreamRequest(events=events)])))

    settled = {n for each in answers for r in each.ack.settled for n in range(r.first, r.last + 1)}
    failures = {each.number: fault(each.error) for a in answers for each in a.ack.failures}
    assert settled == set(range(1, len(events) + 1))
    assert failures.keys() == set(range(2, len(events) + 1, 2))
    assert {each.outcome for each in failures.values()} == {"not_written"}


# --- routes ---------------------------------------------------------------------------------------


def refusal(result):
    found = fault(result.error)
    assert found.outcome == "not_written"
    assert list(result.positions) == []
    return found


def test_a_topic_that_the_type_is_not_routed_to(bus):
    (result,) = bus.publish(plain(), topic="keyed")

    found = refusal(result)
    assert (found.code, found.reason) == ("NOT_FOUND", "TOPIC_NOT_ROUTED")
    assert (found.metadata["event_type"], found.metadata["topic"]) == ("plain", "keyed")


@pytest.mark.parametrize("topic", ["", "plain"])
def test_a_type_with_no_enabled_route(bus, topic):
    (result,) = bus.publish(Event(type="off"), topic=topic)

    found = refusal(result)
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "ROUTE_DISABLED")


def test_a_missing_topic_fails_its_own_events_only_and_never_partly(gateway, connect, cluster):
    cluster.create(f"{gateway.prefix}-plain")
    bus = connect(gateway(ROUTES, cluster.bootstrap))

    first, both, last = bus.publish(plain(id="1"), Event(type="both", id="2"), plain(id="3"))

    assert_good(first, last)
    found = refusal(both)
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "TOPIC_MISSING")
    assert found.metadata["topic"] == "keyed"
    ids = [dict(each.headers())["ce_id"] for each in cluster.records(f"{gateway.prefix}-plain")]
    assert sorted(ids) == [b"1", b"3"]
    assert f"{gateway.prefix}-keyed" not in cluster.topics()


def test_a_topic_that_appears_is_found(gateway, connect, cluster):
    cluster.create(f"{gateway.prefix}-plain")
    bus = connect(gateway(ROUTES, cluster.bootstrap))
    event = keyed(b'{"order":{"id":"1"}}')
    assert refusal(bus.publish(event)[0]).reason == "TOPIC_MISSING"

    cluster.create(f"{gateway.prefix}-keyed")

    def published():
        (result,) = bus.publish(event)
        return not result.HasField("error") or refusal(result).reason != "TOPIC_MISSING"

    eventually(published, "the topic", seconds=5)
    assert_good(*bus.publish(event))


# --- requests -------------------------------------------------------------------------------------


def refused_call(bus, *events):
    with pytest.raises(grpc.RpcError) as error:
        bus.publish(*events)
    return fault_of(error.value)


def test_more_events_than_a_request_may_have(bus):
    assert_good(*bus.publish(*[plain()] * 1000))

    found = refused_call(bus, *[plain()] * 1001)

    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "REQUEST_TOO_LARGE")
    assert found.metadata["limit"] == "1000"
    assert found.retry is None


def test_a_request_over_its_size(bus):
    found = refused_call(bus, *[plain(data=bytes(900_000))] * 5)

    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "REQUEST_TOO_LARGE")
    assert found.metadata["limit"] == str(4 * MIB)


def test_a_message_far_over_its_size_is_refused_by_grpc_itself(bus):
    found = refused_call(bus, *[plain(data=bytes(900_000))] * 6)

    assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "")
    assert_good(*bus.publish(plain()))


def test_no_events_are_no_error(bus):
    assert list(bus.publish()) == []


def test_a_deadline_that_leaves_no_time_writes_nothing(bus, cluster, module_gateway):
    topic = f"{module_gateway.prefix}-keyed"
    before = cluster.ends(topic)

    try:
        (result,) = bus.publish(keyed(b'{"order":{"id":"1"}}'), timeout=0.02)
        assert refusal(result).reason == "DELIVERY_TIMEOUT"
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED

    assert_good(*bus.publish(plain()))
    assert cluster.ends(topic) == before
