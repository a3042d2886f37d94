from datetime import UTC, datetime, timedelta, timezone

import pytest
from sidebus import Event, Header
from sidebus.events import event_from_proto, event_to_proto


@pytest.mark.parametrize(
    ("data", "encoded", "content_type"),
    [
        (b"\x00\xff", b"\x00\xff", ""),
        (bytearray(b"a"), b"a", ""),
        (memoryview(b"a"), b"a", ""),
        ("é", "é".encode(), "text/plain; charset=utf-8"),
        ({"a": "é"}, '{"a":"é"}'.encode(), "application/json"),
        ([1, None], b"[1,null]", "application/json"),
        ((), b"[]", "application/json"),
        (b"", b"", ""),
        (None, None, ""),
    ],
)
def test_data_becomes_bytes_and_a_content_type(data, encoded, content_type):
    event = Event("t", data)

    assert (event.data, event.content_type) == (encoded, content_type)


@pytest.mark.parametrize("data", [1, 1.5, True, {1, 2}, object()])
def test_data_of_another_kind_is_refused(data):
    with pytest.raises(TypeError, match="give bytes, str, a dict or list"):
        Event("t", data)


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError):
        Event("t", {"a": float("nan")})


def test_a_content_type_that_is_given_is_kept():
    assert (
        Event("t", '{"a": 1}', content_type="application/json").content_type == "application/json"
    )


def test_an_event_survives_the_wire():
    event = Event(
        "order.created",
        {"order": {"id": "A-7"}},
        id="1",
        source="/orders",
        subject="A-7",
        time=datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC),
        key="A-7",
        data_schema="urn:schema",
        extensions={"tenant": "x"},
        headers=[("h", b"\x00"), ("h", "é"), ("null", None)],
        schema="{}",
    )

    assert event_from_proto(event_to_proto(event, event.id)) == event
    assert event.headers == [Header("h", b"\x00"), Header("h", "é".encode()), Header("null", None)]
    assert event.header("h") == "é".encode()
    assert event.header("absent") is None
    assert event.json() == {"order": {"id": "A-7"}}


def test_absent_and_empty_data_and_keys_are_not_the_same():
    absent, empty = Event("t", None), Event("t", b"", key=b"")

    for event in (absent, empty):
        assert event_from_proto(event_to_proto(event, "")) == event
    assert absent.is_tombstone and not empty.is_tombstone
    assert not event_to_proto(absent, "").HasField("key")
    assert event_to_proto(empty, "").HasField("key")


def test_a_tombstone_has_neither_json_nor_text():
    with pytest.raises(ValueError, match="tombstone"):
        Event("t", None).json()
    with pytest.raises(ValueError, match="tombstone"):
        Event("t", None).text()


def test_headers_may_be_a_mapping():
    assert Event("t", None, headers={"a": "1"}).headers == [Header("a", b"1")]


def test_a_time_is_sent_in_utc():
    plus_two = timezone(timedelta(hours=2))

    proto = event_to_proto(Event("t", None, time=datetime(1970, 1, 1, 3, tzinfo=plus_two)), "")

    assert (proto.time.seconds, proto.time.nanos) == (3600, 0)


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        Event("t", None, time=datetime(2026, 1, 1))
