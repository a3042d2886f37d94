import threading
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import sidebus
from fake_gateway import CANCELLED, HALF_CLOSED, PATIENCE, FakeGateway, rich_status
from google.rpc import status_pb2
from sidebus.v1 import event_bus_pb2 as pb

BROKEN = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="Socket closed")
DRAINING = rich_status(grpc.StatusCode.UNAVAILABLE, "DRAINING", 0.001)


class Heard:
    """A callback that a test can wait for."""

    def __init__(self):
        self.arguments = []
        self._changed = threading.Condition()

    def __call__(self, argument):
        with self._changed:
            self.arguments.append(argument)
            self._changed.notify_all()

    def first(self):
        with self._changed:
            assert self._changed.wait_for(lambda: self.arguments, PATIENCE)
            return self.arguments[0]


def in_background(function):
    """The result of a call that a test lets wait."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()

    def result():
        thread.join(PATIENCE)
        return results[0]

    return result


def test_the_start_says_what_was_asked_for(bus, gateway):
    bus.subscribe(
        "order.created",
        "order.deleted",
        group="billing",
        topics=["orders"],
        start_from=sidebus.StartFrom.at_time(datetime(1970, 1, 2, tzinfo=UTC)),
        ordering=sidebus.Ordering.BY_PARTITION,
        window=sidebus.Window(events=7, bytes=9),
        lease=1.5,
        retry=sidebus.RetryPolicy(3, 0.5, timedelta(minutes=1), sidebus.OnExhausted.SKIP),
        member="me",
        data_format=sidebus.DataFormat.JSON,
    )

    start = gateway.subscribe().start()

    assert (start.group, start.event_types) == ("billing", ["order.created", "order.deleted"])
    assert (start.topics, start.member) == (["orders"], "me")
    assert start.start_from.time.seconds == 86_400
    assert start.ordering == pb.ORDERING_BY_PARTITION
    assert (start.window.events, start.window.bytes) == (7, 9)
    assert start.lease.ToMilliseconds() == 1_500
    assert (start.retry.max_attempts, start.retry.min_backoff.ToMilliseconds()) == (3, 500)
    assert start.retry.max_backoff.ToSeconds() == 60
    assert start.retry.on_exhausted == pb.RetryPolicy.EXHAUSTED_SKIP
    assert start.data_format == pb.DATA_FORMAT_JSON


def test_what_was_not_asked_for_is_left_to_the_gateway(bus, gateway):
    bus.subscribe("order.created", group="billing")

    start = gateway.subscribe().start()

    absent = ["start_from", "window", "lease", "retry"]
    assert [name for name in absent if start.HasField(name)] == []
    assert start.ordering == pb.ORDERING_UNSPECIFIED
    assert start.member != ""


@pytest.mark.parametrize("where", ["earliest", "latest"])
def test_where_to_start_may_be_a_word(bus, gateway, where):
    bus.subscribe("t", group="g", start_from=where)

    assert gateway.subscribe().start().start_from.WhichOneof("at") == where


def test_a_subscription_that_makes_no_sense_is_refused_at_once(bus):
    with pytest.raises(ValueError, match="earliest, latest or a StartFrom"):
        bus.subscribe("t", group="g", start_from="now")
    with pytest.raises(ValueError, match="time zone"):
        sidebus.StartFrom.at_time(datetime(1970, 1, 2))


def test_what_is_in_force_is_told(bus, gateway):
    subscription = bus.subscribe("t", group="g")
    gateway.subscribe().start(lease=5)

    started = subscription.wait_started(PATIENCE)

    assert (started.stream_id, started.topics, started.lease) == ("stream-1", ("orders",), 5.0)
    assert started.window == sidebus.Window(100, 4096)
    assert started.ordering is sidebus.Ordering.BY_KEY
    assert (started.max_attempts, started.min_backoff, started.max_backoff) == (5, 0.5, 30.0)


def test_waiting_for_a_start_that_does_not_come_ends(bus, gateway):
    with pytest.raises(TimeoutError, match="not started"):
        bus.subscribe("t", group="g").wait_started(0.01)


def test_a_delivery_is_what_was_delivered(bus, gateway):
    subscription = bus.subscribe("t", group="g")
    stream = gateway.subscribe()
    stream.start()
    stream.deliver(1, data=b'{"a": 1}')

    delivery = subscription.receive(PATIENCE)

    assert delivery.event.json() == {"a": 1}
    assert (delivery.event.id, delivery.event.key) == ("event-1", b"A-7")
    assert delivery.position == sidebus.Position("orders", 1, 1)
    assert (delivery.attempt, delivery.interruptions) == (1, 0)
    assert delivery.broker_time == datetime.fromtimestamp(1_700_000_000, UTC)
    assert repr(delivery) == ("<Delivery 1 of order.created event-1 at orders/1/1, attempt 1>")


def test_waiting_for_a_delivery_that_does_not_come_ends(bus, gateway):
    subscription = bus.subscribe("t", group="g")
    gateway.subscribe().start()

    with pytest.raises(TimeoutError, match="no delivery"):
        subscription.receive(0.01)


def test_acks_nacks_and_extends_reach_the_gateway(bus, gateway):
    subscription = bus.subscribe("t", group="g")
    stream = gateway.subscribe()
    stream.start()
    stream.deliver(1, 2, 3)

    subscription.receive(PATIENCE).ack()
    assert stream.next_that(lambda one: one.ack).ack == [1]
    subscription.receive(PATIENCE).nack("busy", delay=2)
    (nack,) = stream.next_that(lambda one: one.nack).nack
    assert (nack.delivery_id, nack.reason, nack.delay.seconds) == (2, "busy", 2)
    subscription.receive(PATIENCE).extend()
    assert stream.next_that(lambda one: one.extend).extend == [3]


def test_the_window_can_be_changed_and_stays_after_a_reconnect(bus, gateway):
    subscription = bus.subscribe("t", group="g", window=5)
    stream = gateway.subscribe()
    assert stream.start().window.events == 5
    subscription.wait_started(PATIENCE)

    subscription.set_window(sidebus.Window())

    assert stream.next_that(lambda one: one.HasField("window")).window == pb.Window()
    stream.end(BROKEN)
    start = gateway.subscribe().start()
    assert start.HasField("window") and start.window == pb.Window()


def test_leases_of_what_waits_here_are_extended(bus, gateway):
    bus.subscribe("t", group="g")
    stream = gateway.subscribe()
    stream.start(lease=0.05)
    stream.deliver(1, 2)

    assert set(stream.next_that(lambda one: one.extend).extend) == {1, 2}
    assert set(stream.next_that(lambda one: one.extend).extend) == {1, 2}


def test_a_settle_that_was_not_taken_is_told(bus, gateway, caplog):
    failures = Heard()
    subscription = bus.subscribe("t", group="g", on_settle_failure=failures)
    stream = gateway.subscribe()
    stream.start()
    stream.deliver(1)
    subscription.receive(PATIENCE).ack()
    stream.acks(1)
    stream.refuse(1, rich_status(grpc.StatusCode.ABORTED, "DELIVERY_REVOKED"))

    failure = failures.first()

    assert (failure.delivery_id, failure.event_id) == (1, "event-1")
    assert isinstance(failure.error, sidebus.AbortedError)
    assert "order.created event-1 (delivery 1) not settled: ABORTED DELIVERY_REVOKED" in caplog.text


def test_what_is_revoked_is_marked_told_and_not_handed_out(bus, gateway):
    revoked = Heard()
    subscription = bus.subscribe("t", group="g", on_revoked=revoked)
    stream = gateway.subscribe()
    stream.start()
    stream.deliver(1, 2)
    delivery = subscription.receive(PATIENCE)
    stream.revoke(1, 2)
    stream.deliver(3)

    assert [one.delivery_id for one in revoked.first()] == [1, 2]
    assert delivery.is_revoked
    assert subscription.receive(PATIENCE).delivery_id == 3


def test_heartbeats_tell_the_lag(bus, gateway):
    heartbeats = Heard()
    bus.subscribe("t", group="g", on_heartbeat=heartbeats)
    stream = gateway.subscribe()
    stream.start()
    beat = pb.Heartbeat(lag_events=9, missing_topics=["ordres"])
    beat.oldest_unsettled.FromMilliseconds(1_500)
    stream.send(pb.SubscribeResponse(heartbeat=beat))

    assert heartbeats.first() == sidebus.Heartbeat(9, 1.5, ("ordres",))


def test_a_callback_that_raises_harms_nobody(bus, gateway, caplog):
    def explode(argument):
        raise ValueError("boom")

    subscription = bus.subscribe("t", group="g", on_heartbeat=explode)
    stream = gateway.subscribe()
    stream.start()
    stream.send(pb.SubscribeResponse(heartbeat=pb.Heartbeat()))
    stream.deliver(1)

    assert subscription.receive(PATIENCE).delivery_id == 1
    assert "a callback raised" in caplog.text


@pytest.mark.parametrize(
    "status",
    [
        BROKEN,
        DRAINING,
        rich_status(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", 0.001),
        status_pb2.Status(code=grpc.StatusCode.CANCELLED.value[0], message="reset"),
        status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message="reset"),
        None,
    ],
    ids=["broken", "draining", "refused for now", "cancelled", "reset", "ok"],
)
def test_a_stream_that_ends_is_opened_again_with_the_same_options(bus, gateway, status):
    disconnects, revoked = Heard(), Heard()
    subscription = bus.subscribe(
        "t", group="g", lease=7, on_disconnect=disconnects, on_revoked=revoked
    )
    first = gateway.subscribe()
    start = first.start()
    first.deliver(1, 2)
    delivery = subscription.receive(PATIENCE)
    first.end(status)

    second = gateway.subscribe()
    assert second.start() == start
    assert delivery.is_revoked
    assert [one.delivery_id for one in revoked.first()] == [1, 2]
    delivery.ack()  # means nothing on the new stream
    second.deliver(1)
    again = subscription.receive(PATIENCE)
    again.ack()
    assert second.acks(1) == [1]
    error = disconnects.first()
    assert error is None if status is None else error.code.value[0] == status.code


def test_a_gateway_that_is_restarted_is_waited_for(connect, tmp_path):
    gateway = FakeGateway(f"unix:{tmp_path}/s")
    subscription = connect(gateway.endpoint).subscribe("t", group="g")
    for _ in range(2):
        gateway.serve()
        stream = gateway.subscribe()
        stream.start()
        stream.deliver(1)
        assert subscription.receive(PATIENCE).delivery_id == 1
        gateway.stop()


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, "EVENT_TYPE_UNKNOWN", sidebus.NotFoundError),
        (grpc.StatusCode.INVALID_ARGUMENT, "START_INVALID", sidebus.InvalidArgumentError),
        (grpc.StatusCode.PERMISSION_DENIED, "SUBSCRIBE_DENIED", sidebus.PermissionDeniedError),
        (grpc.StatusCode.FAILED_PRECONDITION, "GROUP_CONFLICT", sidebus.FailedPreconditionError),
        (grpc.StatusCode.ABORTED, "MEMBER_FENCED", sidebus.AbortedError),
        (grpc.StatusCode.INTERNAL, "BUG", sidebus.InternalError),
    ],
)
def test_an_error_that_will_not_pass_is_raised_wherever_one_waits(bus, gateway, code, reason, kind):
    subscription = bus.subscribe("t", group="g")
    stream = gateway.subscribe()
    # Ended only now: of a call that ends while it writes, grpc.aio reports an INTERNAL of its own.
    assert stream.next().HasField("start")
    stream.end(rich_status(code, reason))

    with pytest.raises(kind) as raised:
        subscription.receive(PATIENCE)
    assert raised.value.reason == reason
    with pytest.raises(kind):
        subscription.wait_started(PATIENCE)
    with pytest.raises(kind):
        next(iter(subscription))
    with pytest.raises(kind):
        subscription.run(lambda delivery: None)
    assert gateway._subscribes.empty()


def test_closing_sends_the_acks_half_closes_and_tells_that_they_are_committed(bus, gateway):
    subscription = bus.subscribe("t", group="g")
    stream = gateway.subscribe()
    stream.start()
    stream.deliver(1, 2)
    subscription.receive(PATIENCE).ack()
    closed = in_background(subscription.close)

    assert stream.acks(1) == [1]
    while stream.next() != HALF_CLOSED:
        pass
    stream.end()

    assert closed() is True
    with pytest.raises(sidebus.ClosedError):
        subscription.receive()
    assert list(subscription) == []


def test_a_stream_that_does_not_end_well_leaves_acks_in_doubt(bus, gateway, caplog):
    subscription = bus.subscribe("t", group="g")
    stream = gateway.subscribe()
    stream.start()
    stream.deliver(1)
    subscription.receive(PATIENCE).ack()
    closed = in_background(subscription.close)
    stream.acks(1)
    stream.end(BROKEN)

    assert closed() is False
    assert "the last acks may not be committed" in caplog.text


def test_closing_gives_up_after_its_timeout(bus, gateway):
    subscription = bus.subscribe("t", group="g")
    stream = gateway.subscribe()
    stream.start()
    subscription.wait_started(PATIENCE)

    assert subscription.close(timeout=0.05) is True  # nothing was acked

    while stream.next() not in (HALF_CLOSED, CANCELLED):
        pass


def test_closing_while_the_gateway_is_away_does_not_wait(connect, tmp_path):
    disconnects = Heard()
    options = {"backoff": sidebus.Backoff(initial=60, maximum=60)}
    bus = connect(f"unix:{tmp_path}/none", **options)
    subscription = bus.subscribe("t", group="g", on_disconnect=disconnects)
    disconnects.first()

    assert subscription.close() is True


def test_leaving_the_with_statement_closes(bus, gateway):
    def use():
        with bus.subscribe("t", group="g") as subscription:
            subscription.receive(PATIENCE).ack()

    used = in_background(use)
    stream = gateway.subscribe()
    stream.start()
    stream.deliver(1)
    stream.acks(1)
    while stream.next() != HALF_CLOSED:
        pass
    stream.end()
    used()


def test_draining_ends_the_iteration_when_all_that_was_held_is_settled(bus, gateway):
    subscription = bus.subscribe("t", group="g")
    stream = gateway.subscribe()
    stream.start()
    stream.deliver(1, 2)
    subscription.wait_started(PATIENCE)
    subscription.drain()
    stream.next_that(lambda one: one.drain)

    def rest():
        handed = []
        for delivery in subscription:
            delivery.ack()
            handed.append(delivery.delivery_id)
        return handed

    handed = in_background(rest)
    assert stream.acks(2) == [1, 2]
    stream.end()

    assert handed() == [1, 2]
    assert subscription.close() is True


def test_when_the_gateway_drains_what_is_held_is_settled_and_a_new_stream_opened(bus, gateway):
    subscription = bus.subscribe("t", group="g")
    first = gateway.subscribe()
    first.start()
    first.deliver(1)
    delivery = subscription.receive(PATIENCE)
    first.send(pb.SubscribeResponse(draining=pb.Draining(reason="upgrade")))
    first.next_that(lambda one: one.drain)

    delivery.ack()
    assert first.acks(1) == [1]
    first.end()

    second = gateway.subscribe()
    second.start()
    second.deliver(1)
    assert subscription.receive(PATIENCE).delivery_id == 1


def test_none_of_many_acks_is_lost_or_said_twice(bus, gateway):
    subscription = bus.subscribe("t", group="g")
    stream = gateway.subscribe()
    stream.start()
    stream.deliver(*range(1, 1_001))
    for delivery in (subscription.receive(PATIENCE) for _ in range(1_000)):
        delivery.ack()

    assert sorted(stream.acks(1_000)) == list(range(1, 1_001))
