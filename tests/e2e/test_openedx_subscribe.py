"""What the producer of Open edX writes, as applications get it through the gateway.

The records are written by hand, framed as Confluent's serializers do; the schemas are in a real
registry.
"""

import json

import pytest
from confluent_kafka import Producer
from openedx_wire import VECTORS, avro_string, framed, headers, register
from sidebus.v1 import event_bus_pb2 as api

TYPE = "org.openedx.content_authoring.xblock.published.v1"
ROUTES = {TYPE: {"blocks": {"event_key_field": "xblock_info.usage_key", "enabled": True}}}
USAGE_KEY = "block-v1:edx+DemoX+Demo_course+type@video+block@abc"
SCHEMA = VECTORS[TYPE]["schema"]
IDENTITY = "01234567-89ab-11ee-8c99-0242ac120002"
AVRO = avro_string(USAGE_KEY) + avro_string("video") + b"\x00"


@pytest.fixture
def blocks(gateway, cluster, prefix, registry):
    """A gateway that reads Open edX, and a function that writes the data of an event to a topic."""
    one = gateway(ROUTES, encoding="openedx", schema_registry={"url": registry})
    topic = f"{prefix}-blocks"
    schema_id = register(registry, f"{topic}-{TYPE}.CloudEvent", SCHEMA)
    key_id = register(registry, f"{topic}-string", {"name": "usage_key", "type": "string"})
    key = framed(key_id, avro_string(USAGE_KEY))
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 3})

    def write(avro):
        producer.produce(topic, framed(schema_id, avro), key, headers=headers(TYPE, IDENTITY))
        assert producer.flush(20) == 0

    return one, write


def test_an_application_gets_json(blocks, connect, group):
    one, write = blocks
    write(AVRO)

    stream = connect(one).subscribe(group, TYPE, data_format=api.DATA_FORMAT_JSON)
    (delivery,) = stream.take(1)

    assert json.loads(delivery.event.data) == {
        "xblock_info": {"usage_key": USAGE_KEY, "block_type": "video", "version": None}
    }
    assert delivery.event.content_type == "application/json"
    assert delivery.event.key == USAGE_KEY.encode()
    assert delivery.event.id == IDENTITY
    assert delivery.event.extensions["minorversion"] == "0"


def test_an_application_gets_avro_and_its_schema(blocks, connect, group):
    one, write = blocks
    write(AVRO)

    stream = connect(one).subscribe(group, TYPE, data_format=api.DATA_FORMAT_STORED)
    (delivery,) = stream.take(1)

    assert delivery.event.data == AVRO
    assert delivery.event.content_type == "application/avro"
    assert json.loads(delivery.event.schema)["namespace"] == TYPE
