"""The status page in a browser, and a gateway that has something to show."""

import contextlib
import json
import math
import re

from bus import Bus
from google.protobuf.duration_pb2 import Duration
from playwright.sync_api import expect
from prometheus import Metrics
from sidebus.v1.event_pb2 import Event
from waiting import eventually

PERIOD_MS = 2000  # between two looks of the page
ROUTES = {
    "order.created": {"orders": {"event_key_field": "order.id", "enabled": True}},
    "order.paid": {"orders": {"event_key_field": "order.id", "enabled": True}},
    "order.shipped": {
        "orders": {"event_key_field": "order.id", "enabled": True},
        "shipments": {"event_key_field": "order.id", "enabled": True},
    },
    "stock.moved": {"stock": {"event_key_field": "", "enabled": True}},
    "user.registered": {"users": {"event_key_field": "user.id", "enabled": False}},
}
PLOTS = [
    "Published",
    "Publish refused or failed",
    "Delivered",
    "Settled",
    "Returned unsettled",
    "Dead-lettered",
    "Lag of the groups here",
    "Memory budget in use",
]
MARKUP = "card declined: <b>insufficient funds</b>"


def order(number, event_type="order.created"):
    return Event(type=event_type, data=json.dumps({"order": {"id": f"A-{number}"}}).encode())


class Scene:
    """A gateway, and three groups: one that an event holds back, one behind, one up to date."""

    def __init__(self, gateway, cluster):
        self.gateway = gateway
        self.url = f"http://{gateway.ready['admin']}/"
        self.bus = Bus(gateway.endpoint)
        self.bus.must_publish(*[order(n) for n in range(40)], order(1, "order.paid"))
        self.bus.publish(Event(type="order.created", data=b"no JSON"))
        self._hold_back()
        self._fall_behind()
        self._keep_up(cluster)

    def group(self, name):
        return f"{self.gateway.prefix}.{name}"

    def status(self):
        return json.loads(self.gateway.get("/status.json")[1])

    def state(self, name):
        """What the gateway says of a group."""
        (found,) = [one for one in self.status()["groups"] if one["group"] == self.group(name)]
        return found

    def levels(self):
        return [problem["level"] for problem in self.status()["problems"]]

    def published(self, event_type):
        labels = {"event_type": event_type, "outcome": "ok"}
        return int(Metrics.of(self.gateway).value("sidebus_published_events_total", **labels))

    def go_on(self, step):
        """Two seconds of a day at work."""
        busy = round(40 + 25 * math.sin(step / 6))
        kinds = ("order.created", "order.paid")
        self.bus.must_publish(*[order(200 + n, kinds[n % 3 == 0]) for n in range(busy)])
        self.billing.ack(*self.billing.arrived(0).get("delivery", []))
        self._unsettled += self.search.arrived(0).get("delivery", [])
        self.search.ack(*self._unsettled[:15])
        del self._unsettled[:15]

    def _hold_back(self):
        self.billing = self.bus.subscribe(self.group("billing"), "order.created", "order.paid")
        held = self.billing.take(40)
        self.billing.nack(held[0], reason=MARKUP, delay=Duration(seconds=600))
        self.billing.ack(*held[1:])
        eventually(lambda: self.state("billing")["held_back"] == 1, "a key that is held back")

    def _fall_behind(self):
        """It settles nothing of what it took."""
        self.search = self.bus.subscribe(self.group("search-index"), "order.created")
        self._unsettled = self.search.take(10)

    def _keep_up(self, cluster):
        """It begins with a position that its topic does not have: that is an error of its own."""
        topic = f"{self.gateway.prefix}-stock"
        cluster.stand(self.group("warehouse"), topic, 0, 4711)
        self.warehouse = self.bus.subscribe(self.group("warehouse"), "stock.moved")
        eventually(lambda: "error" in self.levels(), "an error")


class View:
    """The page in a tab."""

    def __init__(self, tab, url):
        self.tab, self.page, self._url = tab, tab.page, url

    def open(self):
        """Returns when it has shown what its first look found."""
        self.page.goto(self._url)
        expect(self.page.get_by_text(re.compile("^as of"))).to_be_visible()

    @property
    def beat(self):
        return self.page.locator("#beat")

    @property
    def alarm(self):
        return self.page.get_by_role("alert")

    def plot(self, title):
        return self.page.get_by_role("figure", name=title, exact=True)

    def heights(self, title):
        """Of the points of a plot, from 0 (at its foot) up."""
        drawn = self.plot(title).locator("path.stroke").get_attribute("d") or ""
        places = re.findall(r"([\d.]+) ([\d.]+)", drawn)
        assert all(0 <= float(x) <= 100 and 0 <= float(y) <= 40 for x, y in places), drawn
        return [39.5 - float(y) for _, y in places]

    def rows(self, table):
        """The texts of a table's cells, row by row, without its head."""
        rows = self.page.get_by_role("table", name=table).locator("tbody tr").all()
        return [[words(cell) for cell in row.locator("th, td").all_inner_texts()] for row in rows]

    def fact(self, name):
        return self.page.locator("dl div").filter(has_text=name).locator("dd")

    def asked(self, path):
        """How often it asked for something."""
        return self.tab.requests.count(self._url + path)


def words(text):
    return " ".join(text.split())


@contextlib.contextmanager
def view_of(browser, url, **options):
    with browser.tab(**options) as tab:
        view = View(tab, url)
        view.open()
        yield view
