"""Records on a topic of Open edX that nobody should write: what becomes of each.

What the stock consumer takes is delivered, as it takes it. Everything else is a dead letter with
the reason, where the stock consumer logs it and passes on, or hangs, or dies of it.
"""

import json
import uuid

import pytest
from confluent_kafka import Producer
from django_service import Service, on_kafka
from openedx_wire import VECTORS, avro_long, avro_string, framed, headers, register
from sidebus.v1 import event_bus_pb2 as api
from waiting import eventually

TYPE = "org.openedx.content_authoring.xblock.published.v1"
ROUTES = {TYPE: {"blocks": {"event_key_field": "xblock_info.usage_key", "enabled": True}}}
SCHEMA = VECTORS[TYPE]["schema"]
BLOCK = SCHEMA["fields"][0]
USAGE_KEY = "block-v1:edx+DemoX+Demo_course+type@video+block@abc"
INFO = {"usage_key": USAGE_KEY, "block_type": "video", "version": None}
AVRO = avro_string(USAGE_KEY) + avro_string("video") + b"\x00"

# Of the data, as an application gets it.
DELIVERED = {"xblock_info": INFO}


class Record:
    """outcome: the data that is delivered, or a part of the detail of the dead letter."""

    def __init__(self, name, outcome, value, key=None, headers=None):
        self.name, self.outcome = name, outcome
        self.value, self.key, self.headers = value, key, headers

    @property
    def is_delivered(self):
        return not isinstance(self.outcome, str)


def identity(name):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def plus(field_type):
    """The schema with a field more, as a later version of a service may have it."""
    return SCHEMA | {"fields": [BLOCK, {"name": "more", "type": field_type}]}


def without_version():
    info = BLOCK["type"] | {"fields": BLOCK["type"]["fields"][:2]}
    return SCHEMA | {"fields": [BLOCK | {"type": info}]}


class Maker:
    """Makes the records of a topic, whose schemas it registers."""

    def __init__(self, registry, topic):
        self._registry, self._topic = registry, topic
        self._schema_id = self.register(SCHEMA)
        self.made = []

    def register(self, schema):
        """Each in a subject of its own: they need not be compatible."""
        return register(self._registry, f"{self._topic}-{uuid.uuid4()}", schema)

    def add(self, name, outcome, value=None, avro=AVRO, schema=None, key=None, more=(), **changes):
        """A value, or the Avro of one; with headers that are changed, and more of them."""
        if value is None:
            value = framed(self.register(schema) if schema else self._schema_id, avro)
        its_headers = headers(TYPE, identity(name), **changes) + list(more)
        self.made.append(Record(name, outcome, value, key, its_headers))

    def add_raw(self, name, outcome, value, its_headers):
        self.made.append(Record(name, outcome, value, None, its_headers))


def add_frames(make):
    good = framed(make.register(SCHEMA), AVRO)
    make.add("as it should be", DELIVERED)
    make.add("JSON without a frame", "not framed", b'{"xblock_info": {}}')
    make.add("Avro without a frame", "not framed", AVRO)
    make.add("another first byte", "not framed", b"\x02" + good[1:])
    make.add("a frame alone", "fewer than 6 bytes", good[:5])
    make.add("one zero byte", "fewer than 6 bytes", b"\x00")
    make.add("empty", "fewer than 6 bytes", b"")
    make.add_raw("a tombstone", "a tombstone", None, headers(TYPE))
    make.add("an unknown id", "no schema with id 2000000000", framed(2_000_000_000, AVRO))
    make.add("the largest id", "no schema with id 4294967295", framed(2**32 - 1, AVRO))


