"""The API for operators and its verbs, against a real Kafka."""

import json
import re
import signal

import grpc
import pytest
from gateway import sidebus
from prometheus import Metrics
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

TYPE = "order.created"
ROUTES = {TYPE: {"orders": {"event_key_field": "", "enabled": True}}}
REJECT = api.Nack.ACTION_REJECT


@pytest.fixture
def one(gateway):
    """Without dead letters: what is rejected stays where it is."""
    config = {"dead_letter": "off", "subscribe": {"linger": "1s"}}
    return gateway(ROUTES, partitions=1, admin_api=True, **config)


@pytest.fixture
def bus(one, connect):
    return connect(one)


def publish(bus, *ids):
    bus.must_publish(*[Event(type=TYPE, id=each, key=each[:1].encode()) for each in ids])


def answer(done):
    """What a verb with --output json printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def explained(one, group):
    """The only partition."""
    (partition,) = answer(one.operate("explain", group, "--output", "json"))["partitions"]
    return partition


def stand(bus, cluster, one, group, at):
    """Publishes four events, and leaves the group without members at an offset."""
    publish(bus, "A1", "B1", "C1", "D1")
    stream = bus.subscribe(group, TYPE)
    stream.ack(*stream.take(4)[:at])
    stream.half_close()
    assert stream.end()[0] == grpc.StatusCode.OK
    eventually(lambda: cluster.members(group) == 0, "the end of the group's membership")


# --- groups and explain ---------------------------------------------------------------------------


def test_groups_lists_streams_and_lag(one, bus, group):
    assert one.operate("groups").stdout == "this gateway has no group\n"
    publish(bus, "A1", "A2")
    stream = bus.subscribe(group, TYPE)
    stream.take(1)

    (found,) = answer(one.operate("groups", "--output", "json"))["items"]

    assert found["group"] == group
    assert found["topics"] == ["orders"]
    assert found["streams"] == 1
    assert found["lag_events"] == "2"
    assert group in one.operate("groups").stdout


def test_explain_shows_the_halted_head_and_why(one, bus, group):
    publish(bus, "A1", "A2", "B1")
    stream = bus.subscribe(group, TYPE)
    first, other = stream.take(2)
    stream.ack(other)
    stream.nack(first, action=REJECT, reason="no stock")
    eventually(lambda: explained(one, group)["head_state"] == "STATE_HALTED", "a halted head")

    found = explained(one, group)

    assert found["owner"] == "this gateway"
    assert found["head"]["offset"] == "0"
    assert found["last_error"] == "no stock"
    assert found["keys_held_back"] == 1
    assert found["settled_out_of_order"] == 1
    assert (found["committed_offset"], found["end_offset"]) == ("0", "3")
    text = one.operate("explain", group).stdout
    assert "orders/0@0 is halted at attempt 1" in text
    assert f"sidebus settle-head {group} orders/0@0 --skip" in text


def test_explain_tells_the_owners_of_other_partitions(gateway, connect, group):
    one = gateway(ROUTES, partitions=2, admin_api=True)
    other = gateway(ROUTES, admin_api=True)
    mine = connect(one).subscribe(group, TYPE, member="pod-1")
    mine.next("started")
    theirs = connect(other).subscribe(group, TYPE, member="pod-2")
    theirs.next("started")

    def owners():
        partitions = answer(one.operate("explain", group, "--output", "json"))["partitions"]
        return sorted(each["owner"].split(" ")[0] for each in partitions)

    eventually(lambda: owners() == ["pod-1", "sidebus-pod-2"], owners, seconds=40)


def test_explain_of_an_unknown_group_says_so(one):
    done = one.operate("explain", "nobody.knows.it")

    assert done.returncode == 1
    assert "GROUP_UNKNOWN" in done.stderr


# --- settle-head ----------------------------------------------------------------------------------


def test_settle_head_lets_a_key_go_on(one, bus, group, cluster, prefix):
    publish(bus, "A1", "A2")
    stream = bus.subscribe(group, TYPE)
    (held,) = stream.take(1)
    stream.nack(held, action=REJECT, reason="broken")
    eventually(lambda: explained(one, group)["head_state"] == "STATE_HALTED", "a halted head")

    wrong = one.operate("settle-head", group, "orders/0@1", "--skip")
    done = one.operate("settle-head", group, "orders/0@0", "--skip", "--reason", "known bug")

    assert wrong.returncode == 1
    assert "OFFSET_OUT_OF_RANGE" in wrong.stderr
    assert done.returncode == 0, done.stderr
    (following,) = stream.take(1)
    assert following.event.id == "A2"
    eventually(lambda: cluster.committed(group, f"{prefix}-orders") == {0: 1}, "the commit")
    assert "known bug" in one.log()


def test_a_rejected_head_becomes_a_dead_letter(gateway, connect, group, cluster, prefix):
    one = gateway(ROUTES, partitions=1, admin_api=True)
    bus = connect(one)
    publish(bus, "A1", "A2")
    retry = api.RetryPolicy(max_attempts=1, on_exhausted=api.RetryPolicy.EXHAUSTED_HALT)
    stream = bus.subscribe(group, TYPE, retry=retry)
    (held,) = stream.take(1)
    stream.nack(held, reason="no stock")
    eventually(lambda: explained(one, group)["head_state"] == "STATE_HALTED", "a halted head")

    done = one.operate("settle-head", group, "orders/0@0", "--reject", "--reason", "by hand")

    assert done.returncode == 0, done.stderr
    (following,) = stream.take(1)
    assert following.event.id == "A2"
    (letter,) = cluster.records(f"{prefix}-orders.{group}.dead")
    headers = dict(letter.headers())
    assert headers["sidebus-dead-reason"] == b"REJECTED"
    assert headers["sidebus-dead-detail"] == b"by hand"


# --- seek -----------------------------------------------------------------------------------------


def test_seek_moves_a_group_that_nobody_reads(one, bus, group, cluster, prefix):
    stand(bus, cluster, one, group, at=2)
    topic = f"{prefix}-orders"

    dry = answer(one.operate("seek", group, "--to", "earliest", "--dry-run", "--output", "json"))
    assert [each["offset"] for each in dry["from"]] == ["2"]
    assert [each["offset"] for each in dry["to"]] == ["0"]
    assert cluster.committed(group, topic) == {0: 2}

    done = one.operate("seek", group, "--to", "orders/0=1")
    assert done.returncode == 0, done.stderr
    assert re.search(r"orders/0 +2 +1\n", done.stdout)
    assert cluster.committed(group, topic) == {0: 1}
    assert [each.event.id for each in bus.subscribe(group, TYPE).take(3)] == ["B1", "C1", "D1"]


@pytest.mark.parametrize("policy", ["earliest", "halt"])
def test_a_group_beyond_the_end_of_its_log_does_as_it_is_told(
    gateway, connect, group, cluster, policy
):
    subscribe = {"linger": "1s", "on_truncated": policy}
    one = gateway(ROUTES, partitions=1, admin_api=True, subscribe=subscribe)
    bus, topic = connect(one), f"{one.prefix}-orders"
    stand(bus, cluster, one, group, at=4)
    cluster.stand(group, topic, 0, 1000)

    stream = bus.subscribe(group, TYPE)
    if policy == "halt":
        code, fault = stream.end()
        assert (code, fault.reason) == (grpc.StatusCode.DATA_LOSS, "LOG_TRUNCATED")
        assert cluster.committed(group, topic) == {0: 1000}
        assert one.operate("seek", group, "--to", "orders/0=2").returncode == 0
        stream = bus.subscribe(group, TYPE)

    first = 0 if policy == "earliest" else 2
    assert [each.event.id for each in stream.take(4 - first)] == ["A1", "B1", "C1", "D1"][first:]


@pytest.mark.parametrize("policy", ["earliest", "halt"])
def test_of_a_topic_that_is_made_anew_under_its_group_nothing_is_passed_over(
    gateway, connect, group, cluster, policy
):
    one = gateway(ROUTES, partitions=1, admin_api=True, subscribe={"on_truncated": policy})
    bus, topic = connect(one), f"{one.prefix}-orders"
    bus.must_publish(*(Event(type=TYPE, id=f"old-{n}") for n in range(20)))
    stream = bus.subscribe(group, TYPE)
    stream.ack(*stream.take(20))
    eventually(lambda: cluster.committed(group, topic) == {0: 20}, "the commit")

    cluster.delete(topic)
    cluster.create(topic, partitions=1)
    wanted = [f"new-{n}" for n in range(60)]  # more than the old one had
    eventually(
        lambda: not bus.publish(Event(type=TYPE, id="first"))[0].HasField("error"),
        "the gateway to see it",
    )
    bus.must_publish(*(Event(type=TYPE, id=each) for each in wanted))

    got = set()
    while not stream.ended and not got >= {*wanted, "first"}:
        came = stream.arrived(40).get("delivery", [])
        got |= {each.event.id for each in came}
        stream.ack(*came)
    if policy == "halt":
        code, fault = stream.end()
        assert (code, fault.reason) == (grpc.StatusCode.DATA_LOSS, "LOG_TRUNCATED")
    else:
        assert got >= {*wanted, "first"}


@pytest.mark.parametrize("policy", ["earliest", "halt"])
def test_of_a_topic_that_was_made_anew_while_nobody_read_nothing_is_passed_over(
    gateway, connect, group, cluster, policy
):
    subscribe = {"on_truncated": policy, "linger": "1s"}
    one = gateway(ROUTES, partitions=1, admin_api=True, subscribe=subscribe)
    bus, topic = connect(one), f"{one.prefix}-orders"
    stand(bus, cluster, one, group, at=4)
    beside = cluster.metadata(group, topic)[0]
    assert re.fullmatch(r"sb1::[A-Za-z0-9+/_-]{22}", beside)

    cluster.delete(topic)
    cluster.create(topic, partitions=1)
    eventually(
        lambda: not bus.publish(Event(type=TYPE, id="first"))[0].HasField("error"),
        "the gateway to see it",
    )
    bus.must_publish(*(Event(type=TYPE, id=f"new-{n}") for n in range(9)))
    # Kafka forgets the position when its coordinator hears of the deletion. Who does not, has this.
    cluster.stand_with(group, topic, 0, 4, beside)
    stream = bus.subscribe(group, TYPE)

    if policy == "halt":
        code, fault = stream.end()
        assert (code, fault.reason) == (grpc.StatusCode.DATA_LOSS, "LOG_TRUNCATED")
        assert one.operate("seek", group, "--to", "orders/0=9").returncode == 0
        assert [each.event.id for each in bus.subscribe(group, TYPE).take(1)] == ["new-8"]
        return
    came = stream.take(10)
    assert {each.event.id for each in came} == {"first", *(f"new-{n}" for n in range(9))}
    stream.ack(*came)
    eventually(lambda: cluster.committed(group, topic) == {0: 10}, "the commit")
    assert cluster.metadata(group, topic)[0] != beside


def test_topics_that_do_not_exist_are_told_of(one, bus, group):
    stream = bus.subscribe(group, topics=["orders", "ordres"])

    assert stream.next("heartbeat").missing_topics == ["ordres"]
    lost = bus.subscribe(group, topics=["ordres"])
    code, fault = lost.end()
    assert (code, fault.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TOPIC_MISSING")
    explained = answer(one.operate("explain", group, "--output", "json"))
    assert explained["missing_topics"] == ["ordres"]
    assert "ordres does not exist" in one.operate("explain", group).stdout
    assert "a topic does not exist" in one.stderr
    publish(bus, "A1")
    assert stream.take(1)[0].event.id == "A1"


def test_what_retention_took_is_explained(gateway, connect, group, cluster):
    one = gateway(ROUTES, partitions=1, admin_api=True, subscribe={"linger": "1s"})
    bus, topic = connect(one), f"{one.prefix}-orders"
    stand(bus, cluster, one, group, at=1)
    cluster.delete_records(topic, 0, 3)

    stream = bus.subscribe(group, TYPE)

    assert [each.event.id for each in stream.take(1)] == ["D1"]
    (state,) = answer(one.operate("explain", group, "--output", "json"))["partitions"]
    assert state["lost_to_retention"] == "2"
    assert state["went_on_at"]["offset"] == "3"
    assert "orders/0 lost 2 events to retention" in one.operate("explain", group).stdout


def test_seek_to_a_time_and_out_of_range(one, bus, group, cluster, prefix):
    stand(bus, cluster, one, group, at=0)

    assert one.operate("seek", group, "--to", "2200-01-01T00:00:00Z").returncode == 0
    assert cluster.committed(group, f"{prefix}-orders") == {0: 4}
    beyond = one.operate("seek", group, "--to", "orders/0=5")
    missing = one.operate("seek", group, "--to", "latest", "--topic", "nowhere")

    assert "OFFSET_OUT_OF_RANGE" in beyond.stderr
    assert "from 0 to 4" in beyond.stderr
    assert "TOPIC_MISSING" in missing.stderr


def test_seek_is_refused_while_somebody_reads(gateway, connect, group):
    one = gateway(ROUTES, partitions=1, admin_api=True)
    other = gateway(ROUTES, admin_api=True)
    bus = connect(other)
    publish(bus, "A1")
    bus.subscribe(group, TYPE, member="pod-2").take(1)

    here = other.operate("seek", group, "--to", "earliest")
    elsewhere = one.operate("seek", group, "--to", "earliest", "--force")

    assert "GROUP_ACTIVE" in here.stderr
    assert "GROUP_ACTIVE" in elsewhere.stderr
    assert "sidebus-pod-2" in elsewhere.stderr


def test_seek_by_force_ends_the_streams_and_they_read_from_there(one, bus, group):
    publish(bus, "A1", "B1")
    stream = bus.subscribe(group, TYPE)
    stream.ack(*stream.take(2))

    done = one.operate("seek", group, "--to", "earliest", "--force")

    assert done.returncode == 0, done.stderr
    code, fault = stream.end()
    assert (code, fault.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert fault.retry is not None
    again = bus.subscribe(group, TYPE)
    assert [each.event.id for each in again.take(2)] == ["A1", "B1"]


def test_seek_by_force_waits_for_the_session_of_a_static_member(gateway, connect, group):
    one = gateway(
        ROUTES,
        partitions=1,
        admin_api=True,
        subscribe={"static_member": "pod-1"},
        kafka={"properties": {"session.timeout.ms": "6000"}},
    )
    bus = connect(one)
    publish(bus, "A1")
    stream = bus.subscribe(group, TYPE)
    stream.ack(*stream.take(1))

    done = one.operate("seek", group, "--to", "earliest", "--force")

    assert done.returncode == 0, done.stderr
    assert [each.event.id for each in bus.subscribe(group, TYPE).take(1)] == ["A1"]


# --- drain and resume -----------------------------------------------------------------------------


def draining(one):
    return Metrics(one.get("/metrics")[1]).value("sidebus_draining")


def test_drain_stops_deliveries_and_resume_undoes_it(one, bus, group, cluster, prefix):
    publish(bus, "A1")
    stream = bus.subscribe(group, TYPE)
    (held,) = stream.take(1)
    stream.ack(held)
    assert draining(one) == 0

    done = one.operate("drain", "--grace", "10s", "--reason", "roll out")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "drained; 0 deliveries were not settled\n"
    assert stream.next("draining").reason == "roll out"
    assert stream.end()[1].reason == "DRAINING"
    assert cluster.committed(group, f"{prefix}-orders") == {0: 1}
    assert draining(one) == 1
    assert bus.describe().condition.draining
    assert bus.subscribe(group, TYPE).end()[1].reason == "DRAINING"
    assert one.get("/readyz")[0] == 200
    assert one.run("health").returncode == 0
    publish(bus, "A2")

    assert one.operate("resume").returncode == 0
    assert draining(one) == 0
    assert [each.event.id for each in bus.subscribe(group, TYPE).take(1)] == ["A2"]


def test_drain_tells_how_much_was_left(one, bus, group):
    publish(bus, "A1")
    bus.subscribe(group, TYPE).take(1)

    left = answer(one.operate("drain", "--grace", "200ms", "--output", "json"))

    assert left["unsettled"] == "1"


def test_a_drained_gateway_ends_on_sigterm(one, bus, group):
    publish(bus, "A1")
    bus.subscribe(group, TYPE).take(1)
    one.operate("drain", "--grace", "100ms")

    one.signal(signal.SIGTERM)

    assert one.wait() == 0


# --- the listener ---------------------------------------------------------------------------------


def test_the_admin_api_is_not_on_the_applications_listener(one, bus):
    found = bus.call("/sidebus.v1.EventBusAdmin/ListGroups")
    asked = sidebus("groups", "--admin-endpoint", one.endpoint)

    assert found == grpc.StatusCode.UNIMPLEMENTED
    assert "is it the application's API?" in asked.stderr
    assert one.ready["admin_api"] == f"unix:{one.folder}/admin.sock"


def test_without_an_admin_api_the_verbs_say_how_to_get_one(gateway):
    one = gateway(ROUTES, partitions=1)

    done = one.operate("groups")

    assert done.returncode == 1
    assert "no admin API answers at" in done.stderr
    assert "`admin_api`" in done.stderr
