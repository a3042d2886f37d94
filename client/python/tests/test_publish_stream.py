import threading

import grpc
import pytest
import sidebus
from fake_gateway import HALF_CLOSED, PATIENCE, FakeGateway, rich_status
from google.rpc import status_pb2
from sidebus import Event, Outcome
from sidebus.v1 import event_bus_pb2 as pb
from sidebus.v1 import event_pb2

DOWN = rich_status(grpc.StatusCode.UNAVAILABLE, "DRAINING", 0.001)
DRAINING = pb.PublishStreamResponse(draining=pb.Draining(reason="upgrade"))


def event(number=1):
    return Event("order.created", b"", id=str(number))


def outcome(future):
    error = future.exception(PATIENCE)
    assert isinstance(error, sidebus.PublishError)
    return error.outcome


def serve_one(gateway, count):
    """A stream that takes so many events, and then ends as it should."""
    stream = gateway.publish_stream()
    ids = [one.id for one in stream.events(count)]
    stream.settle(1, count)
    return stream, ids


def test_events_are_sent_in_order_and_settled_in_batches(bus, gateway):
    with bus.publish_stream() as published:
        futures = [published.publish(event(number)) for number in range(1, 6)]
        stream, ids = serve_one(gateway, 5)
        published.flush(PATIENCE)

        assert ids == ["1", "2", "3", "4", "5"]
        assert [future.result(PATIENCE).event_id for future in futures] == ids
        stream.end()


def test_the_start_says_what_was_asked_for(bus, gateway):
    published = bus.publish_stream(want_positions=True, topic="orders")
    future = published.publish(event())
    stream = gateway._publish_streams.get(timeout=PATIENCE)
    start = stream.next().start
    stream.events(1)
    position = event_pb2.Position(topic="orders", offset=3)
    stream.settle(1, 1, positions=[pb.PublishPosition(number=1, positions=[position])])

    assert (start.want_positions, start.topic) == (True, "orders")
    assert future.result(PATIENCE).positions == (sidebus.Position("orders", 0, 3),)
    stream.end()


def test_a_refused_event_fails_alone(bus, gateway):
    results = []
    published = bus.publish_stream(on_result=results.append)
    good, bad = published.publish(event(1)), published.publish(event(2))
    stream = gateway.publish_stream()
    stream.events(2)
    busy = rich_status(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_RATE", 0.001, outcome="not_written"
    )
    stream.settle(1, 2, failures=[pb.PublishFailure(number=2, error=busy)])

    assert good.result(PATIENCE).ok
    assert outcome(bad) is Outcome.NOT_WRITTEN
    assert bad.exception().retryable
    published.flush(PATIENCE)
    assert [(one.event_id, one.ok) for one in results] == [("1", True), ("2", False)]
    stream.end()


def test_a_failure_that_nobody_asks_for_is_logged(bus, gateway, caplog):
    published = bus.publish_stream()
    published.publish(event(9))
    stream = gateway.publish_stream()
    stream.events(1)
    denied = rich_status(grpc.StatusCode.PERMISSION_DENIED, "PUBLISH_DENIED")
    stream.settle(1, 1, failures=[pb.PublishFailure(number=1, error=denied)])
    published.flush(PATIENCE)

    assert "event 9 was not published: PERMISSION_DENIED PUBLISH_DENIED" in caplog.text
    stream.end()


def test_a_callback_that_raises_harms_nobody(bus, gateway, caplog):
    def explode(result):
        raise ValueError("boom")

    published = bus.publish_stream(on_result=explode)
    future = published.publish(event())
    stream, _ = serve_one(gateway, 1)

    assert future.result(PATIENCE).ok
    published.flush(PATIENCE)
    assert "on_result raised" in caplog.text
    stream.end()


@pytest.mark.parametrize("bounds", [{"max_in_flight": 2}, {"max_in_flight_bytes": 2_500}])
def test_publish_waits_while_as_much_is_in_flight_as_may_be(bus, gateway, bounds):
    published = bus.publish_stream(**bounds)
    big = Event("t", b"x" * 1_000)
    published.publish(big)
    published.publish(big)

    with pytest.raises(TimeoutError, match="no room"):
        published.publish(big, timeout=0.01)

    stream = gateway.publish_stream()
    stream.events(2)
    stream.settle(1, 1)
    third = published.publish(big, timeout=PATIENCE)
    stream.events(1)
    stream.settle(2, 3)
    assert third.result(PATIENCE).ok
    stream.end()


