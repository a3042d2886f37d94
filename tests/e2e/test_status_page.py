"""The status page, as a person's browser shows it: a real Chromium, without a display."""

import html
import json
import re
import subprocess
from pathlib import Path

import pytest
from bus import Bus
from gateway import http_get
from google.protobuf.duration_pb2 import Duration
from sidebus.v1.event_pb2 import Event
from waiting import eventually

ARTIFACTS = Path(__file__).resolve().parents[2] / "build" / "test-logs"
ROUTES = {
    "order.created": {"orders": {"event_key_field": "order.id", "enabled": True}},
    "order.paid": {"orders": {"event_key_field": "order.id", "enabled": True}},
    "stock.moved": {"stock": {"event_key_field": "", "enabled": True}},
}
CHROMIUM = [
    "chromium",
    "--headless=new",
    "--no-sandbox",  # root may not have one
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--enable-logging=stderr",
    "--virtual-time-budget=7000",  # three looks of the page
]


def order(number, event_type="order.created"):
    return Event(type=event_type, data=json.dumps({"order": {"id": f"A-{number}"}}).encode())


@pytest.fixture(scope="module")
def page(module_gateway, tmp_path_factory):
    """A gateway with a group that one event holds back, and what Chromium makes of its page."""
    one = module_gateway(ROUTES)
    bus = Bus(one.endpoint)
    bus.must_publish(*[order(n) for n in range(40)], order(1, "order.paid"))
    bus.publish(Event(type="order.created", data=b"no JSON"))
    stream = bus.subscribe(f"{one.prefix}.billing", "order.created", "order.paid")
    held = stream.take(40)
    stream.nack(held[0], reason="<script>alert('no')</script>", delay=Duration(seconds=600))
    stream.ack(*held[1:])
    eventually(
        lambda: json.loads(one.get("/status.json")[1])["groups"][0]["held_back"] == 1,
        "a key that is held back",
    )
    yield Page(one, tmp_path_factory.mktemp("chromium"))
    bus.close()


class Page:
    def __init__(self, gateway, profile):
        self._url = f"http://{gateway.ready['admin']}/"
        self._profile = profile
        self.dom, self.console = self._run("--dump-dom")
        self.text = html.unescape(re.sub(r"<[^>]+>", " ", self.dom.split("<body>")[1]))

    def screenshot(self, name, *flags):
        path = ARTIFACTS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._run(f"--screenshot={path}", *flags)
        return path

    def _run(self, *flags):
        command = [*CHROMIUM, f"--user-data-dir={self._profile}", *flags, self._url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
        return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def words(text):
    return " ".join(text.split())


def test_it_runs_without_an_error_under_its_content_security_policy(page):
    assert page.console == []
    assert 'id="alarm" role="alert" hidden' in page.dom


def test_it_tells_what_holds_a_group_back(page):
    text = words(page.text)

    assert re.search(r"billing 1 stream lag \d+ 1 key held back", text), text
    assert re.search(r"offset \d+ is waiting, attempt 2: <script>alert\('no'\)</script>", text)


def test_what_clients_write_never_becomes_part_of_the_page(page):
    body = page.dom.split("<body>")[1]

    assert "&lt;script&gt;alert(" in body
    assert "<script" not in body


def test_it_shows_event_types_with_their_routes_and_figures(page):
    rows = [words(re.sub(r"<[^>]+>", " ", row)) for row in re.findall(r"<tr>.*?</tr>", page.dom)]

    assert any(re.fullmatch(r"order\.created e2e-\w+-orders order\.id 40 1", row) for row in rows)
    assert any(re.fullmatch(r"stock\.moved e2e-\w+-stock 0 0", row) for row in rows)


def test_it_shows_the_process_and_its_brokers(page):
    text = words(page.text)

    assert "kafka reachable" in text
    assert re.search(r"Resident memory \d", text)


def test_every_table_and_plot_has_a_name_for_those_who_do_not_see_it(page):
    for region in re.findall(r'<div class="scroll"[^>]*>', page.dom):
        assert 'role="region"' in region and re.search(r'aria-label(ledby)?="', region), region
        assert 'tabindex="0"' in region
    assert page.dom.count("<svg") == page.dom.count("<figcaption>Published") * 8 == 8
    assert '<html lang="en">' in page.dom


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("status-page-light.png", ["--window-size=1280,1700"]),
        (
            "status-page-dark.png",
            ["--window-size=1280,1700", "--blink-settings=preferredColorScheme=0"],
        ),
        ("status-page-narrow.png", ["--window-size=500,2600"]),
    ],
)
def test_its_picture_is_kept(page, name, flags):
    picture = page.screenshot(name, *flags)

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000


def test_it_is_not_shown_to_strangers_unless_that_is_asked_for(gateway, free_address):
    port = free_address.rsplit(":", 1)[1]
    closed = gateway(ROUTES, "embedded", admin=f"0.0.0.0:{port}")
    here = f"http://{free_address}"

    assert http_get(f"{here}/metrics")[0] == 200
    assert http_get(f"{here}/")[0] == 404
    assert http_get(f"{here}/status.json")[0] == 404
    closed.stop()

    gateway(ROUTES, "embedded", admin=f"0.0.0.0:{port}", admin_pages=True)
    assert http_get(f"{here}/")[0] == 200
