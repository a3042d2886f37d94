"""The Django plugin of client/openedx: services that talk through gateways and a real Kafka.

tests/openedx is the service. It runs as `manage.py`, as an Open edX service does.
"""

import json
import signal
import uuid
from collections import Counter

import pytest
from django_service import DELETED, FLAGS, PUBLISHED, ROUTES, block, usage_key, usage_keys
from gateway import sidebus
from sidebus.v1.event_pb2 import Event
from waiting import eventually

# A type that the gateway knows, and the services do not.
UNKNOWN = "org.example.unknown.v1"
UNKNOWN_ROUTES = {UNKNOWN: {"xblocks": {"event_key_field": "key", "enabled": True}}}


@pytest.fixture(params=["cloudevents", "openedx"])
def one(request, gateway, registry):
    """A gateway, with each encoding that services can meet on a topic."""
    config = {"encoding": request.param, "subscribe": {"min_backoff": "20ms"}}
    if request.param == "openedx":
        config["schema_registry"] = {"url": registry}
    return gateway(ROUTES | UNKNOWN_ROUTES, **config)


def await_pinned(cluster, group, topic):
    """Until the group has its position on every partition: from then on it misses nothing."""
    eventually(
        lambda: len(cluster.committed(group, topic)) == len(cluster.partitions(topic)),
        f"positions of {group}",
    )


# --- around ---------------------------------------------------------------------------------------


def test_what_one_service_sends_the_receivers_of_another_get(one, service, group):
    cms, lms = service("cms", one), service("lms", one)
    lms.consume("xblocks", group, {"start_from": "earliest", "topics": ["flags"]})

    flags = {"course": "a", "enabled": False, "limit": 0}
    cms.send(block(1), block(2, DELETED), [FLAGS, {"flags": flags}, None])

    got = {each["metadata"]["event_type"]: each for each in lms.received(3)}
    assert got.keys() == {PUBLISHED, DELETED, FLAGS}
    assert got[PUBLISHED]["data"] == {
        "xblock_info": {"usage_key": usage_key(1), "block_type": "video", "version": None}
    }
    # Where the class says true and null, unless it is told.
    assert got[FLAGS]["data"] == {"flags": flags}
    for each in got.values():
        assert each["from_event_bus"] is True
        assert each["metadata"]["source"] == "openedx/cms/web"
        assert each["metadata"]["minorversion"] == 0
    assert lms.stop() == 0


def test_events_of_one_block_arrive_in_their_order_and_each_once(one, service, group):
    cms, lms = service("cms", one), service("lms", one)
    events = [block(number % 5, block_type=f"t{number}") for number in range(100)]
    cms.send(*events)

    lms.consume("xblocks", group, {"start_from": "earliest"})

    got = [each["data"]["xblock_info"] for each in lms.received(100)]
    for number in range(5):
        types = [each["block_type"] for each in got if each["usage_key"] == usage_key(number)]
        assert types == [f"t{each}" for each in range(number, 100, 5)]
    assert lms.stop() == 0
    assert len(lms.received()) == 100


def test_only_the_event_types_that_were_asked_for_arrive(one, service, group):
    cms, lms = service("cms", one), service("lms", one)
    cms.send(block(1), block(2, DELETED), block(3), block(4, DELETED))

    lms.consume("xblocks", group, {"start_from": "earliest", "event_types": [DELETED]})

    assert sorted(usage_keys(lms.received(2))) == [usage_key(2), usage_key(4)]
    assert lms.stop() == 0
    assert len(lms.received()) == 2


def test_records_say_who_sent_the_event(one, service, cluster):
    service("cms", one).send(block(1))

    (record,) = cluster.records(f"{one.prefix}-xblocks")
    headers = dict(record.headers())
    assert headers["ce_type"].decode() == PUBLISHED
    assert headers["ce_source"] == b"openedx/cms/web"
    assert headers["ce_minorversion"] == b"0"
    assert headers["sourcehost"]
    assert all(part.isdigit() for part in headers["sourcelib"].decode().split("."))


# --- failures -------------------------------------------------------------------------------------


def test_an_event_whose_receiver_fails_is_tried_three_times_and_is_then_a_dead_letter(
    one, service, group, cluster
):
    cms, lms = service("cms", one), service("lms", one)
    cms.send(block(1, block_type="problem"), block(2))

    lms.consume("xblocks", group, {"start_from": "earliest"}, SERVICE_FAIL="problem")

    calls = Counter(usage_keys(lms.received(4)))
    assert calls == {usage_key(1): 3, usage_key(2): 1}
    dead = f"{one.prefix}-xblocks.{group}.dead"
    eventually(lambda: dead in cluster.topics(), "the dead-letter topic")
    (record,) = eventually(lambda: cluster.records(dead), "the dead letter")
    headers = dict(record.headers())
    assert headers["sidebus-dead-attempts"] == b"3"
    assert b"service.receivers.fail: ValueError: no problem here" in headers["sidebus-dead-detail"]
    assert lms.stop() == 0
    assert "no problem here" in lms.log()


