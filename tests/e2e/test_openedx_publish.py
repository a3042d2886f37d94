"""`encoding: openedx`: what is published is to the byte what the event bus of Open edX writes.

The vectors were made by openedx-events itself. The registry is a real one.
"""

import json
import time
import uuid
from datetime import UTC, datetime

from bus import fault
from lenient_registry import LenientRegistry
from openedx_wire import REFUSED, VECTORS, ask, avro_string, framed
from prometheus import Metrics
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

PUBLISHED = "org.openedx.content_authoring.xblock.published.v1"
DELETED = "org.openedx.content_authoring.xblock.deleted.v1"
CATALOG = "org.openedx.content_authoring.course.catalog_info.changed.v1"
REGISTERED = "org.openedx.learning.student.registration.completed.v1"

BLOCKS = {"blocks": {"event_key_field": "xblock_info.usage_key", "enabled": True}}
ROUTES = {
    PUBLISHED: BLOCKS,
    DELETED: BLOCKS,
    CATALOG: {"courses": {"event_key_field": "catalog_info.course_key", "enabled": True}},
    REGISTERED: {"users": {"event_key_field": "user.pii.username", "enabled": True}},
}
KEY_OF = {
    PUBLISHED: ("blocks", lambda data: data["xblock_info"]["usage_key"], "usage_key"),
    CATALOG: ("courses", lambda data: data["catalog_info"]["course_key"], "course_key"),
    REGISTERED: ("users", lambda data: data["user"]["pii"]["username"], "username"),
}


def openedx(registry):
    return {"encoding": "openedx", "schema_registry": {"url": registry}}


def schema_of(event_type):
    """As a client may have it: not in the order and the spacing in which it is registered."""
    return json.dumps(VECTORS[event_type]["schema"], separators=(",", ":"))


def event_of(event_type, sample="full", **fields):
    data = json.dumps(VECTORS[event_type]["vectors"][sample]["record"]).encode()
    event = Event(id=str(uuid.uuid1()), type=event_type, data=data, schema=schema_of(event_type))
    event.MergeFrom(Event(**fields))
    return event


def reason_of(result):
    """Empty: it is published."""
    return fault(result.error).reason if result.HasField("error") else ""


def test_a_dict_of_the_python_client_is_the_record_of_a_stock_producer(
    gateway, client, cluster, registry
):
    one = gateway(ROUTES, partitions=1, **openedx(registry))
    bus = client(one)

    for event_type, (topic, key_of, field) in KEY_OF.items():
        vector = VECTORS[event_type]
        for number, (sample, expected) in enumerate(vector["vectors"].items()):
            identity = str(uuid.uuid1())
            when = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
            bus.publish(
                event_type,
                expected["record"],
                id=identity,
                time=when,
                source="openedx/cms/web",
                schema=schema_of(event_type),
            )

            record = cluster.records(f"{one.prefix}-{topic}")[number]
            value_id, key_id = (
                int.from_bytes(each[1:5], "big") for each in (record.value(), record.key())
            )
            assert record.value() == framed(value_id, bytes.fromhex(expected["avro_hex"])), sample
            key = key_of(expected["record"])
            assert record.key() == framed(key_id, avro_string(key))
            headers = record.headers()
            assert headers[:8] == [
                ("ce_specversion", b"1.0"),
                ("content-type", b"application/avro"),
                ("ce_datacontenttype", b"application/avro"),
                ("ce_type", event_type.encode()),
                ("ce_id", identity.encode()),
                ("ce_source", b"openedx/cms/web"),
                ("ce_time", b"2026-01-02T03:04:05.678901+00:00"),
                ("ce_minorversion", b"0"),
            ]
            assert [name for name, _ in headers[8:]] == ["sourcehost", "sourcelib"]

            # As a consumer finds the schemas: by the ids in the bytes.
            text = ask(f"{registry}/schemas/ids/{value_id}")["schema"]
            assert json.loads(text) == vector["schema"]
            key_schema = json.loads(ask(f"{registry}/schemas/ids/{key_id}")["schema"])
            assert key_schema in ({"name": field, "type": "string"}, "string", {"type": "string"})
            subject = f"{one.prefix}-{topic}-{event_type}.CloudEvent"
            version = ask(f"{registry}/subjects/{subject}/versions/latest")
            assert version["schema"] == vector["schema_string_sorted"]
            assert version["id"] == value_id
            keys = ask(f"{registry}/subjects/{one.prefix}-{topic}-string/versions/latest")
            assert keys["id"] == key_id


