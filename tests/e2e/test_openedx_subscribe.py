"""What the producer of Open edX writes, as applications get it through the gateway.

The records are written by hand, framed as Confluent's serializers do; the schemas are in a real
registry: SIDEBUS_TEST_REGISTRY (tests/support/registry.py run).
"""

import json
import os
import struct
import urllib.request

import pytest
from confluent_kafka import Producer
from sidebus.v1 import event_bus_pb2 as api
from waiting import eventually

REGISTRY = os.environ.get("SIDEBUS_TEST_REGISTRY")
pytestmark = pytest.mark.skipif(not REGISTRY, reason="SIDEBUS_TEST_REGISTRY is not set")

TYPE = "org.openedx.content_authoring.xblock.published.v1"
ROUTES = {TYPE: {"blocks": {"event_key_field": "xblock_info.usage_key", "enabled": True}}}
USAGE_KEY = "block-v1:edx+DemoX+Demo_course+type@video+block@abc"
SCHEMA = {
    "name": "CloudEvent",
    "type": "record",
    "doc": "Avro Event Format for CloudEvents created with openedx_events/schema",
    "namespace": TYPE,
    "fields": [
        {
            "name": "xblock_info",
            "type": {
                "name": "XBlockData",
                "type": "record",
                "fields": [
                    {"name": "usage_key", "type": "string"},
                    {"name": "block_type", "type": "string"},
                    {"name": "version", "type": ["null", "string"], "default": None},
                ],
            },
        }
    ],
}
HEADERS = [
    ("ce_specversion", b"1.0"),
    ("content-type", b"application/avro"),
    ("ce_datacontenttype", b"application/avro"),
    ("ce_type", TYPE.encode()),
    ("ce_id", b"01234567-89ab-11ee-8c99-0242ac120002"),
    ("ce_source", b"openedx/rig/web"),
    ("ce_time", b"2026-01-02T03:04:05+00:00"),
    ("ce_minorversion", b"0"),
    ("sourcehost", b"rig-host"),
    ("sourcelib", b"11.2.0"),
]
AVRO = b"\x66" + USAGE_KEY.encode() + b"\x0avideo\x00"


def register(subject, schema):
    """The id of a schema."""
    request = urllib.request.Request(
        f"{REGISTRY}/subjects/{subject}/versions",
        data=json.dumps({"schema": json.dumps(schema, sort_keys=True)}).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)["id"]


def framed(schema_id, avro):
    return b"\x00" + struct.pack(">I", schema_id) + avro


@pytest.fixture
def blocks(gateway, cluster, prefix):
    """A gateway that reads Open edX, and a function that writes a value to its topic."""
    one = gateway(ROUTES, encoding="openedx", schema_registry={"url": REGISTRY})
    topic = f"{prefix}-blocks"
    key = framed(
        register(f"{topic}-string", {"name": "usage_key", "type": "string"}),
        b"\x66" + USAGE_KEY.encode(),
    )
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 3})

    def write(value):
        producer.produce(topic, value, key, headers=HEADERS)
        assert producer.flush(20) == 0
        return key

    return one, topic, write


def test_an_application_gets_json(blocks, connect, group):
    one, topic, write = blocks
    write(framed(register(f"{topic}-{TYPE}.CloudEvent", SCHEMA), AVRO))

    stream = connect(one).subscribe(group, TYPE, data_format=api.DATA_FORMAT_JSON)
    (delivery,) = stream.take(1)

    assert json.loads(delivery.event.data) == {
        "xblock_info": {"usage_key": USAGE_KEY, "block_type": "video", "version": None}
    }
    assert delivery.event.content_type == "application/json"
    assert delivery.event.key == USAGE_KEY.encode()
    assert delivery.event.id == "01234567-89ab-11ee-8c99-0242ac120002"
    assert delivery.event.extensions["minorversion"] == "0"


def test_an_application_gets_avro_and_its_schema(blocks, connect, group):
    one, topic, write = blocks
    write(framed(register(f"{topic}-{TYPE}.CloudEvent", SCHEMA), AVRO))

    stream = connect(one).subscribe(group, TYPE, data_format=api.DATA_FORMAT_STORED)
    (delivery,) = stream.take(1)

    assert delivery.event.data == AVRO
    assert delivery.event.content_type == "application/avro"
    assert json.loads(delivery.event.schema)["namespace"] == TYPE


def test_a_value_whose_schema_nobody_has_is_dead_lettered(blocks, connect, cluster, group):
    one, topic, write = blocks
    value = framed(2_000_000_000, AVRO)
    key = write(value)

    connect(one).subscribe(group, TYPE, data_format=api.DATA_FORMAT_JSON)

    dead = f"{topic}.{group}.dead"
    eventually(lambda: dead in cluster.topics(), f"topic {dead}", seconds=60)
    (letter,) = eventually(lambda: cluster.records(dead), "a dead letter", seconds=60)
    assert (letter.key(), letter.value()) == (key, value)
    assert ("sidebus-dead-reason", b"UNDECODABLE") in letter.headers()