def test_an_event_of_a_type_that_a_service_does_not_know_is_a_dead_letter(
    one, service, group, cluster, connect
):
    lms = service("lms", one)
    schema = {
        "type": "record",
        "name": "CloudEvent",
        "namespace": UNKNOWN,
        "fields": [{"name": "key", "type": "string"}],
    }
    event = Event(
        type=UNKNOWN,
        id=str(uuid.uuid1()),
        content_type="application/json",
        data=b'{"key": "k"}',
        schema=json.dumps(schema),
    )
    connect(one).must_publish(event)

    lms.consume("xblocks", group, {"start_from": "earliest"})

    dead = f"{one.prefix}-xblocks.{group}.dead"
    eventually(lambda: dead in cluster.topics(), "the dead-letter topic")
    (record,) = eventually(lambda: cluster.records(dead), "the dead letter")
    assert b"no such event type" in dict(record.headers())["sidebus-dead-detail"]
    assert lms.stop() == 0


def test_a_consumer_that_cannot_go_on_exits_with_1(one, service, group):
    lms = service("lms", one)

    consumer = lms.consume("no-such-topic", group)

    assert consumer.wait(40) == 1
    assert "TOPIC_MISSING" in lms.log()


def test_a_service_goes_on_without_a_gateway_and_logs_what_was_not_sent(one, service):
    cms = service("cms", one)
    one.kill()

    _, log = cms.manage("send_events", stdin=json.dumps([block(1)]), SERVICE_TIMEOUT="0.5")

    assert "Event not published" in log
    assert f'"usage_key": "{usage_key(1)}"' in log


# --- life -----------------------------------------------------------------------------------------


def test_what_is_published_while_a_consumer_is_down_is_not_lost_although_it_starts_at_the_latest(
    one, service, group, cluster
):
    cms, lms = service("cms", one), service("lms", one)
    cms.send(block(1))
    lms.consume("xblocks", group)
    await_pinned(cluster, group, f"{one.prefix}-xblocks")
    assert lms.stop() == 0
    cms.send(block(2))

    lms.consume("xblocks", group)

    assert usage_keys(lms.received(1)) == [usage_key(2)]
    assert lms.stop() == 0


def test_a_consumer_that_is_terminated_ends_what_it_began_and_gives_the_rest_back(
    one, service, group, cluster, tmp_path
):
    cms, lms = service("cms", one), service("lms", one)
    gate = tmp_path / "gate"
    cms.send(block(1), block(2), block(3))
    lms.consume("xblocks", group, {"start_from": "earliest"}, SERVICE_GATE=str(gate))
    lms.received(1)  # its receivers wait at the gate

    lms.consumer.send_signal(signal.SIGTERM)
    gate.touch()

    assert lms.consumer.wait(30) == 0
    assert len(lms.received()) == 1
    eventually(lambda: cluster.members(group) == 0, "that the group is left")
    lms.consume("xblocks", group)
    assert sorted(usage_keys(lms.received(3))) == [usage_key(number) for number in (1, 2, 3)]
    assert lms.stop() == 0


def test_a_consumer_outlives_a_restart_of_its_gateway(one, service, group):
    cms, lms = service("cms", one), service("lms", one)
    lms.consume("xblocks", group, {"start_from": "earliest"})
    cms.send(block(1))
    lms.received(1)

    assert one.stop() == 0
    one.start()
    cms.send(block(2))

    assert usage_keys(lms.received(2)) == [usage_key(1), usage_key(2)]
    assert lms.stop() == 0


# --- the exported configuration -------------------------------------------------------------------


def test_the_gateway_takes_the_configuration_that_a_service_exports(
    gateway, one, service, tmp_path
):
    exported = tmp_path / "event-bus" / "producer.json"

    service("cms", one).manage("export_event_bus_config", str(exported))

    flags = ["--broker", "embedded", "--producer-config", exported]
    assert sidebus("config", "check", *flags).returncode == 0
    printed = json.loads(sidebus("config", "print", *flags, "--output", "json").stdout)
    assert printed["config"]["producer_config"] == ROUTES
    another = gateway({}, "embedded", producer_config_file=str(exported))
    service("cms", another).send(block(1))
    names = sorted(each.name for each in (exported.parent / "schemas").iterdir())
    assert names == sorted(f"{each.replace('.', '+')}_schema.avsc" for each in ROUTES)
