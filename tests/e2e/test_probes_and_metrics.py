"""/livez, /readyz, /startupz and /metrics; the metrics say what the clients saw."""

import gzip
import http.client
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway import http_get
from google.protobuf.duration_pb2 import Duration
from metrics_page import documented
from prometheus import Metrics
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event
from waiting import eventually

ROUTES = {
    "order.created": {"orders": {"event_key_field": "", "enabled": True}},
    "order.paid": {"orders": {"event_key_field": "", "enabled": True}},
    "order.keyed": {"keyed": {"event_key_field": "id", "enabled": True}},
}
PROBES = ["/livez", "/readyz", "/startupz"]


def request_bytes(address, method, path, headers=None):
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def request(*args):
    status, headers, body = request_bytes(*args)
    return status, headers, body.decode()


# --- probes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PROBES)
def test_a_gateway_that_is_ready_says_ok(gateway, broker, path):
    assert gateway(ROUTES, broker).get(path) == (200, "ok\n")


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_can_say_why(gateway, path):
    status, text = gateway(ROUTES, "embedded").get(f"{path}?verbose")

    assert status == 200
    assert re.search(r"^\[\+\] \w+", text, re.MULTILINE)


def test_probes_can_have_an_address_of_their_own(gateway, free_address):
    one = gateway(ROUTES, "embedded", probes=free_address)

    for path in PROBES:
        assert http_get(f"http://{free_address}{path}") == (200, "ok\n")
    assert http_get(f"http://{free_address}/metrics")[0] == 404
    assert one.get("/metrics")[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/nope", "/metrics/", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/livez/../x"],
)
def test_any_other_page_is_not_there(gateway, path):
    one = gateway(ROUTES, "embedded")

    status, _, body = request(one.ready["admin"], "GET", path)

    assert status in (400, 404)
    assert "root:" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pages_can_only_be_read(gateway, method):
    one = gateway(ROUTES, "embedded")

    for path in [*PROBES, "/metrics"]:
        assert request(one.ready["admin"], method, path)[0] == 405


def test_a_huge_url_is_refused(gateway):
    one = gateway(ROUTES, "embedded")

    assert request(one.ready["admin"], "GET", "/" + "x" * 100_000)[0] in (400, 404, 413, 414)
    assert one.get("/livez")[0] == 200


def test_probes_answer_while_many_scrape(gateway, free_address):
    one = gateway(ROUTES, "embedded", probes=free_address)

    with ThreadPoolExecutor(20) as pool:
        scrapes = [pool.submit(one.get, "/metrics") for _ in range(200)]
        started = time.monotonic()
        assert http_get(f"http://{free_address}/livez")[0] == 200
        took = time.monotonic() - started
        assert {scrape.result()[0] for scrape in scrapes} == {200}

    assert took < 2


# --- metrics --------------------------------------------------------------------------------------


def test_metrics_are_prometheus_text(gateway):
    one = gateway(ROUTES, "embedded")

    status, headers, text = request(one.ready["admin"], "GET", "/metrics")

    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE)
    assert len(families) == len(dict(families))
    assert {name for name, _ in families} == set(
        re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE)
    )
    for name, kind in families:
        assert name.endswith("_total") == (kind == "counter"), name


def test_the_process_and_the_build_are_told(gateway):
    one = gateway(ROUTES, "embedded")
    metrics = Metrics.of(one)

    assert metrics.value("sidebus_build_info", version=one.ready["version"]) == 1
    assert metrics.value("sidebus_ready") == 1
    assert abs(metrics.value("process_start_time_seconds") - time.time()) < 60
    assert metrics.value("process_resident_memory_bytes") > 1e6
    for name in ("process_cpu_seconds_total", "process_open_fds", "process_threads"):
        assert name in metrics.names()


