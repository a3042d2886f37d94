"""`sidebus bench publish|subscribe`."""

import json

import pytest

ROUTES = {"load.sent": {"load": {"event_key_field": "", "enabled": True}}}


@pytest.fixture
def one(gateway, broker):
    one = gateway(ROUTES, broker)
    one.run("publish", "load.sent", "x")  # the producer's first contact is no part of a figure
    return one


def bench(one, *arguments):
    done = one.run("bench", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


SHORT = ["--seconds", "0.5", "--warmup", "0", "--in-flight", "4", "--batch", "50", "--size", "100"]


@pytest.mark.parametrize("mode", ["stream", "unary", "bulk"])
def test_publish_reports_rate_and_latency(one, mode):
    flags = [*SHORT, "--mode", mode]

    figures = json.loads(bench(one, "publish", "load.sent", *flags, "--output", "json"))

    assert figures["events"] > 0
    assert figures["bytes"] == figures["events"] * 100
    assert figures["events_per_second"] == pytest.approx(
        figures["events"] / figures["seconds"], rel=0.01
    )
    assert 0 < figures["latency_us"]["p50"] <= figures["latency_us"]["p99"]
    assert figures["errors"] == {}


def test_the_text_says_the_same(one):
    text = bench(one, "publish", "load.sent", *SHORT)

    assert "events/s" in text
    assert "p99" in text


def test_subscribe_receives_what_it_was_asked_for_and_acks_it(one, group):
    one.run("publish", "load.sent", "x", "--count", "499")
    flags = ["--group", group, "--events", "500"]

    figures = json.loads(bench(one, "subscribe", "load.sent", *flags, "--output", "json"))

    assert figures["events"] == 500
    assert figures["errors"] == {}
    rest = one.run("subscribe", "load.sent", "--group", group, "--exit-when-idle", "500ms")
    assert rest.stdout == ""


def test_subscribe_can_take_its_time_for_each_event(one, group):
    one.run("publish", "load.sent", "x", "--count", "19")
    flags = ["--group", group, "--events", "20", "--window", "1", "--work", "20ms"]

    figures = json.loads(bench(one, "subscribe", "load.sent", *flags, "--output", "json"))

    assert figures["events"] == 20
    assert figures["seconds"] >= 19 * 0.02


def test_failures_are_counted_and_the_exit_code_says_so(one):
    done = one.run("bench", "publish", "no.such.type", *SHORT, "--output", "json")

    assert json.loads(done.stdout)["errors"].keys() == {"EVENT_TYPE_UNKNOWN"}
    assert done.returncode == 1