def test_closing_waits_for_the_results_and_half_closes(bus, gateway):
    published = bus.publish_stream()
    future = published.publish(event())
    closing = threading.Thread(target=published.close)
    closing.start()
    stream = gateway.publish_stream()
    stream.events(1)

    assert stream.next() == HALF_CLOSED
    stream.settle(1, 1)
    stream.end()

    closing.join(PATIENCE)
    assert future.result(PATIENCE).ok
    with pytest.raises(sidebus.ClosedError):
        published.publish(event())


def test_closing_an_unused_stream_needs_no_gateway(connect, tmp_path):
    with connect(f"unix:{tmp_path}/none").publish_stream():
        pass


def test_closing_gives_up_after_its_timeout(bus, gateway):
    published = bus.publish_stream()
    future = published.publish(event())
    stream = gateway.publish_stream()
    stream.events(1)

    published.close(timeout=0.05)

    assert outcome(future) is Outcome.UNKNOWN


def test_flush_gives_up_after_its_timeout(bus, gateway):
    published = bus.publish_stream()
    published.publish(event())
    stream = gateway.publish_stream()

    with pytest.raises(TimeoutError, match="1 events without result"):
        published.flush(0.01)

    stream.events(1)
    stream.settle(1, 1)
    published.flush(PATIENCE)
    stream.end()


def test_what_was_in_flight_when_the_stream_broke_is_unknown_and_the_next_goes_on(bus, gateway):
    published = bus.publish_stream()
    settled, lost = published.publish(event(1)), published.publish(event(2))
    first = gateway.publish_stream()
    first.events(2)
    first.settle(1, 1)
    settled.result(PATIENCE)
    first.end(status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="closed"))

    assert outcome(lost) is Outcome.UNKNOWN
    assert not lost.exception().retryable

    later = published.publish(event(3))
    second, ids = serve_one(gateway, 1)
    assert ids == ["3"]
    assert later.result(PATIENCE).ok
    second.end()


def test_a_stream_that_ends_with_ok_too_early_leaves_events_unknown(bus, gateway):
    published = bus.publish_stream()
    future = published.publish(event())
    stream = gateway.publish_stream()
    stream.events(1)
    stream.end()

    assert outcome(future) is Outcome.UNKNOWN


def test_on_draining_the_stream_is_half_closed_and_a_new_one_goes_on_in_order(bus, gateway):
    published = bus.publish_stream()
    before = published.publish(event(1))
    first = gateway.publish_stream()
    first.events(1)
    first.send(DRAINING)
    assert first.next() == HALF_CLOSED

    after = published.publish(event(2))
    first.settle(1, 1)
    assert before.result(PATIENCE).ok
    first.end()

    second, ids = serve_one(gateway, 1)
    assert ids == ["2"]
    assert after.result(PATIENCE).ok
    second.end()


def test_a_gateway_that_is_restarted_is_waited_for(connect, tmp_path):
    gateway = FakeGateway(f"unix:{tmp_path}/s")
    published = connect(gateway.endpoint).publish_stream()
    future = published.publish(event())  # nobody listens
    gateway.serve()
    stream, ids = serve_one(gateway, 1)

    assert ids == ["1"]
    assert future.result(PATIENCE).ok
    stream.end()
    gateway.stop()


def test_what_waits_too_long_for_a_gateway_was_not_written(connect, tmp_path):
    published = connect(f"unix:{tmp_path}/none").publish_stream(timeout=0.05)
    future = published.publish(event())

    assert outcome(future) is Outcome.NOT_WRITTEN
    assert future.exception().code is grpc.StatusCode.UNAVAILABLE


def test_a_stream_that_is_refused_for_the_moment_is_opened_again(bus, gateway):
    published = bus.publish_stream()
    future = published.publish(event(1))
    first = gateway.publish_stream()
    first.events(1)
    first.end(DOWN)
    assert outcome(future) is Outcome.UNKNOWN

    again = published.publish(event(2))
    second, _ = serve_one(gateway, 1)
    assert again.result(PATIENCE).ok
    second.end()


def test_an_error_that_will_not_pass_ends_the_stream_for_good(bus, gateway):
    published = bus.publish_stream()
    future = published.publish(event())
    stream = gateway.publish_stream()
    stream.events(1)
    stream.end(rich_status(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"))

    assert outcome(future) is Outcome.UNKNOWN
    with pytest.raises(sidebus.UnauthenticatedError):
        published.publish(event())
