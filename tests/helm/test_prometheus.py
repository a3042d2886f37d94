"""A real Prometheus scrapes a real gateway at work: what dashboard and alerts make of it.

First it is well, then things go wrong one after the other, in the end its Kafka is gone.
"""

import math
import re

import pytest
from charts import TOOLS, run
from expected import BINARY
from metrics_page import exported
from shop import Shop
from test_dashboard import PANELS, VARIABLES, named, plain
from waiting import eventually

pytestmark = [
    pytest.mark.skipif(not BINARY, reason="needs the gateway: ./dev build"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with Shop(tmp_path_factory.mktemp("shop")) as one:
        yield one


@pytest.fixture(scope="module")
def alerts_when_well(shop):
    return shop.prometheus.alerts()


@pytest.fixture(scope="module")
def incidents(shop, alerts_when_well):
    """What a gateway that is well does not have to show."""
    shop.need_a_schema()
    shop.ask_for_what_is_not_there()
    shop.write_what_is_no_event()
    shop.reject_an_event()
    shop.be_two_pods_of_one_name()


QUESTIONS = [
    pytest.param(target, id=f"{title}-{target['refId']}")
    for title, panel in PANELS.items()
    for target in panel["targets"]
]


def shown(shop, expression):
    """[series] with a number that a panel can draw."""
    found = shop.prometheus.samples(plain(expression, "10m"))
    return [one for one in found if not math.isnan(float(one["value"][1]))]


def test_no_alert_fires_for_a_gateway_that_is_well(alerts_when_well):
    assert alerts_when_well == {}


def test_the_labels_of_scraped_series_are_those_that_alerts_and_dashboard_use(shop):
    (series,) = shop.prometheus.samples("sidebus_ready")

    wanted = {"job": "sidebus", "namespace": "shop", "pod": "shop-1", "app": "sidebus"}
    assert series["metric"].items() >= wanted.items()


@pytest.mark.usefixtures("incidents")
@pytest.mark.parametrize("target", QUESTIONS)
def test_a_panel_has_something_to_show(shop, target):
    series = eventually(lambda: shown(shop, target["expr"]), target["expr"], 30)

    legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    assert all(legend <= one["metric"].keys() for one in series)


@pytest.mark.usefixtures("incidents")
@pytest.mark.parametrize(
    "title",
    [
        "Dead letters",
        "Undecodable",
        "Fatal errors",
        "Questions to the schema registry",
        "Calls that failed",
    ],
)
def test_a_panel_shows_what_went_wrong_though_it_was_once(shop, title):
    expression = PANELS[title]["targets"][0]["expr"]

    eventually(
        lambda: any(float(one["value"][1]) > 0 for one in shown(shop, expression)), expression, 30
    )


@pytest.mark.usefixtures("incidents")
@pytest.mark.parametrize(
    "name", [name for name, one in VARIABLES.items() if one["type"] == "query"]
)
def test_a_variable_has_something_to_choose(shop, name):
    asked = VARIABLES[name]["definition"]
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", asked).groups()

    found = shop.prometheus.get(f"label/{label}/values", **{"match[]": plain(selector, "10m")})

    assert found


@pytest.mark.usefixtures("incidents")
def test_what_selectors_name_is_there(shop):
    # Outcomes and groups are there once they happen: test_dashboard looks into the sources.
    there_always = {one for one in named() if one[1] not in ("outcome", "group") and one[2]}

    assert there_always
    for series, label, value in there_always:
        assert shop.prometheus.samples(f'{series}{{{label}="{value}"}}'), (series, label, value)


@pytest.mark.usefixtures("incidents")
def test_the_metrics_of_a_gateway_at_work_are_as_prometheus_wants_them(shop):
    text = shop.gateway.metrics()

    checked = run(TOOLS / "promtool", "check", "metrics", input=text)

    assert exported() <= set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.usefixtures("incidents")
def test_alerts_fire_for_what_went_wrong_and_no_others(shop):
    alerts = shop.prometheus.alerts()

    firing = {name for name, state in alerts.items() if state == "firing"}
    assert firing == {"SidebusDeadLetters", "SidebusFatalClient"}


# The last one: Kafka does not come back.
@pytest.mark.usefixtures("incidents")
def test_alerts_see_that_kafka_is_gone(shop):
    wanted = {"SidebusKafkaUnreachable", "SidebusPublishFailing"}

    shop.lose_kafka()

    eventually(
        lambda: wanted <= shop.prometheus.alerts().keys(),
        lambda: f"{wanted}, there are {shop.prometheus.alerts()}\n{shop.gateway.tail()}",
        120,
    )
