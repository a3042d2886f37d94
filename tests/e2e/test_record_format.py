"""Events as records: CloudEvents 1.0 in Kafka's binary mode, in both directions."""

import json
import re
import subprocess
import time
import uuid

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Producer
from google.protobuf.timestamp_pb2 import Timestamp
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event, Header

ROUTES = {
    "plain": {"plain": {"event_key_field": "", "enabled": True}},
    "traced": {"traced": {"event_key_field": "", "enabled": True}},
    "keyed": {"keyed": {"event_key_field": "order.id", "enabled": True}},
}
EARLIEST = api.StartFrom(earliest=True)


@pytest.fixture(scope="module")
def one(module_gateway):
    return module_gateway(ROUTES, partitions=1)


@pytest.fixture
def bus(one, connect):
    return connect(one)


@pytest.fixture
def record_of(one, bus, cluster):
    """Publishes an event; the record that it became."""

    def publish(event):
        (at,) = bus.must_publish(event)
        assert (at.topic, at.partition) == (event.type, 0)
        return cluster.records(f"{one.prefix}-{event.type}")[at.offset]

    return publish


def named(*pairs):
    return [Header(name=name, value=value) for name, value in pairs]


# --- writing --------------------------------------------------------------------------------------


def test_everything_that_an_event_can_have(record_of):
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    record = record_of(
        Event(
            id="42",
            type="plain",
            source="/orders",
            subject="é",
            time=Timestamp(seconds=1_700_000_000, nanos=120_000_000),
            key=b"\x00\xff",
            content_type="application/json; charset=utf-8",
            data=b'{"a": 1}',
            data_schema="https://example.org/schema",
            extensions={"zone": "eu", "color": "blå", "a1": ""},
            headers=named(
                ("x", b"1"),
                ("tracestate", b"a=b"),
                ("x", b"\x00\xff"),
                ("traceparent", trace),
                ("Größe", b""),
            ),
        )
    )

    assert record.headers() == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"42"),
        ("ce_source", b"/orders"),
        ("ce_type", b"plain"),
        ("ce_subject", "é".encode()),
        ("ce_time", b"2023-11-14T22:13:20.120Z"),
        ("ce_dataschema", b"https://example.org/schema"),
        ("content-type", b"application/json; charset=utf-8"),
        ("ce_a1", b""),
        ("ce_color", "blå".encode()),
        ("ce_zone", b"eu"),
        ("traceparent", trace),
        ("tracestate", b"a=b"),
        ("x", b"1"),
        ("x", b"\x00\xff"),
        ("Größe", b""),
    ]
    assert record.key() == b"\x00\xff"
    assert record.value() == b'{"a": 1}'


def test_the_least_that_an_event_can_have(record_of):
    before = time.time_ns() // 1_000_000
    record = record_of(Event(type="plain"))
    after = time.time_ns() // 1_000_000

    headers = dict(record.headers())
    names = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"]
    assert [name for name, _ in record.headers()] == names
    assert uuid.UUID(headers["ce_id"].decode()).version == 4
    assert headers["ce_source"] == b"/sidebus"
    kind, stamp = record.timestamp()
    assert kind == TIMESTAMP_CREATE_TIME
    assert before <= stamp <= after
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(\d{3}){1,3})?Z", headers["ce_time"])
    assert (record.key(), record.value()) == (None, None)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, b"2023-11-14T22:13:20Z"),
        (120_000_000, b"2023-11-14T22:13:20.120Z"),
        (120_000, b"2023-11-14T22:13:20.000120Z"),
        (12, b"2023-11-14T22:13:20.000000012Z"),
    ],
)
def test_times_have_the_digits_that_they_need(record_of, nanos, text):
    record = record_of(Event(type="plain", time=Timestamp(seconds=1_700_000_000, nanos=nanos)))

    assert dict(record.headers())["ce_time"] == text


def test_the_record_is_of_now_whenever_the_event_was(record_of):
    before = time.time_ns() // 1_000_000

    record = record_of(Event(type="plain", time=Timestamp(seconds=1)))

    assert record.timestamp()[1] >= before


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        ({}, None, None),
        ({"key": b"", "data": b""}, b"", b""),
        ({"key": b"k"}, b"k", None),
        ({"data": b"\x00\xff"}, None, b"\x00\xff"),
    ],
    ids=["none", "empty", "tombstone", "binary"],
)
def test_absent_and_empty_are_not_the_same(record_of, fields, key, value):
    record = record_of(Event(type="plain", **fields))

    assert (record.key(), record.value()) == (key, value)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ('"A-7"', b"A-7"),
        ('"\\u00e9"', "é".encode()),
        ("17", b"17"),
        ("-3", b"-3"),
        ("true", b"true"),
    ],
)
def test_the_key_is_read_from_the_data(record_of, value, key):
    data = f'{{"order": {{"id": {value}}}}}'.encode()

    record = record_of(Event(type="keyed", data=data))

    assert (record.key(), record.value()) == (key, data)


def test_a_header_without_a_value_has_none(record_of):
    record = record_of(Event(type="plain", headers=[Header(name="h"), Header(name="h", value=b"")]))

    assert record.headers()[-2:] == [("h", None), ("h", b"")]


