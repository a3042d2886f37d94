"""What deploy/permissions.md grants is enough, and `sidebus doctor` says what is not
granted. On a Kafka with SASL and an authorizer, of this file alone."""

import itertools
import json
import re
import shlex

import pytest
from confluent_kafka.admin import NewTopic
from conftest import ROOT
from gateway import sidebus
from secured_kafka import USER, SecuredKafka, login
from service import free_ports
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

TOPIC, GROUP = "dev-orders", "billing"
DEAD = f"{TOPIC}.{GROUP}.dead"
ROUTES = {"order": {"orders": {"event_key_field": "", "enabled": True}}}


@pytest.fixture(scope="module")
def secured():
    with SecuredKafka() as one:
        yield one.start()


@pytest.fixture
def kafka(secured):
    """With the topic, and without any ACL."""
    secured.revoke_all()
    there = set(secured.admin.list_topics(timeout=20).topics) & {TOPIC, DEAD}
    if there:
        for deleted in secured.admin.delete_topics(list(there)).values():
            deleted.result(20)
        eventually(
            lambda: not there & set(secured.admin.list_topics(timeout=20).topics), "no topics"
        )
    for made in secured.admin.create_topics([NewTopic(TOPIC, 2, 1)]).values():
        made.result(20)
    eventually(lambda: TOPIC in secured.admin.list_topics(timeout=20).topics, "the topic")
    return secured


def documented(*sections):
    """(resource type, name, operation) of the commands in sections of deploy/permissions.md."""
    page = (ROOT / "deploy/permissions.md").read_text()
    for section in sections:
        text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)[1]
        for block in re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                words = shlex.split(line)
                pairs = list(itertools.pairwise(words))
                assert ("--allow-principal", f"User:{USER[0]}") in pairs, line
                ((kind, name),) = [each for each in pairs if each[0] in ("--topic", "--group")]
                for operation in [value for flag, value in pairs if flag == "--operation"]:
                    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()
                    yield kind[2:], name, snake


def configuration(kafka, password=USER[1], **more):
    properties = login(USER[0], password) | more.pop("properties", {})
    servers = {"bootstrap_servers": [kafka.address], "properties": properties}
    return {
        "topic_prefix": "dev",
        "producer_config": ROUTES,
        "broker": {"kind": "kafka", "kafka": servers},
    } | more


@pytest.fixture
def doctor(kafka, tmp_path):
    """{check: row} of a run with --group billing."""

    def run(**more):
        file = tmp_path / "config.yaml"
        file.write_text(json.dumps(configuration(kafka, **more)))
        done = sidebus("doctor", "--config", file, "--group", GROUP, "--output", "json")
        assert done.stdout, done.stderr
        assert USER[1] not in done.stdout + done.stderr
        answer = json.loads(done.stdout)
        assert done.returncode == (0 if answer["ok"] else 1)
        return {each["check"]: each for each in answer["checks"]}

    return run


def results(rows, *checks):
    return [rows[each]["result"] for each in checks]


def test_a_wrong_password_is_told_from_all_else(doctor):
    rows = doctor(password="not-it")

    assert results(rows, "bootstrap", "tls", "sasl") == ["ok", "skipped", "failed"]
    assert "authentication refused (PLAIN)" in rows["sasl"]["found"]
    assert "not-it" not in json.dumps(rows)


def test_a_mechanism_that_the_brokers_do_not_have(doctor):
    rows = doctor(properties={"sasl.mechanism": "SCRAM-SHA-256"})

    assert rows["sasl"]["result"] == "failed"
    assert "PLAIN" in rows["sasl"]["found"]


def test_no_login_where_one_is_needed(doctor):
    rows = doctor(properties={"security.protocol": "plaintext"})

    assert rows["tls"]["result"] == "failed"
    assert "security.protocol" in rows["tls"]["fix"]


def test_without_acls_nothing_is_granted(doctor):
    rows = doctor()

    assert results(rows, "sasl", "cluster") == ["ok", "ok"]
    failed = results(rows, "topic", "publish", "subscribe", "group", "dead_letters")
    assert failed == ["failed"] * 5
    assert "does not exist" not in rows["topic"]["found"]


