import logging
import os
import signal
import threading

import grpc
import pytest
import sidebus
from django.core.management import call_command
from fake_gateway import PATIENCE, rich_status
from openedx_events.content_authoring.signals import XBLOCK_PUBLISHED
from openedx_events.event_bus import make_single_consumer
from receiving import Consuming, deliver, foreign, published, receivers, until_half_closed
from samples import BLOCK, ID, METADATA, xblock
from sidebus.v1 import event_bus_pb2 as pb
from sidebus_openedx import SidebusEventConsumer

DENIED = rich_status(grpc.StatusCode.PERMISSION_DENIED, "SUBSCRIBE_DENIED")


@pytest.fixture
def consuming(gateway, endpoint):
    """Starts consumers; those that a test leaves running end with it."""
    made = []

    def start(**options):
        made.append(Consuming(gateway, **options))
        return made[-1]

    yield start
    for one in made:
        one.stream.end(DENIED)
        one.join()


@pytest.fixture
def got():
    """The calls of a receiver that succeeds."""
    calls = []

    def receive(**arguments):
        calls.append(arguments)

    with receivers(XBLOCK_PUBLISHED, receive):
        yield calls


def fail(**_):
    raise ValueError("no such block")


# --- what it asks for -----------------------------------------------------------------------------


def test_the_loader_of_openedx_events_takes_it(endpoint):
    assert isinstance(make_single_consumer(topic="t", group_id="g"), SidebusEventConsumer)


def test_every_event_type_of_the_topic_is_subscribed_from_the_latest_on(consuming):
    start = consuming().start

    assert (start.group, start.topics, start.event_types) == ("search", ["xblocks"], [])
    assert start.start_from.latest
    assert start.retry.max_attempts == 3
    assert start.data_format == pb.DATA_FORMAT_JSON
    assert start.window.events == 10


def test_extra_arguments_say_more(consuming):
    start = consuming(
        topics=["other", "xblocks"],
        event_types=["a.v1", "b.v1"],
        start_from="1970-01-02T00:00:00+00:00",
        max_attempts=2,
        consumer_name="aspects",
    ).start

    assert start.topics == ["xblocks", "other"]
    assert start.event_types == ["a.v1", "b.v1"]
    assert start.start_from.time.seconds == 86_400
    assert (start.retry.max_attempts, start.member) == (2, "aspects")


def test_settings_say_more(consuming, override):
    override(
        EVENT_BUS_SIDEBUS_START_FROM="earliest",
        EVENT_BUS_SIDEBUS_MAX_ATTEMPTS=1,
        EVENT_BUS_SIDEBUS_WINDOW=2,
    )

    start = consuming().start

    assert start.start_from.earliest
    assert (start.retry.max_attempts, start.window.events) == (1, 2)


# --- settling -------------------------------------------------------------------------------------


def test_an_event_is_acked_when_all_receivers_succeeded(consuming, got):
    one = consuming()
    one.deliver(published())

    assert one.stream.acks(1) == [1]
    (call,) = got
    assert call["xblock_info"] == xblock()
    assert call["metadata"] == METADATA
    assert call["from_event_bus"] is True


def test_an_event_without_receivers_is_acked(consuming):
    one = consuming()
    one.deliver(published())

    assert one.stream.acks(1) == [1]


def test_an_event_is_nacked_with_the_reason_when_a_receiver_raised(consuming, got, caplog):
    one = consuming()
    with receivers(XBLOCK_PUBLISHED, fail):
        one.deliver(published())
        nack = one.nack()

    assert nack.action == pb.Nack.ACTION_RETRY
    assert nack.reason == "1 of 2 receivers raised: test_consumer.fail: ValueError: no such block"
    assert not nack.not_counted
    assert len(got) == 1  # the others did run
    assert "offset=7" in caplog.text
    assert BLOCK not in "".join(
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("sidebus_openedx")
    )


