"""`sidebus doctor` against the Kafka and the registry that all tests share."""

import json
import os
import re
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from conftest import ROOT
from gateway import sidebus
from service import free_ports
from waiting import eventually

DOCUMENTED = set(re.findall(r"`\w+`", (ROOT / "deploy/doctor.md").read_text()))
REGISTRY = os.environ.get("SIDEBUS_TEST_REGISTRY")
ROUTES = {
    "order": {
        "orders": {"event_key_field": "", "enabled": True},
        "audit": {"event_key_field": "", "enabled": False},
    }
}


@pytest.fixture
def doctor(prefix, cluster, tmp_path):
    """Runs it with a configuration: its exit code and its rows."""

    class Report:
        def __init__(self, *flags, seconds=30, **config):
            broker = {"kind": "kafka", "kafka": {"bootstrap_servers": [cluster.bootstrap]}}
            config = {"topic_prefix": prefix, "producer_config": ROUTES, "broker": broker} | config
            file = tmp_path / "config.yaml"
            file.write_text(json.dumps(config))
            flags = ["--config", file, *flags]
            self.done = sidebus("doctor", *flags, "--output", "json", seconds=seconds)
            assert self.done.stdout, self.done.stderr
            self.answer = json.loads(self.done.stdout)
            self.code = self.done.returncode
            self.rows = self.answer["checks"]
            assert self.code == (0 if self.answer["ok"] else 1)
            assert {f"`{each['check']}`" for each in self.rows} <= DOCUMENTED

        def row(self, check, subject=None):
            found = [
                each
                for each in self.rows
                if each["check"] == check and subject in (None, each["subject"])
            ]
            assert len(found) == 1, self.rows
            return found[0]

        def result(self, check, subject=None):
            return self.row(check, subject)["result"]

    return Report


@pytest.fixture
def topics(cluster, prefix):
    names = [f"{prefix}-orders", f"{prefix}-audit"]
    cluster.create(*names)
    return names


def at(server):
    return {"broker": {"kind": "kafka", "kafka": {"bootstrap_servers": [server]}}}


def test_all_is_well(doctor, topics, cluster, group):
    report = doctor("--group", group)

    assert report.code == 0, report.rows
    assert report.answer["counts"]["failed"] == 0
    assert report.result("configuration") == "ok"
    assert report.result("bootstrap", cluster.bootstrap) == "ok"
    assert report.result("tls") == report.result("sasl") == "skipped"
    assert "1 broker of cluster" in report.row("cluster")["found"]
    assert report.row("broker")["subject"] == f"1 at {cluster.bootstrap}"
    assert report.result("broker") == "ok"
    assert report.result("versions") == "ok"
    # Without an authorizer everybody may do everything.
    assert report.row("publish")["found"] == "Write on 1 topic"
    assert report.row("subscribe")["found"] == "Read on 2 topics"
    assert report.result("group", group) == report.result("broadcast") == "ok"
    assert report.row("dead_letters", group)["found"] == "2 topics made when needed"
    assert report.result("registry") == report.result("clock") == "skipped"


def test_a_topic_on_one_broker_is_a_warning(doctor, topics):
    row = doctor().row("topic", topics[0])

    assert row["result"] == "warning"
    assert "3 partitions, 1 replica, min.insync.replicas 1" in row["found"]
    assert "give it three" in row["fix"]


def test_doctor_makes_nothing(doctor, topics, cluster, group, prefix):
    before = cluster.topics()

    doctor("--group", group, admin_api=f"127.0.0.1:{free_ports(1)[0]}")

    new = cluster.topics() - before - {"__consumer_offsets"}
    assert not [each for each in new if not each.startswith("e2e-") or each.startswith(prefix)]
    groups = cluster._admin.list_consumer_groups().result(20).valid
    assert group not in {each.group_id for each in groups}


def test_a_topic_that_is_missing_fails(doctor, cluster, prefix):
    cluster.create(f"{prefix}-orders")

    report = doctor()

    assert report.code == 1
    assert report.result("topic", f"{prefix}-orders") == "warning"
    assert report.row("topic", f"{prefix}-audit")["found"] == "does not exist"


def test_a_topic_that_takes_less_than_the_gateway(doctor, cluster, prefix):
    cluster.create(f"{prefix}-orders", f"{prefix}-audit", **{"max.message.bytes": "5000"})

    row = doctor().row("topic", f"{prefix}-orders")

    assert row["result"] == "warning"
    assert "max.message.bytes is less than limits.max_event_bytes (1000000)" in row["found"]


def test_members_of_a_group_are_counted(doctor, gateway, connect, cluster, group):
    one = gateway(ROUTES)
    stream = connect(one).subscribe(group, "order")
    stream.next("started")
    eventually(lambda: cluster.members(group) == 1, "the member")

    assert "it has 1 member" in doctor("--group", group).row("group", group)["found"]


def test_dead_letters_that_nobody_makes(doctor, topics, group):
    report = doctor("--group", group, dead_letter={"create": False})

    row = report.row("dead_letters", group)
    assert row["result"] == "warning"
    assert "dead_letter.create is false" in row["found"]


def test_redrives_are_checked_where_operators_can_ask_for_them(doctor, topics, group):
    report = doctor("--group", group, admin_api=f"127.0.0.1:{free_ports(1)[0]}")

    assert report.row("redrive", group)["found"] == "Write on 2 topics, Read on 2 groups"