EVERYTHING = {
    event_type: {"everything": {"event_key_field": "", "enabled": True}} for event_type in VECTORS
}


def assert_round_trip(one, bus, cluster, registry, group, event_types):
    """Each sample of the types is in Kafka as its bytes, and comes back as its JSON."""
    topic = f"{one.prefix}-everything"
    sent = {}
    for event_type in event_types:
        for sample, expected in VECTORS[event_type]["vectors"].items():
            event = event_of(event_type, sample)
            bus.must_publish(event)
            sent[event.id] = (event_type, expected)

    schema_ids = {}
    for record in cluster.records(topic):
        event_type, expected = sent[dict(record.headers())["ce_id"].decode()]
        assert record.value()[5:].hex() == expected["avro_hex"]
        schema_ids.setdefault(event_type, set()).add(int.from_bytes(record.value()[:5], "big"))
    assert schema_ids.keys() == set(event_types)
    for event_type, (schema_id,) in schema_ids.items():
        text = ask(f"{registry}/schemas/ids/{schema_id}")["schema"]
        assert text == VECTORS[event_type]["schema_string_sorted"]

    stream = bus.subscribe(group, topics=["everything"], data_format=api.DATA_FORMAT_JSON)
    while sent:
        delivery = stream.next("delivery")
        event_type, expected = sent.pop(delivery.event.id)
        assert delivery.event.type == event_type
        assert json.loads(delivery.event.data) == expected["record"]
        stream.ack(delivery)


def test_every_event_of_open_edx_is_written_as_its_bytes_and_comes_back_as_its_json(
    gateway, connect, cluster, registry, group
):
    one = gateway(EVERYTHING, **openedx(registry))
    bus = connect(one)

    (refused,) = bus.publish(event_of(REFUSED))

    assert reason_of(refused) == "SCHEMA_INCOMPATIBLE"
    accepted = [event_type for event_type in VECTORS if event_type != REFUSED]
    assert len(accepted) == 51
    assert_round_trip(one, bus, cluster, registry, group, accepted)


def test_so_is_the_one_that_some_registries_refuse(gateway, connect, cluster, group):
    with LenientRegistry() as lenient:
        one = gateway(EVERYTHING, **openedx(lenient.address))

        assert_round_trip(one, connect(one), cluster, lenient.address, group, [REFUSED])


def test_a_schema_file_stands_in_for_the_schema_of_the_event(
    gateway, connect, cluster, registry, tmp_path
):
    name = PUBLISHED.replace(".", "+") + "_schema.avsc"
    (tmp_path / name).write_text(json.dumps(VECTORS[PUBLISHED]["schema"], indent=4))
    one = gateway(ROUTES, partitions=1, schemas={"directory": str(tmp_path)}, **openedx(registry))
    bus = connect(one)

    event = event_of(PUBLISHED)
    event.schema = ""
    bus.must_publish(event)

    (record,) = cluster.records(f"{one.prefix}-blocks")
    assert record.value()[5:].hex() == VECTORS[PUBLISHED]["vectors"]["full"]["avro_hex"]
    event = event_of(DELETED)
    event.schema = ""
    (result,) = bus.publish(event)
    assert reason_of(result) == "SCHEMA_MISSING"
    described = {each.type: each for each in bus.describe().event_types}
    assert {each.encoding for each in described.values()} == {"openedx"}
    assert not described[PUBLISHED].needs_schema
    assert described[DELETED].needs_schema


