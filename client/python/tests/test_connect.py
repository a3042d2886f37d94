import pytest
import sidebus
from fake_gateway import FakeGateway
from sidebus.v1 import event_bus_pb2 as pb


def test_a_unix_socket_may_be_written_with_three_slashes(connect, gateway):
    bus = connect(gateway.endpoint.replace("unix:", "unix://"))

    assert bus.publish("t", b"").event_id == gateway.published.get().events[0].id


def test_tcp_works_too(connect):
    gateway = FakeGateway("127.0.0.1:0")
    gateway.serve()
    bus = connect(f"127.0.0.1:{gateway.port}")

    assert bus.publish("t", b"").positions[0].offset == 7

    gateway.stop()


def test_the_environment_says_where_the_gateway_is(connect, gateway, monkeypatch):
    monkeypatch.setenv("SIDEBUS_ENDPOINT", gateway.endpoint)

    bus = connect()

    assert bus.endpoint == gateway.endpoint
    bus.wait_ready(10)


def test_a_malformed_endpoint_is_refused_at_once(connect):
    with pytest.raises(ValueError, match="no port"):
        connect("gateway")


def test_waiting_for_a_gateway_that_is_not_there_ends(connect, tmp_path):
    with pytest.raises(TimeoutError, match="no gateway at"):
        connect(f"unix:{tmp_path}/none").wait_ready(0.01)


def test_metadata_goes_with_every_call_and_may_be_made_anew(connect, gateway):
    tokens = iter(["one", "two", "three"])
    bus = connect(gateway.endpoint, metadata=lambda: [("authorization", f"Bearer {next(tokens)}")])

    bus.publish("t", b"")
    bus.publish("t", b"")
    bus.subscribe("t", group="g")

    sent = [one["authorization"] for one in gateway.metadata]
    sent.append(gateway.subscribe().metadata["authorization"])
    assert sent == ["Bearer one", "Bearer two", "Bearer three"]


def test_a_closed_bus_says_so(gateway):
    bus = sidebus.connect(gateway.endpoint)
    bus.close()

    for use in (
        lambda: bus.publish("t", b""),
        lambda: bus.publish_stream(),
        lambda: bus.subscribe("t", group="g"),
        lambda: bus.describe(),
        lambda: bus.wait_ready(),
    ):
        with pytest.raises(sidebus.ClosedError):
            use()


def test_describe_tells_what_there_is(bus, gateway):
    description = gateway.description
    info = description.event_types.add(type="order.created", can_publish=True, encoding="openedx")
    info.routes.add(topic="orders", event_key_field="order.id", enabled=True, full_topic="x-orders")
    description.limits.max_event_bytes = 1_000
    description.limits.max_window.events = 10
    description.limits.min_lease.FromSeconds(1)
    description.condition.broker_reachable = True
    description.condition.broker_state_age.FromMilliseconds(1_500)

    found = bus.describe(["order.created"])

    (event_type,) = found.event_types
    assert event_type.type == "order.created"
    assert event_type.routes == (sidebus.Route("orders", "order.id", True, "x-orders"),)
    assert (event_type.can_publish, event_type.can_subscribe) == (True, False)
    assert (found.limits.max_event_bytes, found.limits.min_lease) == (1_000, 1.0)
    assert found.limits.max_window == sidebus.Window(events=10)
    assert found.condition == sidebus.Condition(True, 1.5, False)
    assert found.version == "0.1.0"


def test_the_messages_are_in_the_package():
    assert pb.DESCRIPTOR.package == "sidebus.v1"
