"""What a subscriber may rely on, through the Python client and a real Kafka."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sidebus
from prometheus import Metrics
from sidebus import Event, OnExhausted, Ordering, RetryPolicy, StartFrom, Window
from waiting import eventually

ROUTES = {
    "order.created": {"orders": {"event_key_field": "", "enabled": True}},
    "order.paid": {"orders": {"event_key_field": "", "enabled": True}},
}
SHORT_LEASES = {"subscribe": {"min_lease": "200ms"}}


@pytest.fixture
def one(gateway):
    return gateway(ROUTES, partitions=1, **SHORT_LEASES)


@pytest.fixture
def bus(one, client):
    return client(one)


def publish(bus, *names, type="order.created"):
    """Events named A1, A2, B1, ...: the letter is the key, "-" is none."""
    events = [Event(type, name, id=name, key=None if name[0] == "-" else name[0]) for name in names]
    for result in bus.publish_many(events):
        assert result.error is None, result.error


def names(deliveries):
    return [each.event.id for each in deliveries]


def take(subscription, count):
    return [subscription.receive(timeout=20) for _ in range(count)]


def assert_nothing_comes(subscription, seconds=0.3):
    with pytest.raises(TimeoutError):
        print(subscription.receive(timeout=seconds))


def committed(cluster, one, group):
    return cluster.committed(group, f"{one.prefix}-orders")


# --- window ---------------------------------------------------------------------------------------


def test_a_window_bounds_what_is_held(bus, group):
    publish(bus, *[f"-{n}" for n in range(10)])
    subscription = bus.subscribe("order.created", group=group, window=3)

    held = take(subscription, 3)
    assert_nothing_comes(subscription)
    held[1].ack()
    held += take(subscription, 1)
    assert_nothing_comes(subscription)
    subscription.set_window(Window(events=5))
    held += take(subscription, 2)
    assert_nothing_comes(subscription)

    assert names(held) == [f"-{n}" for n in range(6)]


def test_an_empty_window_pauses(bus, group):
    publish(bus, "-1", "-2")
    subscription = bus.subscribe("order.created", group=group, window=Window())

    subscription.wait_started(20)
    assert_nothing_comes(subscription, seconds=1)
    subscription.set_window(Window(events=1))

    assert names(take(subscription, 1)) == ["-1"]


def test_a_window_of_bytes_lets_one_large_event_through(bus, group):
    for name in ("-1", "-2"):
        bus.publish("order.created", bytes(10_000), id=name)
    subscription = bus.subscribe("order.created", group=group, window=Window(9, 5_000))

    (first,) = take(subscription, 1)
    assert_nothing_comes(subscription)
    first.ack()

    assert names(take(subscription, 1)) == ["-2"]


def test_started_says_what_is_in_force(bus, group):
    subscription = bus.subscribe(
        "order.created", group=group, window=Window(10**6, 10**9), lease=86400
    )

    started = subscription.wait_started(20)

    assert started.window == Window(1000, 16 * 1024 * 1024)
    assert started.lease == 3600
    assert started.ordering is Ordering.BY_KEY
    assert (started.max_attempts, started.min_backoff, started.max_backoff) == (5, 0.5, 30)
    assert started.topics == ("orders",)


# --- order ----------------------------------------------------------------------------------------


def test_a_held_key_holds_back_nothing_but_itself(bus, group):
    publish(bus, "A1", "B1", "A2", "-1", "B2", "A3")
    subscription = bus.subscribe("order.created", group=group)
    first = {each.event.id: each for each in take(subscription, 3)}
    assert first.keys() == {"A1", "B1", "-1"}

    first["B1"].ack()
    assert names(take(subscription, 1)) == ["B2"]
    assert_nothing_comes(subscription)
    first["A1"].ack()
    (second,) = take(subscription, 1)
    second.ack()

    assert second.event.id == "A2"
    assert names(take(subscription, 1)) == ["A3"]


def test_by_partition_everything_waits(bus, group):
    publish(bus, "A1", "B1", "-1")
    subscription = bus.subscribe("order.created", group=group, ordering=Ordering.BY_PARTITION)

    for name in ("A1", "B1", "-1"):
        (delivery,) = take(subscription, 1)
        assert delivery.event.id == name
        assert_nothing_comes(subscription, seconds=0.1)
        delivery.ack()


def test_unordered_nothing_waits(bus, group):
    publish(bus, "A1", "A2", "A3")
    subscription = bus.subscribe("order.created", group=group, ordering=Ordering.UNORDERED)

    assert names(take(subscription, 3)) == ["A1", "A2", "A3"]


# --- retry ----------------------------------------------------------------------------------------


def test_a_nack_with_a_delay_is_delivered_again_after_it(bus, group):
    publish(bus, "A1", "A2", "B1")
    subscription = bus.subscribe("order.created", group=group)
    held = {each.event.id: each for each in take(subscription, 2)}

    started = time.monotonic()
    held["A1"].nack("not yet", delay=0.7)
    held["B1"].ack()
    (again,) = take(subscription, 1)
    waited = time.monotonic() - started

    assert (again.event.id, again.attempt) == ("A1", 2)
    assert 0.7 <= waited < 2
    again.ack()
    assert names(take(subscription, 1)) == ["A2"]


def test_a_nack_backs_off_longer_each_time(bus, group):
    publish(bus, "A1")
    retry = RetryPolicy(min_backoff=0.2, max_backoff=10)
    subscription = bus.subscribe("order.created", group=group, retry=retry)

    pauses = []
    for attempt in (1, 2, 3):
        (delivery,) = take(subscription, 1)
        assert delivery.attempt == attempt
        started = time.monotonic()
        delivery.nack()
        (delivery,) = take(subscription, 1)
        pauses.append(time.monotonic() - started)
        delivery.nack(delay=0, counted=False)

    for pause, wanted in zip(pauses, (0.2, 0.4, 0.8), strict=True):
        assert wanted * 0.8 <= pause < wanted * 1.2 + 0.5


def test_a_nack_that_is_not_counted_uses_no_attempt(bus, group):
    publish(bus, "A1")
    subscription = bus.subscribe("order.created", group=group, retry=RetryPolicy(max_attempts=1))

    for _ in range(3):
        (delivery,) = take(subscription, 1)
        assert delivery.attempt == 1
        delivery.nack(delay=0, counted=False)


def test_an_exhausted_event_that_halts_holds_back_its_key_and_the_position(
    one, bus, group, cluster
):
    publish(bus, "A1", "B1", "A2", "B2")
    retry = RetryPolicy(max_attempts=2, min_backoff=0.01, on_exhausted=OnExhausted.HALT)
    subscription = bus.subscribe("order.created", group=group, retry=retry)

    attempts = Counter()
    while attempts.total() < 4:
        (delivery,) = take(subscription, 1)
        attempts[delivery.event.id] += 1
        if delivery.event.id == "A1":
            delivery.nack()
        else:
            delivery.ack()

    assert attempts == {"A1": 2, "B1": 1, "B2": 1}
    assert_nothing_comes(subscription)
    assert subscription.close()
    assert committed(cluster, one, group) == {0: 0}


def test_an_exhausted_event_can_be_skipped(one, bus, group, cluster):
    publish(bus, "A1", "A2")
    retry = RetryPolicy(max_attempts=2, min_backoff=0.01, on_exhausted=OnExhausted.SKIP)
    subscription = bus.subscribe("order.created", group=group, retry=retry)

    for _ in range(2):
        (delivery,) = take(subscription, 1)
        assert delivery.event.id == "A1"
        delivery.nack()
    (last,) = take(subscription, 1)
    last.ack()

    assert last.event.id == "A2"
    assert subscription.close()
    assert committed(cluster, one, group) == {0: 2}


def test_a_nack_can_skip(one, bus, group, cluster):
    publish(bus, "A1", "A2")
    subscription = bus.subscribe("order.created", group=group)

    for name in ("A1", "A2"):
        (delivery,) = take(subscription, 1)
        assert delivery.event.id == name
        delivery.skip("of no use")

    assert subscription.close()
    assert committed(cluster, one, group) == {0: 2}


# --- leases ---------------------------------------------------------------------------------------


def test_an_event_whose_lease_ran_out_is_delivered_again(bus, group):
    publish(bus, "A1")
    retry = RetryPolicy(min_backoff=0.05)
    subscription = bus.subscribe("order.created", group=group, lease=0.4, retry=retry, extend_for=0)

    (first,) = take(subscription, 1)
    started = time.monotonic()
    (second,) = take(subscription, 1)
    waited = time.monotonic() - started

    assert first.event.id == second.event.id
    assert (first.attempt, second.attempt) == (1, 2)
    assert 0.35 < waited < 2
    second.ack()
    assert_nothing_comes(subscription, seconds=0.6)


def test_an_extended_lease_lasts(bus, group):
    publish(bus, "A1")
    subscription = bus.subscribe("order.created", group=group, lease=0.8, extend_for=0)

    (held,) = take(subscription, 1)
    for _ in range(5):
        held.extend()
        assert_nothing_comes(subscription, seconds=0.4)
    held.ack()

    assert not held.is_revoked
    assert_nothing_comes(subscription, seconds=1)
    assert subscription.close()


def test_a_late_ack_still_counts_while_nobody_else_has_the_event(one, bus, group, cluster):
    publish(bus, "A1")
    retry = RetryPolicy(min_backoff=20)
    subscription = bus.subscribe("order.created", group=group, lease=0.3, retry=retry, extend_for=0)

    (held,) = take(subscription, 1)
    returned = "sidebus_returned_deliveries_total"
    eventually(lambda: Metrics.of(one).value(returned, why="lease") == 1, "the end of the lease")
    held.ack()

    eventually(lambda: committed(cluster, one, group) == {0: 1}, "a commit")


# --- groups ---------------------------------------------------------------------------------------


def test_two_streams_of_a_group_share_its_events(one, client, group):
    buses = [client(one), client(one)]
    subscriptions = [bus.subscribe("order.created", group=group, window=20) for bus in buses]
    for subscription in subscriptions:
        subscription.wait_started(20)
    publish(buses[0], *[f"-{n}" for n in range(40)])

    shares = [take(subscription, 20) for subscription in subscriptions]

    assert sorted(names(shares[0] + shares[1])) == sorted(f"-{n}" for n in range(40))


def test_a_key_stays_in_order_across_the_streams_of_a_group(one, client, group):
    buses = [client(one), client(one)]
    subscriptions = [bus.subscribe("order.created", group=group) for bus in buses]
    for subscription in subscriptions:
        subscription.wait_started(20)
    publish(buses[0], "A1", "A2")

    def whoever():
        for subscription in subscriptions:
            try:
                return subscription.receive(timeout=0.05)
            except TimeoutError:
                continue
        return None

    first = eventually(whoever, "A1")
    for subscription in subscriptions:
        assert_nothing_comes(subscription, seconds=0.2)
    first.ack()

    assert first.event.id == "A1"
    assert eventually(whoever, "A2").event.id == "A2"


def test_streams_of_a_group_must_agree_on_the_order(one, client, group):
    client(one).subscribe("order.created", group=group).wait_started(20)

    with pytest.raises(sidebus.FailedPreconditionError) as error:
        client(one).subscribe(
            "order.created", group=group, ordering=Ordering.UNORDERED
        ).wait_started(20)

    assert error.value.reason == "GROUP_CONFLICT"


def test_groups_do_not_share(bus, group):
    publish(bus, "A1", "A2")

    for name in (f"{group}1", f"{group}2"):
        subscription = bus.subscribe("order.created", group=name)
        for wanted in ("A1", "A2"):
            (delivery,) = take(subscription, 1)
            assert delivery.event.id == wanted
            delivery.ack()


def test_a_group_goes_on_where_it_was(one, bus, group, cluster):
    publish(bus, "A1", "A2", "A3")
    with bus.subscribe("order.created", group=group) as subscription:
        for _ in range(2):
            take(subscription, 1)[0].ack()
        take(subscription, 1)

    assert committed(cluster, one, group) == {0: 2}
    assert names(take(bus.subscribe("order.created", group=group), 1)) == ["A3"]


def test_types_that_nobody_wants_are_settled_silently(one, bus, group, cluster):
    publish(bus, "A1")
    publish(bus, "A2", type="order.paid")
    publish(bus, "A3")

    with bus.subscribe("order.created", group=group) as subscription:
        for name in ("A1", "A3"):
            (delivery,) = take(subscription, 1)
            assert delivery.event.id == name
            delivery.ack()

    assert committed(cluster, one, group) == {0: 3}
    unwanted = "sidebus_unwanted_events_total"
    assert Metrics.of(one).value(unwanted, event_type="order.paid") == 1


def test_a_topic_has_every_type_on_it(bus, group):
    publish(bus, "A1")
    publish(bus, "B1", type="order.paid")

    subscription = bus.subscribe(group=group, topics=["orders"])

    assert [each.event.type for each in take(subscription, 2)] == ["order.created", "order.paid"]


# --- broadcast ------------------------------------------------------------------------------------


def test_broadcast_gives_each_stream_everything_and_commits_nothing(one, client, cluster):
    bus = client(one)
    publish(bus, "A1", "-1")

    for _ in range(2):
        subscription = client(one).subscribe("order.created", group="", start_from="earliest")
        got = take(subscription, 2)
        assert names(got) == ["A1", "-1"]
        for delivery in got:
            delivery.ack()
        subscription.close()

    assert committed(cluster, one, "sidebus-broadcast") == {}


def test_broadcast_begins_at_the_end(bus):
    publish(bus, "-old")
    subscription = bus.subscribe("order.created", group="")
    subscription.wait_started(20)

    def comes():
        publish(bus, "-new")
        try:
            return subscription.receive(timeout=0.1)
        except TimeoutError:
            return None

    assert eventually(comes, "an event").event.id == "-new"


# --- the start ------------------------------------------------------------------------------------


def test_a_new_group_begins_at_the_beginning(bus, group):
    publish(bus, "A1")

    assert names(take(bus.subscribe("order.created", group=group), 1)) == ["A1"]


def test_latest_is_pinned_and_loses_nothing_that_came_while_nobody_subscribed(
    one, bus, group, cluster
):
    publish(bus, "A1", "A2")
    with bus.subscribe("order.created", group=group, start_from="latest"):
        eventually(lambda: committed(cluster, one, group) == {0: 2}, "the pin")
    publish(bus, "A3")

    subscription = bus.subscribe("order.created", group=group, start_from="latest")

    assert names(take(subscription, 1)) == ["A3"]


def test_a_position_wins_over_a_start(bus, group):
    publish(bus, "A1", "A2")
    with bus.subscribe("order.created", group=group) as subscription:
        take(subscription, 1)[0].ack()

    for start in ("earliest", "latest", StartFrom.at_time(datetime.now(UTC))):
        with bus.subscribe("order.created", group=group, start_from=start) as subscription:
            assert names(take(subscription, 1)) == ["A2"]


def test_a_group_can_begin_at_a_time(bus, group):
    publish(bus, "A1")
    first = take(bus.subscribe("order.created", group=f"{group}.look"), 1)[0].broker_time
    eventually(lambda: datetime.now(UTC) > first + timedelta(milliseconds=5), "the next moment")
    publish(bus, "A2")

    start = StartFrom.at_time(first + timedelta(milliseconds=2))
    subscription = bus.subscribe("order.created", group=group, start_from=start)

    assert names(take(subscription, 1)) == ["A2"]


def test_of_topics_that_do_not_exist_none_is_named_with_the_prefix(one, bus, group):
    subscription = bus.subscribe(group=group, topics=["nowhere"])

    with pytest.raises(sidebus.FailedPreconditionError) as error:
        subscription.wait_started(20)
        take(subscription, 1)

    assert error.value.reason == "TOPIC_MISSING"
    assert "nowhere" in str(error.value)
    assert one.prefix not in str(error.value)
