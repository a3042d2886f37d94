"""The way back from a dead-letter topic: shown, counted, published again."""

import json
import signal
import time

import pytest
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

ROUTES = {
    "order": {"orders": {"event_key_field": "", "enabled": True}},
    "invoice": {"orders": {"event_key_field": "", "enabled": True}},
}
REJECT = api.Nack.ACTION_REJECT


@pytest.fixture(params=["kafka", "embedded"])
def one(gateway, request):
    return gateway(ROUTES, broker=request.param, partitions=2, admin_api=True)


@pytest.fixture
def bus(one, connect):
    return connect(one)


@pytest.fixture
def letters(one, group):
    """Their topic, and the verbs about it."""

    class Letters:
        topic = f"orders.{group}.dead"

        def list(self, *flags):
            done = one.operate("dead-letters", self.topic, "--output", "json", *flags)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout).get("items", [])

        def redrive(self, *flags):
            done = one.operate("redrive", self.topic, "--output", "json", *flags)
            assert done.returncode == 0, done.stderr
            totals = json.loads(done.stdout)
            return [int(totals.get(name, 0)) for name in ("scanned", "redriven", "skipped")]

    return Letters()


def reject_all(bus, group, *events):
    """Publishes them, and lets the group give all of them up."""
    bus.must_publish(*events)
    stream = bus.subscribe(group, "order", "invoice")
    for _ in events:
        (delivery,) = stream.take(1)
        stream.nack(delivery, action=REJECT, reason=f"cannot {delivery.event.id}")
    stream.drain()
    assert stream.end()[1] is None


def order(name, type="order"):
    return Event(type=type, id=name, key=name.encode(), data=name.encode())


def test_what_was_given_up_is_shown_with_its_reason(bus, group, letters):
    reject_all(bus, group, order("a"), order("b", "invoice"))

    shown = {each["event"]["id"]: each for each in letters.list()}

    assert set(shown) == {"a", "b"}
    assert shown["a"]["reason"] == "REJECTED"
    assert shown["a"]["detail"] == "cannot a"
    assert shown["a"]["group"] == group
    assert shown["a"]["attempts"] == 1
    assert shown["a"]["origin"]["topic"] == "orders"
    assert [each["event"]["id"] for each in letters.list("--type", "invoice")] == ["b"]
    assert len(letters.list("--limit", "1")) == 1


def test_redriven_events_come_back_to_their_group_once(bus, group, letters):
    reject_all(bus, group, order("a"), order("b"), order("c"))
    assert letters.redrive("--dry-run") == [3, 3, 0]

    assert letters.redrive() == [3, 3, 0]
    assert letters.redrive() == [0, 0, 0], "a second run repeats nothing"

    stream = bus.subscribe(group, "order", "invoice")
    came = stream.take(3)
    assert sorted(each.event.id for each in came) == ["a", "b", "c"]
    for delivery in came:
        names = {header.name for header in delivery.event.headers}
        assert names == {"sidebus-redrive-group"}
    stream.ack(*came)
    other = bus.subscribe(f"{group}-other", "order", "invoice")
    assert sorted(each.event.id for each in other.take(3)) == ["a", "b", "c"]
    bus.must_publish(order("d"))
    assert other.take(1)[0].event.id == "d", "it had the others already"


def test_a_filter_and_a_limit_leave_the_rest_for_another_time(bus, group, letters):
    reject_all(bus, group, order("a"), order("a2"), order("b", "invoice"))

    assert letters.redrive("--type", "order", "--limit", "1")[1] == 1
    assert letters.redrive("--type", "order")[1] == 1
    assert letters.redrive()[1:] == [1, 0]


def test_a_rate_is_kept(bus, group, letters):
    reject_all(bus, group, *[order(f"a{n}") for n in range(6)])

    began = time.monotonic()
    assert letters.redrive("--rate", "4")[1] == 6
    assert time.monotonic() - began >= 1, "the second four wait for the second second"


def test_a_topic_that_does_not_exist_is_said_to_be_missing(one, group):
    for verb in ("redrive", "dead-letters"):
        done = one.operate(verb, f"orders.{group}.dead")
        assert done.returncode == 1
        assert "TOPIC_MISSING" in done.stderr


def test_a_redrive_that_is_broken_off_goes_on_where_it_was(one, bus, group, letters, cluster):
    """The process that asked is killed; what was published is committed."""
    import subprocess

    from gateway import BINARY, environment

    reject_all(bus, group, *[order(f"a{n}") for n in range(40)])
    command = [BINARY, "redrive", letters.topic, "--rate", "10"]
    command += ["--admin-endpoint", one.admin_endpoint]
    asking = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
    stream = bus.subscribe(group, "order", "invoice", window=api.Window(events=1_000))
    stream.take(10)
    asking.kill()
    asking.wait()

    rest = eventually(
        lambda: (
            (done := one.operate("redrive", letters.topic, "--output", "json")).returncode == 0
            and json.loads(done.stdout)
        ),
        "the end of the one that was broken off",
    )

    assert int(rest["redriven"]) <= 30
    came = [each.event.id for each in stream.take(30)]
    assert len(set(came)) == 30
    assert "delivery" not in stream.waiting()


# --- against a real Kafka -------------------------------------------------------------------------


def redrive(one, topic, *flags):
    done = one.operate("redrive", topic, "--output", "json", *flags)
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)
    return [int(totals.get(name, 0)) for name in ("scanned", "redriven", "skipped")]


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
def test_a_log_that_ends_in_a_transaction_is_read_to_its_end(
    gateway, connect, group, cluster, prefix, commit
):
    one = gateway(ROUTES, partitions=1, admin_api=True)
    reject_all(connect(one), group, order("a"))
    topic = f"orders.{group}.dead"
    cluster.write_in_transaction(f"{prefix}-{topic}", b"no letter", commit=commit)

    assert redrive(one, topic) == ([2, 1, 1] if commit else [1, 1, 0])
    assert redrive(one, topic) == ([1, 0, 1] if commit else [0, 0, 0])
    assert one.operate("dead-letters", topic).returncode == 0


def test_a_gateway_that_stops_in_a_redrive_repeats_nothing(
    gateway, connect, group, cluster, prefix
):
    one = gateway(ROUTES, partitions=1, admin_api=True)
    events = [order(f"a{n}") for n in range(40)]
    reject_all(connect(one), group, *events)
    topic = f"orders.{group}.dead"
    asking = one.begin("redrive", topic, "--rate", "10", "--output", "json")
    eventually(lambda: cluster.ends(f"{prefix}-orders") == {0: 50}, "the first batch")

    one.signal(signal.SIGTERM)

    assert one.wait() == 0
    totals, errors = asking.communicate(timeout=20)
    assert asking.returncode == 1
    assert "DRAINING" in errors
    redriven = int(json.loads(totals)["redriven"])
    assert cluster.ends(f"{prefix}-orders") == {0: 40 + redriven}
    other = gateway(ROUTES, partitions=1, admin_api=True)
    assert redrive(other, topic)[1] == 40 - redriven
    assert cluster.ends(f"{prefix}-orders") == {0: 80}


def test_with_a_static_member_one_redrive_follows_the_other(gateway, connect, group):
    one = gateway(ROUTES, partitions=1, admin_api=True, subscribe={"static_member": "pod-1"})
    reject_all(connect(one), group, order("a"))
    topic = f"orders.{group}.dead"

    assert redrive(one, topic) == [1, 1, 0]
    assert redrive(one, topic) == [0, 0, 0]