def test_keys_go_to_the_partitions_of_a_stock_producer(gateway, connect, cluster, registry):
    """librdkafka's consistent_random over the framed bytes, as confluent-kafka has it."""
    from confluent_kafka import Producer

    one = gateway(ROUTES, partitions=7, **openedx(registry))
    bus = connect(one)
    data = VECTORS[PUBLISHED]["vectors"]["full"]["record"]
    events = []
    for number in range(40):
        mine = {"xblock_info": data["xblock_info"] | {"usage_key": f"block-v1:x+{number}"}}
        events.append(event_of(PUBLISHED))
        events[-1].data = json.dumps(mine).encode()
    bus.must_publish(*events)

    topic = f"{one.prefix}-blocks"

    def keys():
        return {record.key(): record.partition() for record in cluster.records(topic)}

    eventually(lambda: len(keys()) == 40, lambda: f"40 keys; there are {keys()}")
    ours = keys()
    theirs = {}
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for key in ours:
        producer.produce(
            topic,
            key=key,
            value=b"x",
            on_delivery=lambda _, record: theirs.update({record.key(): record.partition()}),
        )
    assert producer.flush(30) == 0
    assert theirs == ours
    assert len(set(ours.values())) > 1


def test_what_never_fits_is_told_at_once(gateway, connect, registry):
    bus = connect(gateway(ROUTES, partitions=1, **openedx(registry)))

    wrong_data = event_of(PUBLISHED)
    wrong_data.data = b'{"xblock_info": {"usage_key": 1, "block_type": "video"}}'
    wrong_id = event_of(PUBLISHED)
    wrong_id.id = "42"
    no_data = event_of(PUBLISHED)
    no_data.ClearField("data")
    no_schema = event_of(PUBLISHED)
    no_schema.schema = "{"
    no_key = event_of(REGISTERED)
    no_key.schema = no_key.schema.replace('"username"', '"name2"')

    results = bus.publish(wrong_data, wrong_id, no_data, no_schema, no_key, event_of(PUBLISHED))

    assert [reason_of(each) for each in results] == [
        "SCHEMA_MISMATCH",
        "EVENT_INVALID",
        "EVENT_INVALID",
        "EVENT_INVALID",
        "KEY_FIELD_MISSING",
        "",
    ]


def test_a_schema_that_the_registry_refuses_stops_no_other_type(gateway, connect, registry):
    bus = connect(gateway(ROUTES, partitions=1, **openedx(registry)))
    bus.must_publish(event_of(PUBLISHED))
    other = event_of(PUBLISHED)
    other.schema = other.schema.replace('"block_type"', '"another"')  # without a default
    other.data = other.data.replace(b'"block_type"', b'"another"')

    refused, fine = bus.publish(other, event_of(DELETED))

    assert reason_of(refused) == "SCHEMA_INCOMPATIBLE"
    assert fault(refused.error).outcome == "not_written"
    assert reason_of(fine) == ""


def test_without_registering_only_what_is_registered_is_written(
    gateway, connect, cluster, registry
):
    config = openedx(registry)
    first = gateway(ROUTES, partitions=1, **config)
    connect(first).must_publish(event_of(PUBLISHED))
    config["schema_registry"]["register"] = "never"
    second = connect(gateway(ROUTES, partitions=1, **config))

    fine, refused = second.publish(event_of(PUBLISHED), event_of(CATALOG))

    assert reason_of(fine) == ""
    assert reason_of(refused) == "SCHEMA_INCOMPATIBLE"
    values = [record.value() for record in cluster.records(f"{first.prefix}-blocks")]
    assert len(values) == 2
    assert values[0] == values[1]