def test_metrics_of_publishing_say_what_the_caller_was_told(gateway, connect):
    one = gateway(ROUTES)
    bus = connect(one)
    good = [Event(type="order.created", data=bytes(100)) for _ in range(30)]
    good += [Event(type="order.paid", data=bytes(7)) for _ in range(5)]
    bus.must_publish(*good[:20])
    bus.must_publish(*good[20:])
    bus.publish(
        Event(type="order.created", data=bytes(2_000_000)),
        Event(type="order.keyed", data=b"{}"),
        Event(type="order.keyed", data=b"no JSON"),
        Event(type="order.created", headers=[{"name": "ce_id"}]),
        *[Event(type=f"unknown.{n}") for n in range(50)],
    )
    list(bus.publish_stream(iter([api.PublishStreamRequest(events=good[:10])])))

    metrics = Metrics.of(one)
    outcomes = {
        (labels["event_type"], labels["outcome"]): value
        for name, labels, value in metrics.samples
        if name == "sidebus_published_events_total" and value
    }
    assert outcomes == {
        ("order.created", "ok"): 40,
        ("order.paid", "ok"): 5,
        ("order.created", "event_too_large"): 1,
        ("order.created", "event_invalid"): 1,
        ("order.keyed", "key_field_missing"): 1,
        ("order.keyed", "event_invalid"): 1,
        ("_unknown", "event_type_unknown"): 50,
    }
    assert metrics.value("sidebus_publish_bytes_total", event_type="order.created") == 4000
    assert metrics.value("sidebus_publish_bytes_total", event_type="order.paid") == 35
    duration = "sidebus_publish_duration_seconds_count"
    assert metrics.value(duration, event_type="order.created") == 40
    assert metrics.value("sidebus_publish_event_size_bytes_count", event_type="order.paid") == 5
    assert metrics.value("sidebus_publish_inflight_events") == 0
    assert metrics.value("sidebus_publish_inflight_bytes") == 0
    assert metrics.value("sidebus_memory_budget_used_bytes", part="publish") == 0
    calls = {"grpc_service": "sidebus.v1.EventBus", "grpc_method": "Publish"}
    assert metrics.value("grpc_server_started_total", **calls) == 3
    assert metrics.value("grpc_server_handled_total", grpc_code="OK", **calls) == 3
    assert metrics.value("grpc_server_handling_seconds_count", **calls) == 3
    assert metrics.value("grpc_server_started_total", grpc_method="PublishStream") == 1
    assert metrics.value("sidebus_kafka_broker_connected", client="producer", broker="any") == 1
    assert metrics.value("sidebus_connections") == 1


def test_metrics_of_subscribing_say_what_the_subscriber_did(gateway, connect, cluster, group):
    one = gateway(ROUTES)
    bus = connect(one)
    names = [f"{n}" for n in range(40)]
    bus.must_publish(*[Event(type="order.created", id=name, data=b"x") for name in names])
    bus.must_publish(*[Event(type="order.paid") for _ in range(3)])
    retry = api.RetryPolicy(min_backoff=Duration(nanos=10_000_000))
    stream = bus.subscribe(group, "order.created", retry=retry)
    first = stream.take(40)

    def value(name, **labels):
        return Metrics.of(one).value(name, group=group, **labels)

    assert value("sidebus_subscriptions") == 1
    assert value("sidebus_subscribe_streams") == 1
    assert value("sidebus_unsettled_events") == 40
    assert value("sidebus_oldest_unsettled_age_seconds") > 0
    assert value("sidebus_consumer_lag_seconds", topic="orders") > 0
    assert value("sidebus_assigned_partitions", topic="orders") == 3
    for delivery in first[:5]:
        stream.nack(delivery)
    again = stream.take(5)
    stream.ack(*first[5:], *again[:4])
    stream.nack(again[4], action=api.Nack.ACTION_SKIP)

    eventually(lambda: value("sidebus_unsettled_events") == 0, "everything settled")
    topic = f"{one.prefix}-orders"
    eventually(lambda: cluster.committed(group, topic) == cluster.ends(topic), "commits")
    eventually(lambda: value("sidebus_consumer_lag_events", topic="orders") == 0, "no lag")
    assert value("sidebus_consumer_lag_seconds", topic="orders") == 0
    metrics = Metrics.of(one)
    created = {"group": group, "event_type": "order.created"}
    assert metrics.value("sidebus_deliveries_total", redelivery="false", **created) == 40
    assert metrics.value("sidebus_deliveries_total", redelivery="true", **created) == 5
    assert metrics.value("sidebus_settled_events_total", result="ack", **created) == 39
    assert metrics.value("sidebus_settled_events_total", result="skip", **created) == 1
    assert metrics.value("sidebus_returned_deliveries_total", why="nack", **created) == 5
    paid = {"group": group, "event_type": "order.paid"}
    assert metrics.value("sidebus_unwanted_events_total", **paid) == 3
    assert metrics.value("sidebus_settled_events_total", result="unwanted", **paid) == 3
    assert metrics.value("sidebus_processing_duration_seconds_count", **created) == 39
    assert metrics.value("sidebus_event_age_seconds_count", **created) == 40
    assert metrics.value("sidebus_oldest_unsettled_age_seconds", group=group) == 0
    assert metrics.value("sidebus_offset_commits_total", group=group, result="ok") > 0
    assert metrics.value("sidebus_offset_commits_total", group=group, result="error") == 0
    commit = metrics.value("sidebus_last_commit_timestamp_seconds", group=group)
    assert abs(commit - time.time()) < 60
    assert metrics.value("sidebus_rebalances_total", group=group, kind="assign") == 1

    stream.drain()
    stream.end()
    eventually(lambda: value("sidebus_subscriptions") == 0, "the end of the subscription")
    assert value("sidebus_subscribe_streams") == 0
    assert value("sidebus_assigned_partitions") == 0


