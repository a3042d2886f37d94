"""`sidebus serve`: how it starts, what it says, how it ends."""

import os
import re
import signal
import socket
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway import sidebus
from prometheus import Metrics
from sidebus.v1.event_pb2 import Event
from waiting import eventually

ORDERS = {"order.created": {"orders": {"event_key_field": "", "enabled": True}}}
NOWHERE = "127.0.0.1:1"  # nobody listens there


def test_it_says_in_one_line_that_it_is_ready(gateway, broker):
    one = gateway(ORDERS, broker, listen=["127.0.0.1:0"])

    assert one.stdout.count("\n") == 1
    assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", one.ready["api"])
    assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", one.ready["admin"])
    assert one.ready["broker"] == broker
    assert one.ready["event_types"] == "1"
    assert sidebus("health", "--endpoint", one.ready["api"]).returncode == 0


def test_it_listens_on_all_its_addresses(gateway):
    one = gateway(ORDERS, "embedded", start=False, flags=["--listen", "127.0.0.1:0"])
    one._flags += ["--listen", f"unix:{one.folder}/flag.sock"]

    addresses = one.start().ready["api"].split(", ")

    assert addresses[1] == f"unix:{one.folder}/flag.sock"
    for address in addresses:
        assert sidebus("health", "--endpoint", address).returncode == 0


def test_its_socket_is_for_its_user_and_group(gateway):
    one = gateway(ORDERS, "embedded")

    assert stat.S_IMODE(os.stat(one.folder / "api.sock").st_mode) == 0o660


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(gateway, broker, number):
    one = gateway(ORDERS, broker)

    one.signal(number)

    assert one.wait(5) == 0


def test_sigterm_ends_it_with_0_when_kafka_never_answered(gateway):
    assert gateway(ORDERS, NOWHERE).stop(5) == 0


def test_sigterm_lets_held_events_settle(gateway, connect, cluster, prefix, group):
    one = gateway(ORDERS, partitions=1)
    bus = connect(one)
    bus.must_publish(Event(type="order.created"), Event(type="order.created"))
    stream = bus.subscribe(group, "order.created")
    held = stream.take(2)

    one.signal(signal.SIGTERM)
    stream.next("draining")
    stream.ack(*held)
    stream.drain()

    assert one.wait(5) == 0
    assert cluster.committed(group, f"{prefix}-orders") == {0: 2}


def test_a_second_sigterm_ends_it_at_once(gateway, connect, group):
    one = gateway(ORDERS)
    bus = connect(one)
    bus.must_publish(Event(type="order.created"))
    stream = bus.subscribe(group, "order.created")
    stream.take(1)

    one.signal(signal.SIGTERM)
    stream.next("draining")
    assert one.running
    one.signal(signal.SIGTERM)

    assert one.wait(3) == 3, "the delivery was not settled"


@pytest.fixture
def stuck(gateway, connect):
    """A gateway without Kafka with five accepted events, and the call that waits for them."""
    one = gateway(ORDERS, NOWHERE, shutdown={"grace": "2s"})
    call = connect(one).publish_later(*[Event(type="order.created")] * 5, timeout=60)
    eventually(lambda: Metrics.of(one).value("sidebus_publish_inflight_events") == 5, "five events")
    return one, call


def assert_not_written(call):
    from bus import fault

    outcomes = [fault(result.error).outcome for result in call.result(5).results]
    assert outcomes == ["not_written"] * 5


def test_events_that_could_not_be_flushed_are_counted_and_its_exit_code_is_3(stuck):
    one, call = stuck

    assert one.stop(4) == 3

    assert re.search(r"\b5\b.* events could not be flushed", one.stderr)
    assert_not_written(call)


@pytest.mark.parametrize("grace", ["1s", "2s"])
def test_deliveries_that_nobody_settles_are_counted_and_its_exit_code_is_3(
    gateway, connect, broker, group, grace
):
    one = gateway(ORDERS, broker, shutdown={"grace": grace})
    bus = connect(one)
    bus.must_publish(*(Event(type="order.created", key=b"%d" % n) for n in range(3)))
    stream = bus.subscribe(group, "order.created")
    held = stream.take(3)
    stream.ack(held[0])

    assert one.stop(int(grace[0]) + 1) == 3

    assert re.search(r"\b2 held deliveries were not settled", one.stderr)


def test_a_second_sigterm_does_not_wait_for_kafka(gateway, connect, stuck):
    one, call = stuck

    one.signal(signal.SIGTERM)
    eventually(lambda: "stopping" in one.stderr, "the first signal")
    one.signal(signal.SIGTERM)

    assert one.wait(1.5) == 3
    assert_not_written(call)


def test_it_does_not_serve_while_it_stops(stuck):
    one, _ = stuck

    one.signal(signal.SIGTERM)
    eventually(lambda: one.run("health").returncode == 4, "NOT_SERVING", seconds=2)

    assert one.wait(4) == 3


# --- starts that fail -----------------------------------------------------------------------------


def refused(one):
    """What a gateway that does not start says."""
    assert one.launch().wait(10) == 1
    assert one.stdout == ""
    return one.stderr


@pytest.mark.parametrize("key", ["listen", "admin", "probes"])
def test_a_taken_port_is_named_and_its_exit_code_is_1(gateway, key):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        value = [address] if key == "listen" else address
        message = refused(gateway(ORDERS, "embedded", start=False, **{key: value}))

    assert address in message
    assert "in use" in message


def test_a_second_gateway_on_a_socket_does_not_steal_it(gateway):
    first = gateway(ORDERS, "embedded")
    second = gateway(ORDERS, "embedded", start=False, listen=[f"unix:{first.folder}/api.sock"])

    message = refused(second)

    assert f"{first.folder}/api.sock" in message
    assert "in use" in message
    assert first.run("health").returncode == 0


def test_a_socket_that_a_killed_gateway_left_is_taken_over(gateway):
    one = gateway(ORDERS, "embedded")
    one.kill()
    assert (one.folder / "api.sock").exists()

    one.start()

    assert one.run("health").returncode == 0


def test_of_gateways_that_start_at_once_on_a_socket_one_wins(gateway):
    first = gateway(ORDERS, "embedded", start=False)
    others = [
        gateway(ORDERS, "embedded", start=False, listen=[f"unix:{first.folder}/api.sock"])
        for _ in range(3)
    ]

    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: one.launch(), [first, *others]))
    eventually(lambda: sum(one.running for one in [first, *others]) == 1, "one gateway")

    assert eventually(lambda: first.run("health", "--wait", "5s"), "an answer").returncode == 0


def test_a_mistake_in_the_file_is_shown_with_its_place(gateway):
    one = gateway(ORDERS, "embedded", start=False)
    one.config_file.write_text("broker: {kind: embedded}\nsubscribe:\n  leese: 30s\n")

    message = refused(one)

    assert f"{one.config_file}:3:3" in message
    assert "subscribe.leese" in message
    assert "lease" in message.replace("subscribe.leese", "")


def test_a_key_of_a_later_version_is_not_ignored(gateway):
    message = refused(gateway(ORDERS, "embedded", start=False, access={}))

    assert "access" in message
    assert "not supported by this version" in message


def test_no_broker_is_an_error():
    done = sidebus("serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")

    assert done.returncode == 1
    assert "broker" in done.stderr


def test_a_wrong_flag_is_a_usage_error():
    done = sidebus("serve", "--brocker", "embedded")

    assert done.returncode == 2
    assert "--brocker" in done.stderr