def add_avro(make):
    text = "expected string"
    make.add("cut off at the end", "version: expected null or string", avro=AVRO[:-1])
    make.add("cut off in a text", f"usage_key: {text}", avro=AVRO[:20])
    make.add("more behind it", DELIVERED, avro=AVRO + b"more")
    make.add("a text of 2^62 bytes", f"usage_key: {text}", avro=avro_long(2**62) + b"abc")
    make.add("a text of -1 bytes", f"usage_key: {text}", avro=avro_long(-1) + b"abc")
    make.add("a number without end", f"usage_key: {text}", avro=b"\xff" * 40)
    make.add("no such branch", "version: expected null", avro=AVRO[:-1] + avro_long(2))
    make.add("a branch below zero", "version: expected null", avro=AVRO[:-1] + avro_long(-1))
    not_utf8 = avro_string(USAGE_KEY) + avro_string(b"\xff\xfe") + b"\x00"
    make.add("a text that is not UTF-8", "the text is not UTF-8", avro=not_utf8)
    zero = avro_string(USAGE_KEY) + avro_string("a\x00b") + b"\x00"
    make.add("a text with a zero byte", {"xblock_info": INFO | {"block_type": "a\x00b"}}, avro=zero)
    longs = {"type": "map", "values": "long"}
    make.add(
        "a map of 2^62", "more: expected map", avro=AVRO + avro_long(2**62), schema=plus(longs)
    )
    nulls = {"type": "array", "items": "null"}
    sized = AVRO + avro_long(-2) + avro_long(0) + avro_long(0)
    make.add(
        "a block with its size", DELIVERED | {"more": [None] * 2}, avro=sized, schema=plus(nulls)
    )
    wrong = AVRO + avro_long(-2) + avro_long(2**62) + avro_long(0)
    make.add("a block of 2^62 bytes", "more: expected array", avro=wrong, schema=plus(nulls))


def add_versions(make):
    old = avro_string(USAGE_KEY) + avro_string("video")
    older = {"xblock_info": {"usage_key": USAGE_KEY, "block_type": "video"}}
    make.add("of an older version", older, avro=old, schema=without_version())
    newer = AVRO + avro_long(1) + avro_long(7)
    make.add(
        "of a newer version", DELIVERED | {"more": 7}, avro=newer, schema=plus(["null", "long"])
    )


def add_headers(make):
    names = (
        "ce_type",
        "ce_id",
        "ce_source",
        "ce_time",
        "ce_minorversion",
        "sourcehost",
        "sourcelib",
    )
    for name in names:
        twice = f"twice {name}"
        value = dict(headers(TYPE, identity(twice)))[name]
        make.add(twice, f"`{name}` is there twice", more=[(name, value)])
        make.add(f"no UTF-8 in {name}", f"`{name}` is not UTF-8", **{name: b"\xff\xfe"})
        missing = f"without {name}"
        needed = name in ("ce_type", "ce_id")
        make.add(missing, f"`{name}` is missing" if needed else DELIVERED, **{name: None})
        bare = [each for each in headers(TYPE, identity(f"no value {name}")) if each[0] != name]
        make.add_raw(f"no value {name}", f"`{name}` has no value", None, [*bare, (name, None)])
        make.made[-1].value = make.made[0].value
    for name in ("ce_specversion", "content-type", "ce_datacontenttype"):
        make.add(f"twice {name}", DELIVERED, more=[(name, b"\xff")])
        make.add(f"without {name}", DELIVERED, **{name: None})
    make.add("twice an unknown header", DELIVERED, more=[("x", b"1"), ("x", b"\xff")])
    make.add_raw("no headers", "`ce_type` is missing", make.made[0].value, [])


def add_header_values(make):
    wrong = "is not of the form that it must have"
    for name, form in {"braces": "{%s}", "a URN": "urn:uuid:%s"}.items():
        text = form % identity(f"an id with {name}")
        make.add(f"an id with {name}", DELIVERED, ce_id=text.encode())
    upper = identity("an id in capitals").upper().replace("-", "")
    make.add("an id in capitals", DELIVERED, ce_id=upper.encode())
    make.add("an id that is no UUID", f"`ce_id` {wrong}", ce_id=b"42")
    for time, outcome in {
        "2026-01-02T03:04:05Z": DELIVERED,
        "2026-01-02 03:04:05.123456789+00:00": DELIVERED,
        "20260102T030405+00:00": DELIVERED,
        "2026-01-02T03:04:05": f"`ce_time` {wrong}",
        "2026-01-02T03:04:05+02:00": f"`ce_time` {wrong}",
        "yesterday": f"`ce_time` {wrong}",
    }.items():
        make.add(f"the time {time}", outcome, ce_time=time.encode())
    make.add("the minor version -1", DELIVERED, ce_minorversion=b"-1")
    make.add("the minor version 1.0", f"`ce_minorversion` {wrong}", ce_minorversion=b"1.0")
    make.add("the library 11.2", DELIVERED, sourcelib=b"11.2")
    make.add("the library 11.2.0rc1", f"`sourcelib` {wrong}", sourcelib=b"11.2.0rc1")