def test_with_debug_the_first_exception_is_the_reason(consuming, override):
    override(DEBUG=True)  # then openedx-events does not catch what receivers raise
    one = consuming()
    with receivers(XBLOCK_PUBLISHED, fail):
        one.deliver(published())
        nack = one.nack()

    assert (nack.action, nack.reason) == (pb.Nack.ACTION_RETRY, "ValueError: no such block")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (foreign("org.example.unknown.v1"), "no such event type"),
        (foreign(data=None), "no data"),
        (foreign(data=b"{}"), "no xblock_info"),
    ],
)
def test_an_event_that_this_service_cannot_read_is_rejected(consuming, event, reason):
    one = consuming()
    one.deliver(event)

    nack = one.nack()

    assert nack.action == pb.Nack.ACTION_REJECT
    assert reason in nack.reason


def test_an_event_waits_while_the_database_is_away(consuming, monkeypatch, got):
    def not_ready():
        raise ConnectionError("no database")

    monkeypatch.setattr("sidebus_openedx._event_handler.prepare_for_new_work_cycle", not_ready)
    one = consuming()
    one.deliver(published())

    nack = one.nack()

    assert (nack.action, nack.not_counted, nack.delay.seconds) == (pb.Nack.ACTION_RETRY, True, 5)
    assert got == []


def test_the_service_is_prepared_before_each_event(consuming, monkeypatch, got):
    order = []
    monkeypatch.setattr(
        "sidebus_openedx._event_handler.prepare_for_new_work_cycle", lambda: order.append(len(got))
    )
    one = consuming()
    one.deliver(published(), published())

    assert one.stream.acks(2) == [1, 2]
    assert order == [0, 1]


def test_the_lease_is_extended_while_receivers_run(consuming):
    finish = threading.Event()

    def slow(**_):
        finish.wait(PATIENCE)

    one = consuming(lease=0.05)
    with receivers(XBLOCK_PUBLISHED, slow):
        one.deliver(published())
        for _ in range(3):
            one.stream.next_that(lambda message: message.extend)
        finish.set()
        assert one.stream.acks(1) == [1]


def test_a_consumed_event_is_not_published_again(gateway, consuming, override):
    from openedx_events.apps import general_signal_handler

    routes = {"xblocks": {"event_key_field": "", "enabled": True}}
    override(EVENT_BUS_PRODUCER_CONFIG={XBLOCK_PUBLISHED.event_type: routes})
    one = consuming()
    with receivers(XBLOCK_PUBLISHED, general_signal_handler):
        one.deliver(published())
        assert one.stream.acks(1) == [1]

    assert gateway.published.empty()


def test_what_was_received_and_processed_are_audit_lines_without_data(consuming, got, caplog):
    caplog.set_level(logging.INFO, "sidebus_openedx._event_handler")
    one = consuming()
    one.deliver(published())
    one.stream.acks(1)

    lines = [r.getMessage() for r in caplog.records if r.name == "sidebus_openedx._event_handler"]
    assert [line.split(":")[0] for line in lines] == ["Event received", "Event processed"]
    assert all(str(ID) in line and "partition=1, offset=7" in line for line in lines)
    assert not any(BLOCK in line for line in lines)


# --- ending ---------------------------------------------------------------------------------------


def test_what_will_not_pass_ends_it_with_exit_code_1(consuming, caplog):
    one = consuming()
    one.stream.end(DENIED)
    one.join()

    assert isinstance(one.exit, SystemExit)
    assert one.exit.code == 1
    assert "SUBSCRIBE_DENIED" in caplog.text


def test_a_lost_connection_is_made_again(gateway, consuming, got):
    one = consuming()
    one.stream.end(rich_status(grpc.StatusCode.UNAVAILABLE, "DRAINING", 0.001))

    one.stream = gateway.subscribe()
    one.stream.start()
    one.deliver(published())

    assert one.stream.acks(1) == [1]


@pytest.mark.parametrize(
    ("group", "extra", "said"),
    [
        ("g", {"offset_time": "2026-01-01T00:00:00Z"}, "sidebus seek"),
        ("g", {"last_read_msg_id": "1-0"}, "sidebus seek"),
        ("g", {"surprise": 1}, "unknown argument surprise"),
        ("g", {"topics": "xblocks"}, "list of names"),
        ("g", {"topics": 7}, "list of names"),
        ("g", {"topics": [7]}, "list of names"),
        ("g", {"event_types": {"a.v1": 1}}, "list of names"),
        ("g", {"consumer_name": 7}, "must be a text"),
        ("g", {"start_from": "2026-01-01"}, "time zone"),
        ("g", {"start_from": 7}, "time zone"),
        ("g", {"max_attempts": 0}, "1 or more"),
        ("", {}, "group_id is empty"),
    ],
)
def test_bad_arguments_are_told_when_it_consumes(endpoint, caplog, group, extra, said):
    consumer = SidebusEventConsumer("t", group, **extra)

    with pytest.raises(SystemExit) as ended:
        consumer.consume_indefinitely()

    assert ended.value.code == 1
    assert said in caplog.text


