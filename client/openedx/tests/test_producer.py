import json
import logging
import threading
import time

import grpc
import pytest
from fake_gateway import PATIENCE, rich_status
from openedx_events.content_authoring.signals import XBLOCK_PUBLISHED
from openedx_events.event_bus import get_producer
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
from samples import BLOCK, ID, METADATA, sent
from sidebus_openedx import SidebusEventProducer, create_producer

PUBLISHER = "sidebus_openedx._producer"
ROUTES = {XBLOCK_PUBLISHED.event_type: {"xblocks": {"event_key_field": "", "enabled": True}}}


def errors(caplog):
    return [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_the_loader_of_openedx_events_takes_it(endpoint):
    assert isinstance(get_producer(), SidebusEventProducer)


def test_an_event_goes_to_the_topic_of_the_call_with_data_metadata_and_schema(gateway, endpoint):
    create_producer().send(**sent())

    request = gateway.published.get_nowait()
    (event,) = request.events
    assert request.topic == "xblocks"
    assert (event.type, event.id) == (XBLOCK_PUBLISHED.event_type, str(ID))
    assert event.source == "openedx/cms/web"
    assert event.time.ToNanoseconds() == int(METADATA.time.timestamp()) * 10**9 + 678_901_000
    assert dict(event.extensions) == {"minorversion": "3"}
    headers = [(one.name, one.value) for one in event.headers]
    assert headers == [("sourcehost", b"cms-1"), ("sourcelib", b"11.2.0")]
    assert event.content_type == "application/json"
    assert json.loads(event.data) == {
        "xblock_info": {"usage_key": BLOCK, "block_type": "video", "version": None}
    }
    assert event.schema == AvroSignalSerializer(XBLOCK_PUBLISHED).schema_string()


def test_the_key_is_left_to_the_gateway(gateway, endpoint):
    create_producer().send(**sent())

    assert not gateway.published.get_nowait().events[0].HasField("key")


def test_a_published_event_is_an_audit_line_with_ids_and_no_data(gateway, endpoint, caplog):
    caplog.set_level(logging.INFO, PUBLISHER)

    create_producer().send(**sent())

    (line,) = [one.getMessage() for one in caplog.records if one.name == PUBLISHER]
    assert "topic=orders, partition=1, offset=7" in line
    assert str(ID) in line
    assert BLOCK not in line


def test_audit_lines_can_be_switched_off(gateway, endpoint, override, caplog):
    caplog.set_level(logging.INFO, PUBLISHER)
    override(EVENT_BUS_SIDEBUS_AUDIT_LOGGING_ENABLED=False)

    create_producer().send(**sent())

    assert [one for one in caplog.records if one.name == PUBLISHER] == []


def test_a_refused_event_is_logged_with_all_that_is_needed_to_send_it_again(
    gateway, endpoint, caplog
):
    gateway.script(rich_status(grpc.StatusCode.FAILED_PRECONDITION, "TOPIC_MISSING"))

    create_producer().send(**sent())

    (record,) = errors(caplog)
    line = record.getMessage()
    assert "TOPIC_MISSING" in line
    assert "outcome=not_written" in line
    assert "topic=xblocks, event_key_field=xblock_info.usage_key" in line
    assert f"signal={XBLOCK_PUBLISHED!r}" in line
    assert f"event_data={sent()['event_data']!r}" in line
    assert f"event_metadata={METADATA!r}" in line
    assert f'"usage_key": "{BLOCK}"' in line
    assert f"event_metadata_as_json={METADATA.to_json()}" in line
    assert record.exc_info


def test_an_outcome_that_nobody_knows_is_logged_as_unknown(gateway, endpoint, caplog):
    gateway.script(
        rich_status(grpc.StatusCode.DEADLINE_EXCEEDED, "DELIVERY_TIMEOUT", outcome="unknown")
    )

    create_producer().send(**sent())

    assert "outcome=unknown" in errors(caplog)[0].getMessage()


def test_what_the_gateway_wants_to_have_again_is_sent_again(gateway, endpoint, caplog):
    gateway.script(rich_status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_RATE", 0.001))

    create_producer().send(**sent())

    assert errors(caplog) == []
    assert gateway.published.qsize() == 2


@pytest.mark.parametrize(
    "bad",
    [
        {"event_data": {"xblock_info": object()}},
        {"event_metadata": None},
        {"signal": None},
    ],
)
def test_what_cannot_be_serialised_is_logged_and_raises_nothing(gateway, endpoint, caplog, bad):
    create_producer().send(**sent(**bad))

    assert len(errors(caplog)) == 1
    assert gateway.published.empty()


def test_an_event_whose_repr_raises_is_logged_too(gateway, endpoint, caplog):
    class Broken:
        def __repr__(self):
            raise RuntimeError

    create_producer().send(**sent(event_data={"xblock_info": Broken()}))

    assert "event_data=None" in errors(caplog)[0].getMessage()


@pytest.mark.parametrize(
    "wrong",
    [
        {"EVENT_BUS_SIDEBUS_ENDPOINT": "nowhere"},
        {"EVENT_BUS_SIDEBUS_TIMEOUT": "5"},
        {"EVENT_BUS_SIDEBUS_TIMEOUT": 0},
        {"EVENT_BUS_SIDEBUS_ON_COMMIT": 1},
    ],
)
def test_a_wrong_setting_is_logged_for_each_event_and_raises_nothing(override, caplog, wrong):
    override(**wrong)

    create_producer().send(**sent())

    assert len(errors(caplog)) == 1


# --- time -----------------------------------------------------------------------------------------


def test_no_gateway_is_needed_to_make_a_producer(override):
    override(EVENT_BUS_SIDEBUS_ENDPOINT="unix:/nonexistent/socket")

    assert isinstance(create_producer(), SidebusEventProducer)


def test_a_gateway_that_is_away_costs_the_time_out_and_no_more(override, caplog):
    override(EVENT_BUS_SIDEBUS_ENDPOINT="unix:/nonexistent/socket", EVENT_BUS_SIDEBUS_TIMEOUT=0.3)
    begun = time.monotonic()

    create_producer().send(**sent())

    assert time.monotonic() - begun < 3
    assert "outcome=not_written" in errors(caplog)[0].getMessage()


def test_a_gateway_that_does_not_answer_costs_the_time_out_and_no_more(
    gateway, endpoint, override, caplog
):
    override(EVENT_BUS_SIDEBUS_TIMEOUT=0.3)
    is_over = threading.Event()
    gateway.script(lambda request: is_over.wait(PATIENCE))
    begun = time.monotonic()

    create_producer().send(**sent())

    assert time.monotonic() - begun < 3
    assert "outcome=unknown" in errors(caplog)[0].getMessage()
    is_over.set()


def test_a_gateway_that_comes_within_the_time_out_gets_the_event(gateway, endpoint, caplog):
    gateway.stop()
    back = threading.Timer(0.2, gateway.serve)
    back.start()

    create_producer().send(**sent())

    back.join()
    assert errors(caplog) == []
    assert gateway.published.qsize() == 1


# --- through Django -------------------------------------------------------------------------------


@pytest.fixture
def connected(endpoint, override):
    """The signal is connected to the bus, as openedx-events does it when Django starts."""
    from openedx_events.apps import general_signal_handler

    override(EVENT_BUS_PRODUCER_CONFIG=ROUTES)
    XBLOCK_PUBLISHED.connect(general_signal_handler)
    yield
    XBLOCK_PUBLISHED.disconnect(general_signal_handler)


def test_a_sent_signal_is_published(gateway, connected):
    XBLOCK_PUBLISHED.send_event(**sent()["event_data"])

    (event,) = gateway.published.get_nowait().events
    assert event.source == "openedx/lms/web"


def test_the_sender_of_a_signal_never_sees_an_error(gateway, connected, override):
    override(DEBUG=True)  # then receivers' exceptions are not caught
    gateway.script(rich_status(grpc.StatusCode.NOT_FOUND, "EVENT_TYPE_UNKNOWN"))

    ((_, response),) = XBLOCK_PUBLISHED.send_event(**sent()["event_data"])

    assert response is None


def test_a_signal_that_came_from_the_bus_is_not_published_again(gateway, connected):
    XBLOCK_PUBLISHED.send_event_with_custom_metadata(METADATA, **sent()["event_data"])

    assert gateway.published.empty()
