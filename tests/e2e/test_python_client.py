"""The Python client against a real gateway. What it does by itself is tested in client/python."""

import asyncio
import threading

import pytest
import sidebus
import sidebus.aio
from sidebus import Event, Retry, RetryPolicy, Skip

ROUTES = {
    "order.created": {"orders": {"event_key_field": "order.id", "enabled": True}},
    "note.taken": {"notes": {"event_key_field": "", "enabled": True}},
}


def order(number):
    return {"order": {"id": f"A-{number}"}}


def test_an_event_goes_around(gateway, broker, client, group):
    bus = client(gateway(ROUTES, broker))
    sent = Event(
        "order.created",
        order(7),
        id="1",
        subject="s",
        extensions={"color": "red"},
        headers=[("h", b"1"), ("h", None)],
    )

    result = bus.publish(sent)
    with bus.subscribe("order.created", group=group) as subscription:
        delivery = subscription.receive(timeout=20)
        delivery.ack()

    got = delivery.event
    assert result.event_id == got.id == "1"
    assert result.positions == (delivery.position,)
    assert got.json() == order(7)
    assert got.key == b"A-7"
    assert (got.source, got.subject, got.extensions) == ("/sidebus", "s", {"color": "red"})
    assert [tuple(header) for header in got.headers] == [("h", b"1"), ("h", None)]
    assert got.content_type == "application/json"


def test_an_event_goes_around_with_asyncio(gateway, broker, group):
    one = gateway(ROUTES, broker)

    async def around():
        async with sidebus.aio.connect(one.endpoint) as bus:
            results = await bus.publish_many([Event("order.created", order(n)) for n in range(50)])
            assert all(result.ok for result in results)
            async with bus.subscribe("order.created", group=group) as subscription:
                got = []
                async for delivery in subscription:
                    got.append(delivery.event.json()["order"]["id"])
                    delivery.ack()
                    if len(got) == 50:
                        return got

    assert sorted(asyncio.run(around())) == sorted(f"A-{n}" for n in range(50))


def test_a_stream_publishes_in_order(gateway, broker, client, group):
    bus = client(gateway(ROUTES, broker))
    with bus.publish_stream(want_positions=True) as stream:
        futures = [stream.publish(Event("note.taken", f"{n}", key="k")) for n in range(5000)]
        results = [future.result(timeout=30) for future in futures]

    assert [result.positions[0].offset for result in results] == list(range(5000))
    assert len({result.positions[0].partition for result in results}) == 1
    ordering = sidebus.Ordering.UNORDERED
    subscription = bus.subscribe("note.taken", group=group, ordering=ordering, window=1000)
    got = []
    for delivery in subscription:
        got.append(int(delivery.event.data))
        delivery.ack()
        if len(got) == 5000:
            subscription.drain()
    assert got == list(range(5000))


def test_errors_say_what_the_gateway_said(gateway, broker, client):
    bus = client(gateway(ROUTES, broker))

    with pytest.raises(sidebus.PublishError) as unknown:
        bus.publish("order.deleted", b"")
    with pytest.raises(sidebus.PublishError) as no_key:
        bus.publish("order.created", {})

    assert (unknown.value.reason, unknown.value.outcome.value) == (
        "EVENT_TYPE_UNKNOWN",
        "not_written",
    )
    assert (no_key.value.reason, no_key.value.outcome.value) == (
        "KEY_FIELD_MISSING",
        "not_written",
    )
    assert not unknown.value.retryable


def test_a_handler_settles_by_how_it_ends(gateway, broker, client, group):
    bus = client(gateway(ROUTES, broker))
    for name in ("good", "flaky", "useless", "busy"):
        bus.publish("note.taken", name, key=name)
    seen, lock = [], threading.Lock()
    subscription = bus.subscribe("note.taken", group=group, retry=RetryPolicy(min_backoff=0.01))

    def handle(delivery):
        name = delivery.event.data.decode()
        with lock:
            seen.append((name, delivery.attempt))
            times = sum(1 for each, _ in seen if each == name)
            if len(seen) == 6:
                subscription.drain()
        if name == "flaky" and times == 1:
            raise RuntimeError("not today")
        if name == "useless":
            raise Skip("of no use")
        if name == "busy" and times == 1:
            raise Retry("later", delay=0.01, counted=False)

    subscription.run(handle, workers=4)

    assert sorted(seen) == [
        ("busy", 1),
        ("busy", 1),
        ("flaky", 1),
        ("flaky", 2),
        ("good", 1),
        ("useless", 1),
    ]


def test_a_client_waits_for_a_gateway_that_starts_later(gateway, client):
    one = gateway(ROUTES, start=False)
    bus = client(one)
    started = threading.Thread(target=one.start)
    published = []
    waiting = threading.Thread(
        target=lambda: published.append(bus.publish("note.taken", "x", timeout=20))
    )

    waiting.start()
    started.start()
    waiting.join(20)
    started.join(20)

    assert published[0].ok


def test_a_gateway_that_restarts_costs_a_client_nothing(gateway, client, group):
    one = gateway(ROUTES)
    bus = client(one)
    subscription = bus.subscribe("note.taken", group=group)
    got = []
    for round_number in range(3):
        bus.publish("note.taken", f"{round_number}", timeout=20)
        delivery = subscription.receive(timeout=20)
        got.append(delivery.event.data)
        delivery.ack()
        assert one.stop() == 0
        one.start()

    assert got == [b"0", b"1", b"2"]


def test_describe_tells_routes_and_limits(gateway, broker, client, prefix):
    description = client(gateway(ROUTES, broker)).describe()

    types = {each.type: each for each in description.event_types}
    assert types.keys() == ROUTES.keys()
    (route,) = types["order.created"].routes
    assert (route.topic, route.full_topic) == ("orders", f"{prefix}-orders")
    assert description.limits.max_events_per_request == 1000