def test_a_broker_that_is_absent(doctor):
    server = f"127.0.0.1:{free_ports(1)[0]}"

    report = doctor(**at(server))

    assert report.code == 1
    assert report.row("bootstrap", server)["found"] == "127.0.0.1: Connection refused"
    assert report.result("cluster") == "skipped"


def test_one_of_two_bootstrap_servers_is_enough(doctor, topics, cluster):
    server = f"127.0.0.1:{free_ports(1)[0]}"
    both = {"bootstrap_servers": [server, cluster.bootstrap]}

    report = doctor(broker={"kind": "kafka", "kafka": both})

    assert report.code == 0, report.rows
    assert report.result("bootstrap", server) == "warning"
    assert report.result("bootstrap", cluster.bootstrap) == "ok"


def test_a_name_that_has_no_address(doctor):
    report = doctor(**at("kafka.sidebus.invalid:9092"))

    row = report.row("bootstrap")
    assert (report.code, row["result"]) == (1, "failed")
    assert "name" in row["found"]


@contextmanager
def listening(answer):
    """A TCP server that is no Kafka; answer(connection) plays it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def hang_up(connection):
    connection.recv(1)
    connection.close()


def say_nothing(connection):
    while connection.recv(4096):
        pass


def test_a_port_that_is_no_kafkas(doctor):
    with listening(hang_up) as server:
        report = doctor(**at(server))

    assert report.code == 1
    assert report.result("bootstrap", server) == "ok"
    failed = [each for each in report.rows if each["result"] == "failed"]
    assert [each["check"] for each in failed] in (["tls"], ["cluster"])
    assert report.result("topics") == "skipped"


def test_it_ends_with_its_time_when_nothing_answers(doctor, topics):
    with listening(say_nothing) as server:
        begin = time.monotonic()
        report = doctor("--timeout", "2s", **at(server))
        took = time.monotonic() - begin

    assert report.row("cluster")["found"].startswith("no answer in time")
    assert took < 10  # a busy machine takes its time to start


def test_a_listener_that_does_not_speak_tls(doctor, cluster):
    properties = {"security.protocol": "ssl"}
    kafka = {"bootstrap_servers": [cluster.bootstrap], "properties": properties}

    report = doctor(broker={"kind": "kafka", "kafka": kafka})

    assert report.code == 1
    assert report.result("tls") == "failed"
    assert report.result("cluster") == "skipped"


@pytest.mark.skipif(not REGISTRY, reason="SIDEBUS_TEST_REGISTRY is not set")
def test_a_registry_that_is_up(doctor, topics, prefix):
    registry = {"url": REGISTRY, "timeout": "20s", "register": "never"}

    report = doctor("--timeout", "60s", schema_registry=registry, encoding="openedx", seconds=90)

    assert report.code == 0, report.rows
    assert report.result("registry") == "ok"
    assert report.result("subjects") == "warning"
    assert f"{prefix}-orders-order.CloudEvent" in report.row("subjects")["found"]
    assert report.result("clock") in ("ok", "skipped")


def test_a_registry_that_is_down(doctor, topics):
    url = f"http://127.0.0.1:{free_ports(1)[0]}"

    report = doctor(schema_registry={"url": url})

    assert report.code == 1
    assert "nobody answers" in report.row("registry")["found"]
    assert report.result("clock") == "skipped"
    assert report.result("topic", topics[0]) == "warning"  # all else is looked at


def test_the_clock_is_compared_with_the_registrys(doctor, topics):
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() - 600))

    def registry(connection):
        connection.recv(4096)
        head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 2\r\n\r\n"
        connection.sendall(head.encode() + b"[]")

    with listening(registry) as server:
        row = doctor(schema_registry={"url": f"http://{server}"}).row("clock")

    assert row["result"] == "warning"
    assert "ahead of the registry's" in row["found"]


def test_a_configuration_with_problems_is_all_that_is_looked_at(doctor):
    report = doctor(sorce="/x")

    assert report.code == 1
    assert [each["check"] for each in report.rows] == ["configuration"]
    assert report.rows[0]["subject"] == "sorce"


def test_the_embedded_broker_needs_no_network(doctor):
    report = doctor(broker={"kind": "embedded"})

    assert report.code == 0
    assert report.result("cluster") == "skipped"


def test_people_get_a_row_each_and_a_sum(cluster, topics, prefix, tmp_path):
    producer = tmp_path / "producer.yaml"
    producer.write_text(json.dumps(ROUTES))
    flags = ("--bootstrap-servers", cluster.bootstrap, "--topic-prefix", prefix)

    done = sidebus("doctor", *flags, "--producer-config", producer)

    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert f"warning  topic {topics[0]}" in done.stdout
    assert lines[-1].endswith("skipped")
    assert "0 failed" in lines[-1]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "flags", [["--timeout", "10"], ["--timeout", "0s"], ["--group", ""], ["--nonsense"], ["extra"]]
)
def test_wrong_usage_is_exit_code_2(flags):
    assert sidebus("doctor", *flags).returncode == 2


def test_help_has_an_example():
    done = sidebus("doctor", "--help")

    assert done.returncode == 0
    assert "sidebus doctor --config /etc/sidebus/config.yaml --group billing" in done.stdout