def test_what_the_page_grants_is_seen_feature_by_feature(kafka, doctor):
    kafka.grant(*documented("Publish"))
    rows = doctor()
    assert results(rows, "publish", "subscribe", "group", "dead_letters") == [
        "ok",
        "failed",
        "failed",
        "failed",
    ]
    assert "not told (needs DescribeConfigs)" in rows["topic"]["found"]

    assert rows["broadcast"]["result"] == "warning"

    kafka.grant(*documented("Subscribe", "Without a group", "Doctor"))
    rows = doctor()
    assert rows["broadcast"]["result"] == "ok"
    assert results(rows, "publish", "subscribe", "group", "dead_letters") == [
        "ok",
        "ok",
        "ok",
        "failed",
    ]
    assert "min.insync.replicas 1" in rows["topic"]["found"]

    kafka.grant(*documented("Dead letters"))
    rows = doctor(admin_api=f"127.0.0.1:{free_ports(1)[0]}")
    assert results(rows, "dead_letters", "redrive") == ["ok", "warning"]

    kafka.grant(*documented("Redrive"))
    rows = doctor(admin_api=f"127.0.0.1:{free_ports(1)[0]}")
    assert results(rows, "dead_letters", "redrive") == ["ok", "ok"]


def test_redriving_needs_write_where_letters_came_from_also_where_nothing_is_published(
    kafka, doctor
):
    consuming = {
        "admin_api": f"127.0.0.1:{free_ports(1)[0]}",
        "producer_config": {"order": {"orders": {"event_key_field": "", "enabled": False}}},
    }
    write = ("topic", TOPIC, "WRITE")
    kafka.grant(*(set(documented("Dead letters", "Redrive")) - {write}))
    without = doctor(**consuming)
    kafka.grant(write)
    having = doctor(**consuming)

    assert without["redrive"]["result"] == "warning"
    assert without["redrive"]["found"] == f"no Write on {TOPIC}"
    assert f"--operation Write --topic {TOPIC}" in without["redrive"]["fix"]
    assert having["redrive"]["result"] == "ok"


def test_what_is_missing_is_named_with_the_command_that_grants_it(kafka, doctor):
    every = documented("Publish", "Subscribe", "Dead letters")
    kafka.grant(*(each for each in every if each[2] != "CREATE" and each[0] != "group"))

    rows = doctor()

    assert results(rows, "publish", "group", "dead_letters") == ["ok", "failed", "failed"]
    assert f"--operation Read --group {GROUP}" in rows["group"]["fix"]
    assert f"--operation Create --topic {DEAD}" in rows["dead_letters"]["fix"]


@pytest.fixture
def granted(kafka, gateway):
    """A gateway whose user may do what sections of the page grant."""

    def start(*sections):
        kafka.grant(*set(documented(*sections)))  # sections share some
        config = configuration(kafka)
        properties = config.pop("broker")["kafka"]["properties"]
        routes = config.pop("producer_config")
        kafka_options = {"properties": properties}
        return gateway(routes, broker=kafka.address, kafka=kafka_options, admin_api=True, **config)

    return start


def test_publishing_works_with_what_the_page_grants(granted, connect):
    one = granted("Publish")

    connect(one).must_publish(Event(type="order", id="1", data=b"{}"))


def test_broadcast_works_with_what_the_page_grants(kafka, granted, connect):
    kafka.grant(("topic", TOPIC, "READ"))
    bus = connect(granted("Publish", "Without a group"))
    stream = bus.subscribe("", "order")

    def delivered():  # what comes after its beginning, which nobody tells
        bus.must_publish(Event(type="order", data=b"{}"))
        return stream.arrived(1).get("delivery")

    assert eventually(delivered, "a delivery")[0].event.type == "order"


def test_all_features_work_with_what_the_page_grants(granted, connect):
    one = granted("Publish", "Subscribe", "Without a group", "Dead letters", "Redrive")
    bus = connect(one)
    bus.must_publish(Event(type="order", id="1", data=b"{}"))
    stream = bus.subscribe(GROUP, "order")
    (delivery,) = stream.take(1)

    explained = one.operate("explain", GROUP, "--output", "json")
    stream.nack(delivery, action=api.Nack.ACTION_REJECT, reason="no")
    stream.drain()
    assert stream.end()[1] is None
    letters = one.operate("dead-letters", f"orders.{GROUP}.dead", "--output", "json")
    redriven = one.operate("redrive", f"orders.{GROUP}.dead", "--output", "json")
    sought = one.operate("seek", GROUP, "--to", "earliest", "--force", "--output", "json")

    assert explained.returncode == 0, explained.stderr
    assert letters.returncode == 0, letters.stderr
    assert len(json.loads(letters.stdout)["items"]) == 1
    assert redriven.returncode == 0, redriven.stderr
    assert int(json.loads(redriven.stdout).get("redriven", 0)) == 1
    assert sought.returncode == 0, sought.stderr