def test_a_wrong_setting_ends_it_with_exit_code_1(override):
    override(EVENT_BUS_SIDEBUS_ENDPOINT="nowhere")

    with pytest.raises(SystemExit):
        SidebusEventConsumer("t", "g").consume_indefinitely()


@pytest.mark.parametrize("name", ["check_backlog", "claim_msgs_older_than"])
def test_what_stock_consumers_are_told_and_has_no_meaning_here_is_ignored(consuming, name):
    assert consuming(**{name: 1}).start.group == "search"


def test_a_consumer_that_is_switched_off_returns(endpoint, override, caplog):
    override(EVENT_BUS_SIDEBUS_CONSUMERS_ENABLED=False)

    SidebusEventConsumer("t", "g").consume_indefinitely()

    assert "EVENT_BUS_SIDEBUS_CONSUMERS_ENABLED" in caplog.text


# --- the main thread ------------------------------------------------------------------------------


def in_background(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_sigterm_lets_the_receivers_end_acks_and_returns_what_waits(gateway, endpoint, got):
    said = []

    def terminate(**_):
        os.kill(os.getpid(), signal.SIGTERM)

    def play():
        stream = gateway.subscribe()
        stream.start()
        deliver(stream, published(), published())
        said.extend(until_half_closed(stream))
        stream.end()

    before = signal.getsignal(signal.SIGTERM)
    playing = in_background(play)
    with receivers(XBLOCK_PUBLISHED, terminate):
        call_command("consume_events", topic=["xblocks"], group_id=["search"])
    playing.join(PATIENCE)

    assert [id for message in said for id in message.ack] == [1]
    assert not any(message.nack for message in said)
    assert len(got) == 1
    assert signal.getsignal(signal.SIGTERM) is before


class OnRecord(logging.Handler):
    """Calls a function, in a thread of its own, at the first record that begins so."""

    def __init__(self, beginning, function):
        super().__init__(logging.INFO)
        self._beginning, self._function = beginning, function

    def emit(self, record):
        if record.getMessage().startswith(self._beginning) and self._function:
            in_background(self._function)
            self._function = None


def test_sigterm_ends_a_consumer_that_waits_for_a_gateway(override, caplog):
    override(EVENT_BUS_SIDEBUS_ENDPOINT="unix:/nonexistent/socket")
    logger = logging.getLogger("sidebus_openedx._consumer")
    caplog.set_level(logging.INFO, logger.name)
    terminate = OnRecord("Consuming: ", lambda: os.kill(os.getpid(), signal.SIGTERM))
    logger.addHandler(terminate)

    try:
        SidebusEventConsumer("t", "g").consume_indefinitely()
    finally:
        logger.removeHandler(terminate)

    assert "Consuming ended, as asked" in caplog.text


def test_consume_events_exits_with_1_when_consuming_failed(gateway, endpoint):
    def play():
        gateway.subscribe().end(DENIED)

    in_background(play)

    with pytest.raises(SystemExit) as ended:
        call_command("consume_events", topic=["xblocks"], group_id=["search"])
    assert ended.value.code == 1


def test_consume_events_passes_extra_arguments_on(gateway, endpoint):
    starts = []

    def play():
        stream = gateway.subscribe()
        starts.append(stream.start())
        stream.end(DENIED)

    in_background(play)
    with pytest.raises(SystemExit):
        call_command(
            "consume_events",
            topic=["a"],
            group_id=["g"],
            extra='{"topics": ["b"], "max_attempts": 1}',
        )

    (start,) = starts
    assert (start.topics, start.retry.max_attempts) == (["a", "b"], 1)
    assert sidebus.StartFrom.latest().proto == start.start_from
