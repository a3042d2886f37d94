"""The Django plugin of client/openedx when something is away, hangs, is slow, or ends."""

import json
import signal
from collections import defaultdict

import pytest
from django_service import ROUTES, block, usage_key
from load import QUICK
from waiting import eventually

EARLIEST = {"start_from": "earliest"}


@pytest.fixture
def openedx(gateway, registry):
    """Makes gateways as Open edX needs them; more of their configuration by name."""

    def make(**config):
        wanted = {"encoding": "openedx", "schema_registry": {"url": registry}}
        return gateway(ROUTES, **(wanted | config))

    return make


@pytest.fixture
def numbered(connect):
    """numbered(gateway, first, end) sends blocks as a service does, without the start of one."""
    from openedx_wire import VECTORS
    from sidebus.v1.event_pb2 import Event

    def send(gateway, first, end, keys=7):
        events = []
        for number in range(first, end):
            event_type, data, _ = block(number % keys, block_type=f"t{number}")
            events.append(
                Event(
                    type=event_type,
                    id=f"00000000-0000-1000-8000-{number:012d}",
                    data=json.dumps(data).encode(),
                    schema=json.dumps(VECTORS[event_type]["schema"]),
                )
            )
        connect(gateway).must_publish(*events)

    return send


def numbers(*services):
    """The numbers of the blocks that receivers got, in their order for each service."""
    return [
        int(each["data"]["xblock_info"]["block_type"][1:])
        for one in services
        for each in one.received()
    ]


# --- consumers ------------------------------------------------------------------------------------


def test_a_consumer_that_is_terminated_again_and_again_handles_each_event_once(
    openedx, service, group, cluster, numbered
):
    one = openedx()
    numbered(one, 0, 300)
    lives = []
    while len(numbers(*lives)) < 300:
        lms = service(f"lms{len(lives)}", one)
        lives.append(lms)
        lms.consume("xblocks", group, EARLIEST)
        lms.received(min(60, 300 - len(numbers(*lives))))

        assert lms.stop() == 0

    assert sorted(numbers(*lives)) == list(range(300))
    assert len(lives) > 1
    topic = f"{one.prefix}-xblocks"
    assert cluster.committed(group, topic) == {
        partition: end for partition, end in cluster.ends(topic).items() if end
    }


def test_a_gateway_that_is_killed_while_a_receiver_works_loses_nothing(
    openedx, service, group, numbered, tmp_path
):
    one = openedx(kafka=QUICK)
    lms = service("lms", one)
    gate = tmp_path / "gate"
    numbered(one, 0, 20)
    lms.consume("xblocks", group, EARLIEST, SERVICE_GATE=str(gate))
    lms.received(1)  # its receivers wait at the gate

    one.kill()
    one.start()
    gate.touch()

    eventually(lambda: set(numbers(lms)) == set(range(20)), lambda: lms.log()[-5000:], 60)
    assert lms.stop() == 0
    # Only what it worked on may come again.
    assert len(numbers(lms)) <= 21


def test_a_consumer_waits_for_a_gateway_that_starts_later(openedx, service, group, numbered):
    one = openedx(start=False)
    lms = service("lms", one)
    lms.consume("xblocks", group, EARLIEST)
    eventually(lambda: "Consuming: " in lms.log(), "that it consumes")

    one.start()
    numbered(one, 0, 3)

    lms.received(3)
    assert lms.stop() == 0


def test_two_consumers_of_a_group_share_its_events_and_each_key_stays_in_order(
    openedx, service, group, cluster, numbered
):
    ones = [openedx(), openedx()]
    consumers = [service(f"lms{number}", one) for number, one in enumerate(ones)]
    for lms in consumers:
        lms.consume("xblocks", group, EARLIEST)
    eventually(lambda: len(cluster.shares(group)) == 2, "two members", 60)

    numbered(ones[0], 0, 100)

    eventually(lambda: len(numbers(*consumers)) >= 100, "100 events", 60)
    assert [lms.stop() for lms in consumers] == [0, 0]
    assert sorted(numbers(*consumers)) == list(range(100))
    for lms in consumers:
        of_key = defaultdict(list)
        for number in numbers(lms):
            of_key[number % 7].append(number)
        assert of_key
        assert all(each == sorted(each) for each in of_key.values())


def test_a_receiver_that_is_slower_than_the_lease_gets_the_event_once(
    openedx, service, group, numbered, tmp_path
):
    one = openedx(subscribe={"lease": "1s"}, admin_api=True)
    lms, gate = service("lms", one), tmp_path / "gate"
    numbered(one, 0, 1)
    lms.consume("xblocks", group, EARLIEST, SERVICE_GATE=str(gate))
    lms.received(1)

    def seconds_held():
        explained = json.loads(one.operate("explain", group, "--output", "json").stdout)
        (head,) = (each for each in explained["partitions"] if each["in_flight"])
        assert head["head_attempt"] == 1
        return float(head["oldest_unsettled"].rstrip("s"))

    eventually(lambda: seconds_held() > 3, "that three leases have passed")
    gate.touch()

    assert lms.stop() == 0
    assert numbers(lms) == [0]


def test_a_consumer_beside_a_gateway_that_hangs_ends_when_it_is_told_to(
    openedx, service, group, numbered
):
    one = openedx()
    lms = service("lms", one)
    lms.consume("xblocks", group, EARLIEST)
    numbered(one, 0, 1)
    lms.received(1)
    one.signal(signal.SIGSTOP)

    try:
        code = lms.stop(40)
    finally:
        one.signal(signal.SIGCONT)

    assert code == 0
    assert "the last acks may not be committed" in lms.log()


@pytest.mark.parametrize(
    ("extra", "code", "said"),
    [
        ('{"offset_time": "2026-01-01T00:00:00Z"}', 1, "sidebus seek"),
        ('{"surprise": true}', 1, "unknown argument surprise"),
        # openedx-events itself reads the JSON, and swallows what comes of it.
        ('{"topics": ["a"]', 0, "JSONDecodeError"),
        ('["topics"]', 0, "TypeError"),
    ],
)
def test_bad_extra_arguments_are_in_the_log(openedx, service, group, extra, code, said):
    lms = service("lms", openedx(start=False))

    consumer = lms.consume("xblocks", group, extra)

    assert consumer.wait(30) == code
    assert said in lms.log()


# --- producers ------------------------------------------------------------------------------------


def assert_logged(log, reason, outcome):
    assert "Event not published" in log
    assert reason in log
    assert f"outcome={outcome}" in log
    assert f'"usage_key": "{usage_key(1)}"' in log


def test_what_needs_a_registry_that_is_away_is_logged_with_its_data(
    openedx, service, cluster, registry_way
):
    way, url = registry_way
    one = openedx(schema_registry={"url": url})
    cms = service("cms", one)
    way.stop()

    _, log = cms.manage("send_events", stdin=json.dumps([block(1)]), SERVICE_TIMEOUT="1")

    assert_logged(log, "REGISTRY_DOWN", "not_written")
    way.start()
    cms.send(block(2))
    (record,) = cluster.records(f"{one.prefix}-xblocks")
    assert usage_key(2).encode() in record.value()


def test_a_gateway_that_hangs_costs_a_sender_its_timeout_and_the_outcome_is_unknown(
    openedx, service
):
    one = openedx()
    cms = service("cms", one)
    one.signal(signal.SIGSTOP)

    try:
        _, log = cms.manage("send_events", stdin=json.dumps([block(1)]), SERVICE_TIMEOUT="1")
    finally:
        one.signal(signal.SIGCONT)

    assert_logged(log, "DEADLINE_EXCEEDED", "unknown")
