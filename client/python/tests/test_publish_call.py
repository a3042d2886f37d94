import grpc
from fake_gateway import rich_status, written
from google.rpc import status_pb2
from sidebus import Backoff, Event, Outcome, UnavailableError
from sidebus._publish_call import MAX_BYTES, AwaitGateway, Pause, PublishCall, Send
from sidebus.errors import error_from_status
from sidebus.v1 import event_bus_pb2 as pb

BUSY = rich_status(grpc.StatusCode.UNAVAILABLE, "BROKER_DOWN", 2.0, outcome="not_written")
BAD = rich_status(grpc.StatusCode.INVALID_ARGUMENT, "EVENT_INVALID", outcome="not_written")
UNKNOWN = rich_status(grpc.StatusCode.DEADLINE_EXCEEDED, "DELIVERY_TIMEOUT", outcome="unknown")
REFUSED = UnavailableError(
    "failed to connect to all addresses; last error: ...", code=grpc.StatusCode.UNAVAILABLE
)


def call_for(clock, count=1, timeout=30.0, retry=True, data=b"x"):
    events = [Event("t", data, id=str(number)) for number in range(count)]
    return PublishCall(
        events,
        topic="",
        timeout=timeout,
        retry=retry,
        clock=clock,
        backoff=Backoff(initial=0.1, jitter=0),
    )


def answer(*errors):
    """None: written."""
    return pb.PublishResponse(results=[pb.PublishResult(error=error) for error in errors])


def ids(step):
    return [event.id for event in step.request.events]


def outcomes(call):
    return [result.error and result.error.outcome for result in call.results]


def test_a_call_has_the_time_that_is_left(clock):
    call = call_for(clock, timeout=10.0)
    clock.advance(4)

    step = call.next()

    assert isinstance(step, Send) and step.timeout == 6


def test_an_event_without_id_gets_one_that_stays_the_same_when_it_is_sent_again(clock):
    call = PublishCall(
        [Event("t", b"")], topic="", timeout=9, retry=True, clock=clock, backoff=Backoff()
    )
    (first,) = ids(call.next())
    call.answered(answer(BUSY))
    call.next()
    (second,) = ids(call.next())

    assert first == second != ""


def test_what_was_refused_with_retry_info_is_sent_again_after_the_pause(clock):
    call = call_for(clock, count=2)
    call.next()
    call.answered(answer(None, BUSY))

    assert call.next() == Pause(2.0)
    again = call.next()
    assert ids(again) == ["1"]
    call.answered(written(again.request))
    assert call.next() is None
    assert outcomes(call) == [None, None]


def test_what_was_refused_without_retry_info_is_not_sent_again(clock):
    call = call_for(clock)
    call.next()
    call.answered(answer(BAD))

    assert call.next() is None
    assert call.results[0].error.reason == "EVENT_INVALID"


def test_an_unknown_outcome_is_not_sent_again(clock):
    call = call_for(clock)
    call.next()
    call.answered(answer(UNKNOWN))

    assert call.next() is None
    assert outcomes(call) == [Outcome.UNKNOWN]


def test_nothing_is_sent_again_where_that_was_not_wanted(clock):
    call = call_for(clock, retry=False)
    call.next()
    call.answered(answer(BUSY))

    assert call.next() is None
    assert call.results[0].error.retryable


def test_a_retry_never_changes_the_order(clock):
    call = call_for(clock, count=4)
    call.next()
    call.answered(answer(BUSY, None, BUSY, BAD))

    assert isinstance(call.next(), Pause)
    again = call.next()
    assert ids(again) == ["2"]  # 0 would come after 1
    call.answered(written(again.request))
    assert call.next() is None
    assert outcomes(call) == [Outcome.NOT_WRITTEN, None, None, Outcome.NOT_WRITTEN]


def test_pauses_grow_while_the_gateway_goes_on_refusing(clock):
    busy = rich_status(grpc.StatusCode.UNAVAILABLE, "BROKER_DOWN", 0.0, outcome="not_written")
    call = call_for(clock)
    pauses = []
    for _ in range(4):
        call.next()
        call.answered(answer(busy))
        pauses.append(call.next().seconds)

    assert pauses == [0.1, 0.2, 0.4, 0.8]


def test_a_pause_beyond_the_timeout_is_not_begun(clock):
    call = call_for(clock, timeout=1.5)
    call.next()
    call.answered(answer(BUSY))

    assert call.next() is None
    assert call.results[0].error.reason == "BROKER_DOWN"
    assert outcomes(call) == [Outcome.NOT_WRITTEN]


def test_a_call_that_was_refused_as_a_whole_is_made_again_only_on_retry_info(clock):
    call = call_for(clock)
    call.next()
    call.failed(error_from_status(rich_status(grpc.StatusCode.UNAVAILABLE, "STARTING", 1.0)))
    assert call.next() == Pause(1.0)
    call.next()
    call.failed(error_from_status(rich_status(grpc.StatusCode.PERMISSION_DENIED, "PUBLISH_DENIED")))

    assert call.next() is None
    assert outcomes(call) == [Outcome.NOT_WRITTEN]


def test_an_error_that_is_not_the_gateways_means_unknown(clock):
    for code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
        call = call_for(clock)
        call.next()
        call.failed(error_from_status(status_pb2.Status(code=code.value[0], message="Socket")))

        assert call.next() is None
        assert outcomes(call) == [Outcome.UNKNOWN]


def test_a_gateway_that_is_not_there_is_waited_for(clock):
    call = call_for(clock)
    call.next()
    call.failed(REFUSED)

    assert call.next() == AwaitGateway(30.0)
    assert isinstance(call.next(), Send)


def test_a_gateway_that_does_not_come_in_time_has_not_written_anything(clock):
    call = call_for(clock)
    call.next()
    call.failed(REFUSED)
    call.next()
    clock.advance(30)

    assert call.next() is None
    assert outcomes(call) == [Outcome.NOT_WRITTEN]


def test_events_are_cut_into_requests_that_the_gateway_takes(clock):
    many = call_for(clock, count=2_500)
    sizes = []
    while (step := many.next()) is not None:
        sizes.append(len(step.request.events))
        many.answered(written(step.request))
    assert sizes == [1_000, 1_000, 500]
    assert [result.event_id for result in many.results] == list(map(str, range(2_500)))

    large = call_for(clock, count=5, data=b"x" * 1_000_000)
    while (step := large.next()) is not None:
        assert step.request.ByteSize() <= MAX_BYTES
        large.answered(written(step.request))
    assert len(large.results) == 5


def test_no_events_are_no_call(clock):
    call = call_for(clock, count=0)

    assert call.next() is None
    assert call.results == []


def test_an_answer_with_too_few_results_leaves_the_outcome_unknown(clock):
    call = call_for(clock, count=2)
    call.next()
    call.answered(answer(None))

    assert call.next() is None
    assert outcomes(call) == [Outcome.UNKNOWN, Outcome.UNKNOWN]