def test_kcat_sees_the_same(one, bus, cluster):
    (at,) = bus.must_publish(
        Event(id="k", type="plain", source="/s", key=b"key", data=b"data", extensions={"a": "b"})
    )

    command = ["kcat", "-b", cluster.bootstrap, "-C", "-t", f"{one.prefix}-plain", "-p", "0"]
    command += ["-o", str(at.offset), "-c", "1", "-q", "-J"]
    seen = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)

    assert (seen["key"], seen["payload"], seen["offset"]) == ("key", "data", at.offset)
    headers = seen["headers"]
    assert headers[:8] == [
        *("ce_specversion", "1.0"),
        *("ce_id", "k"),
        *("ce_source", "/s"),
        *("ce_type", "plain"),
    ]
    assert headers[8] == "ce_time"
    assert headers[10:] == ["ce_a", "b"]


# --- reading --------------------------------------------------------------------------------------


@pytest.fixture
def delivered(gateway, connect, cluster, group):
    """Produces a record as another client would; the event that it is delivered as."""
    one = gateway(ROUTES, partitions=1)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 3})

    def produce(headers, key=None, value=None):
        producer.produce(f"{one.prefix}-plain", value=value, key=key, headers=headers)
        assert producer.flush(20) == 0
        stream = connect(one).subscribe(group, "plain")
        (delivery,) = stream.take(1)
        return delivery

    return produce


def test_a_record_of_another_cloudevents_producer(delivered):
    event = delivered(
        [
            ("ce_specversion", b"1.0"),
            ("ce_type", b"plain"),
            ("ce_source", b"/other"),
            ("ce_id", b"7"),
            ("other", b"1"),
            ("ce_time", b"2023-11-14T23:13:20.5+01:00"),
            ("ce_subject", b"s"),
            ("ce_dataschema", b"urn:x"),
            ("ce_color", b"red"),
            ("content-type", b"text/plain"),
            ("other", b"\xff"),
        ],
        key=b"k",
        value=b"v",
    ).event

    assert (event.type, event.source, event.id, event.subject) == ("plain", "/other", "7", "s")
    assert event.time == Timestamp(seconds=1_700_000_000, nanos=500_000_000)
    assert (event.data_schema, event.content_type) == ("urn:x", "text/plain")
    assert dict(event.extensions) == {"color": "red"}
    assert list(event.headers) == named(("other", b"1"), ("other", b"\xff"))
    assert (event.key, event.data) == (b"k", b"v")


def test_a_record_in_structured_mode(delivered):
    body = {
        "specversion": "1.0",
        "id": "7",
        "type": "plain",
        "source": "/other",
        "datacontenttype": "application/json",
        "color": "red",
        "data": {"a": 1},
    }

    event = delivered(
        [("content-type", b"application/cloudevents+json; charset=utf-8"), ("other", b"1")],
        value=json.dumps(body).encode(),
    ).event

    assert (event.type, event.source, event.id) == ("plain", "/other", "7")
    assert event.content_type == "application/json"
    assert json.loads(event.data) == {"a": 1}
    assert dict(event.extensions) == {"color": "red"}
    assert list(event.headers) == named(("other", b"1"))


def test_what_a_record_lacks_is_made_up_or_left_empty(delivered):
    delivery = delivered([("ce_type", b"plain")])

    assert delivery.event.id == f"plain/0/{delivery.position.offset}"
    assert delivery.event.source == ""
    assert not delivery.event.HasField("key")
    assert not delivery.event.HasField("data")


def test_the_trace_of_a_call_arrives_with_its_events(bus, group):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    metadata = (("traceparent", trace), ("tracestate", "vendor=1"))
    stream = bus.subscribe(group, "traced", start_from=EARLIEST)

    (result,) = bus.publish(Event(id="by a call", type="traced"), metadata=metadata)
    requests = [api.PublishStreamRequest(events=[Event(id="by a stream", type="traced")])]
    (answer,) = bus.publish_stream(iter(requests), metadata=metadata)

    assert not result.HasField("error")
    assert not answer.ack.failures
    traced = [delivery.event for delivery in stream.take(2)]
    assert [event.id for event in traced] == ["by a call", "by a stream"]
    for event in traced:
        expected = named(("traceparent", trace.encode()), ("tracestate", b"vendor=1"))
        assert list(event.headers) == expected


def test_an_event_arrives_as_it_was_published(bus, group):
    was = Event(
        id="round",
        type="plain",
        source="/s",
        subject="sub",
        time=Timestamp(seconds=1, nanos=1),
        key=b"\x00",
        content_type="text/plain",
        data=b"\xff",
        data_schema="urn:x",
        extensions={"a": "1", "b": ""},
        headers=[Header(name="h", value=b"\xff"), Header(name="h"), Header(name="h", value=b"")],
    )
    (at,) = bus.must_publish(was)

    stream = bus.subscribe(group, "plain", start_from=EARLIEST)
    delivery = next(each for each in stream.take(at.offset + 1) if each.event.id == "round")

    assert delivery.event == was
    assert delivery.position == at