def test_a_commit_is_told_although_nobody_scraped_while_it_was_made(
    gateway, connect, cluster, group
):
    one = gateway(ROUTES)
    bus = connect(one)
    bus.must_publish(Event(type="order.created"))
    stream = bus.subscribe(group, "order.created")
    stream.ack(*stream.take(1))
    stream.drain()
    stream.end()

    eventually(lambda: cluster.members(group) == 0, "the end of the subscription")
    commit = Metrics.of(one).value("sidebus_last_commit_timestamp_seconds", group=group)
    assert abs(commit - time.time()) < 60


@pytest.mark.parametrize("client", ["producer", "consumer"])
def test_what_librdkafka_says_of_its_clients_is_told(gateway, connect, group, client):
    one = gateway(ROUTES)
    bus = connect(one)
    bus.must_publish(Event(type="order.created"))
    stream = bus.subscribe(group, "order.created")
    stream.ack(*stream.take(1))

    def value(name, **labels):
        return Metrics.of(one).value(name, client=client, **labels)

    eventually(lambda: value("sidebus_kafka_rtt_p99_seconds") > 0, "librdkafka's first figures")
    assert value("sidebus_kafka_requests_total") > 0
    assert value("sidebus_kafka_broker_connected", broker="1") == 1
    assert value("sidebus_kafka_request_errors_total", kind="timeout") == 0
    assert value("sidebus_kafka_throttle_max_seconds") == 0


def test_the_page_about_metrics_says_what_is_exposed(gateway, connect, group):
    one = gateway(ROUTES)
    bus = connect(one)
    bus.must_publish(Event(type="order.created"))
    bus.publish(Event(type="bogus"))
    stream = bus.subscribe(group, "order.created")
    (delivery,) = stream.take(1)
    stream.nack(delivery, action=api.Nack.ACTION_REJECT)
    count = "sidebus_dead_lettered_events_total"
    eventually(lambda: Metrics.of(one).value(count) == 1, "the dead letter")
    eventually(lambda: Metrics.of(one).value("sidebus_kafka_requests_total") > 0, "its figures")

    metrics = Metrics.of(one)

    rows = {row.name: row for row in documented()}
    assert metrics.types == {name: rows[name].type for name in metrics.types}
    found = {name: metrics.labels_of(name) for name in metrics.types}
    assert found == {name: {rows[name].labels} for name in metrics.types}
    assert {row.name for row in rows.values() if row.is_always_there} <= metrics.types.keys()


def test_a_scrape_with_gzip_has_the_same_in_a_sixth_of_the_bytes(gateway):
    one = gateway(ROUTES, "embedded")

    status, headers, packed = request_bytes(
        one.ready["admin"], "GET", "/metrics", {"Accept-Encoding": "gzip"}
    )
    _, _, plain = request_bytes(one.ready["admin"], "GET", "/metrics")

    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    same = [Metrics(text.decode()) for text in (gzip.decompress(packed), plain)]
    assert same[0].names() == same[1].names()
    assert len(packed) < len(plain) / 6


def test_names_that_clients_make_up_add_no_series(gateway, connect, prefix):
    one = gateway(ROUTES, "embedded")
    bus = connect(one)
    bus.must_publish(Event(type="order.created"))
    bus.publish(Event(type="bogus"))
    before = len(Metrics.of(one).samples)

    for hundred in range(10):
        bus.publish(*[Event(type=f"bogus.{hundred}.{n}") for n in range(1000)])
    for n in range(20):
        bus.subscribe(f"{prefix}.{n}", f"bogus.{n}").end()
        bus.subscribe(f"{prefix}.{n}", "order.created", topics=[f"bogus{n}"]).end()
        bus.call(f"/bogus.Service{n}/Method{n}")

    assert len(Metrics.of(one).samples) <= before + 5


def test_groups_beyond_the_limit_share_a_label(gateway, connect, prefix):
    one = gateway(ROUTES, "embedded", metrics={"max_groups": 2})
    bus = connect(one)
    streams = []
    for n in range(4):  # one after the other: the first two get labels
        streams.append(bus.subscribe(f"{prefix}.{n}", "order.created"))
        streams[-1].next("started")

    metrics = Metrics.of(one)

    groups = {labels["group"] for _, labels, _ in metrics.samples if "group" in labels}
    assert groups == {f"{prefix}.0", f"{prefix}.1", "_other"}
    assert metrics.value("sidebus_subscriptions", group="_other") == 2
