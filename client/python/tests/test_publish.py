import threading

import grpc
import pytest
import sidebus
from fake_gateway import PATIENCE, FakeGateway, rich_status, written
from google.rpc import status_pb2
from sidebus.v1 import event_bus_pb2 as pb
from sidebus.v1 import event_pb2

BUSY = rich_status(grpc.StatusCode.UNAVAILABLE, "BROKER_DOWN", 0.001, outcome="not_written")
DENIED = rich_status(grpc.StatusCode.PERMISSION_DENIED, "PUBLISH_DENIED", outcome="not_written")


def each(error):
    """An answer in which every event failed so."""
    return lambda request: pb.PublishResponse(
        results=[pb.PublishResult(event_id=one.id, error=error) for one in request.events]
    )


def test_an_event_is_sent_as_it_was_given(bus, gateway):
    result = bus.publish(
        "order.created",
        {"order": {"id": "A-7"}},
        key="A-7",
        extensions={"tenant": "x"},
        headers={"h": b"\x00"},
        topic="orders",
    )

    request = gateway.published.get()
    (event,) = request.events
    assert request.topic == "orders"
    assert (event.type, event.data) == ("order.created", b'{"order":{"id":"A-7"}}')
    assert (event.content_type, event.key) == ("application/json", b"A-7")
    assert event.extensions == {"tenant": "x"}
    assert event.headers[0].value == b"\x00"
    assert result.event_id == event.id != ""
    assert result.positions == (sidebus.Position("orders", 1, 7),)


def test_an_event_may_be_given_as_a_whole(bus, gateway):
    bus.publish(sidebus.Event("order.created", None, id="1"))

    (event,) = gateway.published.get().events
    assert (event.id, event.HasField("data")) == ("1", False)


def test_an_event_needs_data_or_the_word_that_it_has_none(bus):
    with pytest.raises(TypeError, match="None publishes a tombstone"):
        bus.publish("order.created")
    with pytest.raises(TypeError, match="not both"):
        bus.publish(sidebus.Event("order.created", None), key="A-7")


def test_a_refusal_raises_with_all_that_is_known(bus, gateway):
    gateway.script(each(DENIED))

    with pytest.raises(sidebus.PublishError) as raised:
        bus.publish("order.created", b"", timeout=5)

    error = raised.value
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PUBLISH_DENIED")
    assert (error.outcome, error.retryable) == (sidebus.Outcome.NOT_WRITTEN, False)
    assert error.event_id == gateway.published.get().events[0].id


def test_a_refusal_with_retry_info_is_sent_again_with_the_same_id(bus, gateway):
    gateway.script(each(BUSY), BUSY)

    result = bus.publish("order.created", b"")

    sent = [gateway.published.get().events[0].id for _ in range(3)]
    assert set(sent) == {result.event_id}


def test_a_partial_outcome_says_where_the_event_is_and_is_not_sent_again(bus, gateway):
    partial = rich_status(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "DELIVERY_TIMEOUT",
        outcome="partial",
        failed_topics="audit",
        unknown_topics="audit",
    )
    position = event_pb2.Position(topic="orders", offset=3)
    gateway.script(
        lambda request: pb.PublishResponse(
            results=[pb.PublishResult(event_id="1", error=partial, positions=[position])]
        )
    )

    with pytest.raises(sidebus.PublishError) as raised:
        bus.publish("order.created", b"", id="1")

    assert raised.value.outcome is sidebus.Outcome.PARTIAL
    assert raised.value.positions == (sidebus.Position("orders", 0, 3),)
    assert (raised.value.failed_topics, raised.value.unknown_topics) == (["audit"], ["audit"])
    assert gateway.published.qsize() == 1


def test_no_answer_within_the_timeout_is_unknown(bus, gateway):
    answer_now = threading.Event()
    gateway.script(lambda request: answer_now.wait(20) and written(request))
    bus.wait_ready(PATIENCE)

    with pytest.raises(sidebus.PublishError) as raised:
        bus.publish("order.created", b"", timeout=0.4)
    answer_now.set()

    assert raised.value.outcome is sidebus.Outcome.UNKNOWN
    assert raised.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (raised.value.reason, raised.value.retryable) == ("", False)
    assert raised.value.event_id == gateway.published.get().events[0].id


def test_a_connection_that_breaks_under_the_call_leaves_the_outcome_unknown(bus, gateway):
    gone = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="Socket closed")
    gateway.script(gone)

    with pytest.raises(sidebus.PublishError) as raised:
        bus.publish("order.created", b"")

    assert raised.value.outcome is sidebus.Outcome.UNKNOWN
    assert gateway.published.qsize() == 1


def test_a_gateway_that_is_not_there_has_written_nothing(connect, tmp_path):
    bus = connect(f"unix:{tmp_path}/none")

    with pytest.raises(sidebus.PublishError) as raised:
        bus.publish("order.created", b"", timeout=0.5)

    assert raised.value.outcome is sidebus.Outcome.NOT_WRITTEN
    assert raised.value.code is grpc.StatusCode.UNAVAILABLE


def test_a_gateway_that_restarts_is_waited_for(connect, tmp_path):
    gateway = FakeGateway(f"unix:{tmp_path}/s")
    bus = connect(gateway.endpoint)
    late = threading.Timer(0.05, gateway.serve)
    late.start()

    assert bus.publish("order.created", b"").positions != ()

    late.join()
    gateway.stop()
    gateway.serve()

    assert bus.publish("order.created", b"").positions != ()

    gateway.stop()


def test_publish_many_tells_what_became_of_each(bus, gateway):
    def second_fails(request):
        response = written(request)
        response.results[1].error.CopyFrom(DENIED)
        return response

    gateway.script(second_fails)

    results = bus.publish_many([sidebus.Event("t", b"", id=str(i)) for i in range(3)])

    assert [result.ok for result in results] == [True, False, True]
    assert [result.event_id for result in results] == ["0", "1", "2"]
    assert results[1].error.reason == "PUBLISH_DENIED"


def test_publish_many_does_not_raise_when_the_call_fails(bus, gateway):
    gateway.script(rich_status(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING"))

    results = bus.publish_many([sidebus.Event("t", b""), sidebus.Event("t", b"")])

    assert [result.error.reason for result in results] == ["TOKEN_MISSING"] * 2


def test_publishing_nothing_is_no_error(bus, gateway):
    assert bus.publish_many([]) == []
    assert gateway.published.empty()
