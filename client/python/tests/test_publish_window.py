import grpc
import pytest
from fake_gateway import rich_status
from sidebus import Outcome, UnavailableError
from sidebus._publish_window import MESSAGE_BYTES, MESSAGE_EVENTS, PublishWindow, Ticket
from sidebus.v1 import event_bus_pb2 as pb
from sidebus.v1 import event_pb2

GONE = UnavailableError("gone", code=grpc.StatusCode.UNAVAILABLE, retry_after=1.0)


def window_with(*names, size=10, max_events=100, max_bytes=1_000):
    window = PublishWindow(max_events, max_bytes)
    for place, name in enumerate(names):
        window.add(Ticket(event_pb2.Event(id=name), size, float(place), name))
    return window


def ack(*ranges, **fields):
    settled = [pb.PublishAck.Range(first=first, last=last) for first, last in ranges]
    return pb.PublishAck(settled=settled, **fields)


def names(results):
    return [ticket.future for ticket, _ in results]


def test_events_are_settled_by_their_numbers_in_the_order_sent():
    window = window_with("a", "b", "c", "d")
    assert [one.id for one in window.take()] == ["a", "b", "c", "d"]

    failure = pb.PublishFailure(
        number=3, error=rich_status(grpc.StatusCode.NOT_FOUND, "X", outcome="not_written")
    )
    position = pb.PublishPosition(number=1, positions=[event_pb2.Position(topic="t", offset=9)])
    results = window.settle(ack((1, 1), (3, 4), failures=[failure], positions=[position]))

    assert names(results) == ["a", "c", "d"]
    assert [result.ok for _, result in results] == [True, False, True]
    assert results[0][1].positions[0].offset == 9
    assert results[1][1].error.outcome is Outcome.NOT_WRITTEN
    assert len(window) == 1


def test_numbers_that_are_not_in_flight_are_ignored():
    window = window_with("a")
    window.take()
    window.settle(ack((1, 1)))

    assert window.settle(ack((1, 1), (2, 2**63))) == []


def test_what_is_in_flight_when_the_stream_ends_is_unknown_and_not_retryable():
    window = window_with("a", "b")
    window.take()
    window.settle(ack((2, 2)))

    ((ticket, result),) = window.abandon(GONE)

    assert ticket.future == "a"
    assert (result.error.outcome, result.error.retryable) == (Outcome.UNKNOWN, False)


def test_numbers_begin_at_one_on_a_new_stream():
    window = window_with("a")
    window.take()
    window.abandon(GONE)
    window.add(Ticket(event_pb2.Event(id="b"), 1, 0.0, "b"))
    window.take()

    assert names(window.settle(ack((1, 1)))) == ["b"]


def test_what_was_never_sent_waits_again_in_its_order():
    window = window_with("a", "b")
    window.take()
    window.add(Ticket(event_pb2.Event(id="c"), 1, 2.0, "c"))
    window.unsend()

    assert [one.id for one in window.take()] == ["a", "b", "c"]
    assert window.abandon(GONE) != []


def test_what_waits_too_long_for_a_stream_was_not_written():
    window = window_with("a", "b", "c")

    expired = window.expire(1.0, GONE)

    assert names(expired) == ["a", "b"]
    assert {result.error.outcome for _, result in expired} == {Outcome.NOT_WRITTEN}
    assert window.next_deadline() == 2.0


@pytest.mark.parametrize(("max_events", "max_bytes"), [(2, 1_000), (100, 20)])
def test_room_ends_at_the_bound_of_events_or_of_bytes(max_events, max_bytes):
    window = window_with("a", max_events=max_events, max_bytes=max_bytes)
    assert window.has_room(10)

    window.add(Ticket(event_pb2.Event(), 10, 0.0, "b"))
    assert not window.has_room(1)

    window.take()
    assert not window.has_room(1)

    window.settle(ack((1, 1)))
    assert window.has_room(10)


def test_an_event_larger_than_the_window_may_be_alone_in_it():
    window = window_with()

    assert window.has_room(1_001)


def test_a_message_is_bounded_in_events_and_bytes():
    many = window_with(*map(str, range(MESSAGE_EVENTS + 1)), size=1)
    large = window_with("a", "b", size=MESSAGE_BYTES)

    assert [len(many.take()), len(many.take())] == [MESSAGE_EVENTS, 1]
    assert [len(large.take()), len(large.take())] == [1, 1]