def add_keys(make):
    """Python never decodes a key."""
    make.add("a key without a frame", DELIVERED, key=b"abc")
    make.add("a key with an unknown id", DELIVERED, key=framed(2_000_000_000, b"\x02a"))
    make.add("a key that is cut off", DELIVERED, key=framed(1, avro_string(USAGE_KEY)[:5]))
    make.add("an empty key", DELIVERED, key=b"")


def add_traps(make):
    """The stock consumer does not come back from them: it hangs at one, and dies of the other."""
    nulls = {"type": "array", "items": "null"}
    endless = AVRO + avro_long(2**40) + avro_long(0)
    make.add("2^40 nulls", "larger than a stream may receive", avro=endless, schema=plus(nulls))
    node = {"type": "record", "name": "Node", "fields": [{"name": "n", "type": ["null", "Node"]}]}
    deep = AVRO + b"\x02" * 100_000 + b"\x00"
    make.add("deep", "nested", avro=deep, schema=plus(["null", node]))
    make.add("after the traps", DELIVERED)


@pytest.fixture
def foreign(gateway, cluster, registry, prefix):
    """The gateway, its topic, and the records on its only partition."""
    one = gateway(ROUTES, partitions=1, encoding="openedx", schema_registry={"url": registry})
    topic = f"{prefix}-blocks"
    make = Maker(registry, topic)
    for add in (add_frames, add_avro, add_versions, add_headers, add_header_values, add_keys):
        add(make)
    without_traps = len(make.made)
    add_traps(make)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 3})
    for record in make.made:
        producer.produce(topic, record.value, record.key, headers=record.headers)
    assert producer.flush(20) == 0
    return one, topic, make.made, without_traps


def letters_of(cluster, dead):
    """{offset of the record: the headers of its dead letter}"""
    if dead not in cluster.topics():
        return {}
    letters = [dict(letter.headers()) for letter in cluster.records(dead)]
    return {int(each["sidebus-dead-offset"]): each for each in letters}


def test_each_is_delivered_or_a_dead_letter_with_the_reason_and_the_stream_goes_on(
    foreign, connect, cluster, group
):
    one, topic, records, _ = foreign
    stream = connect(one).subscribe(group, TYPE, data_format=api.DATA_FORMAT_JSON)
    dead = f"{topic}.{group}.dead"

    delivered = {}
    for delivery in stream.take(sum(record.is_delivered for record in records)):
        delivered[delivery.position.offset] = json.loads(delivery.event.data)
        stream.ack(delivery)

    wanted = [at for at, record in enumerate(records) if not record.is_delivered]
    letters = eventually(
        lambda: found if len(found := letters_of(cluster, dead)) >= len(wanted) else None,
        lambda: f"{len(wanted)} dead letters; there are {len(letters_of(cluster, dead))}",
        60,
    )
    found = {}
    for offset, record in enumerate(records):
        if offset in delivered:
            found[record.name] = delivered.pop(offset)
        else:
            letter = letters.pop(offset)
            detail = letter["sidebus-dead-detail"].decode()
            found[record.name] = record.outcome if record.outcome in detail else detail
            assert letter["sidebus-dead-reason"] in (b"UNDECODABLE", b"UNDELIVERABLE_SIZE")
    assert found == {record.name: record.outcome for record in records}
    assert (delivered, letters) == ({}, {})
    eventually(lambda: cluster.committed(group, topic) == cluster.ends(topic), "its position")


def test_what_the_stock_consumer_takes_is_what_is_delivered(
    foreign, cluster, registry, group, prefix, tmp_path
):
    _, topic, records, without_traps = foreign
    cluster.stand(group, topic, 0, 0)
    stock = Service("stock", tmp_path, on_kafka(cluster.bootstrap, registry, prefix), ROUTES)

    stock.consume("blocks", group)

    try:
        eventually(
            lambda: cluster.committed(group, topic).get(0) == without_traps,
            lambda: f"{without_traps} records behind it: {stock.log()[-3000:]}",
            60,
        )
    finally:
        stock.close()
    taken = {line["metadata"]["id"]: line["data"]["xblock_info"] for line in stock.received()}
    expected = {
        identity(record.name): {name: record.outcome["xblock_info"].get(name) for name in INFO}
        for record in records[:without_traps]
        if record.is_delivered
    }
    assert taken == expected