def test_an_outage_of_the_registry_costs_new_types_only(gateway, connect, registry_way):
    way, url = registry_way
    one = gateway(ROUTES, partitions=1, **openedx(url))
    bus = connect(one)
    bus.must_publish(event_of(PUBLISHED))
    way.stop()

    begun = time.monotonic()
    known, new, behind = bus.publish(event_of(PUBLISHED), event_of(DELETED), event_of(PUBLISHED))

    assert time.monotonic() - begun < 5
    assert [reason_of(each) for each in (known, behind)] == ["", ""]
    assert reason_of(new) == "REGISTRY_DOWN"
    assert fault(new.error).code == "UNAVAILABLE"
    assert fault(new.error).outcome == "not_written"
    begun = time.monotonic()
    bus.must_publish(*(event_of(PUBLISHED) for _ in range(100)))
    assert time.monotonic() - begun < 5

    way.start()

    def written():
        (result,) = bus.publish(event_of(DELETED))
        return reason_of(result) == ""

    eventually(written, "the gateway asks the registry again", 30)
    counted = Metrics.of(one)
    assert counted.value("sidebus_schema_requests_total", op="register", result="miss") >= 3


def test_a_wrong_configuration_is_told_before_anything_starts(gateway, tmp_path):
    one = gateway(ROUTES, start=False, encoding="openedx")
    assert one.launch().wait() == 1
    assert "openedx needs a schema registry" in one.log()

    name = PUBLISHED.replace(".", "+") + "_schema.avsc"
    (tmp_path / name).write_text("{")
    two = gateway(
        ROUTES, start=False, schemas={"directory": str(tmp_path)}, **openedx("http://127.0.0.1:9")
    )
    assert two.launch().wait() == 1
    assert name in two.log()


def test_one_gateway_writes_some_topics_for_open_edx_and_others_as_cloudevents(
    gateway, connect, cluster, registry, tmp_path
):
    schema = tmp_path / "block.avsc"
    schema.write_text(json.dumps(VECTORS[PUBLISHED]["schema"]))
    key = {"event_key_field": "xblock_info.usage_key", "enabled": True}
    one = gateway(
        {PUBLISHED: {"blocks": key, "plain": key}, "order.created": {"plain": key}},
        partitions=1,
        schema_registry={"url": registry},
        routes={PUBLISHED: {"blocks": {"encoding": "openedx", "schema": str(schema)}}},
    )
    bus = connect(one)

    event = event_of(PUBLISHED)
    event.schema = ""
    bus.must_publish(event)
    order = Event(type="order.created", data=event.data)
    bus.must_publish(order)

    (block,) = cluster.records(f"{one.prefix}-blocks")
    assert block.value()[5:].hex() == VECTORS[PUBLISHED]["vectors"]["full"]["avro_hex"]
    plain = cluster.records(f"{one.prefix}-plain")
    assert [record.value() for record in plain] == [event.data, event.data]
    key_of = KEY_OF[PUBLISHED][1](VECTORS[PUBLISHED]["vectors"]["full"]["record"])
    assert plain[0].key() == key_of.encode()
    described = {each.type: each.encoding for each in bus.describe().event_types}
    assert described == {PUBLISHED: "openedx,cloudevents", "order.created": "cloudevents"}


def test_schemas_of_the_configuration_are_registered_at_the_start_when_the_registry_is_there(
    gateway, connect, registry_way, tmp_path
):
    way, url = registry_way
    name = PUBLISHED.replace(".", "+") + "_schema.avsc"
    (tmp_path / name).write_text(json.dumps(VECTORS[PUBLISHED]["schema"]))
    config = openedx(url)
    config["schema_registry"]["register"] = "load"
    way.stop()

    one = gateway(ROUTES, partitions=1, schemas={"directory": str(tmp_path)}, **config)
    status, text = one.get("/readyz?verbose")
    assert status == 200
    assert "2 not registered yet" in text
    way.start()

    def all_registered():
        return "registered" not in one.get("/readyz?verbose")[1]

    eventually(all_registered, "the gateway asks the registry again", 60)
    subject = f"{one.prefix}-blocks-{PUBLISHED}.CloudEvent"
    assert subject in ask(f"{url}/subjects")
    bus = connect(one)
    bus.must_publish(event_of(PUBLISHED))
    (refused,) = bus.publish(event_of(CATALOG))
    assert reason_of(refused) == "SCHEMA_INCOMPATIBLE"
