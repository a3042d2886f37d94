"""A real Prometheus scrapes a real gateway: every panel of the dashboard has something to show."""

import json
import re

import pytest
from charts import CHART, TOOLS, run
from expected import BINARY
from monitor import Prometheus
from pod import Container
from service import free_ports
from test_dashboard import PANELS
from waiting import eventually

pytestmark = pytest.mark.skipif(not BINARY, reason="needs the gateway: ./dev build")

SIDEBUS = "/usr/local/bin/sidebus"

# Nothing of this happens to a gateway that is well.
INCIDENTS = {"Undecodable", "Questions to the schema registry", "Calls that failed", "Dead letters"}


def configuration(target):
    """Scrapes one address every half second, with the labels that a PodMonitor gives it."""
    labels = {"namespace": "shop", "pod": "shop-1"}
    scrape = {"job_name": "sidebus", "static_configs": [{"targets": [target], "labels": labels}]}
    return {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(CHART / "files/rules/sidebus.rules.yaml")],
        "scrape_configs": [scrape],
    }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Container("sidecar-embedded", tmp_path_factory.mktemp("pod")) as one:
        yield one


@pytest.fixture(scope="module")
def prometheus(gateway, tmp_path_factory):
    """Of a gateway that has published, delivered, settled and committed."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "prometheus.yml"
    config.write_text(json.dumps(configuration(gateway.admin)))
    with Prometheus(config, folder, f"127.0.0.1:{free_ports(1)[0]}") as one:
        one.scraped("up == 1")
        gateway.start(SIDEBUS, "subscribe", "example.created", "--group=billing")
        for sign in (
            "rate(sidebus_deliveries_total[10s]) > 0",
            "sidebus_last_commit_timestamp_seconds > 0",
            "sidebus_assigned_partitions > 0",
        ):
            eventually(lambda sign=sign: publish(gateway) and one.samples(sign), sign, 60)
        yield one


def publish(gateway):
    done = gateway.run(SIDEBUS, "publish", "example.created", '{"n": 1}')
    assert done.returncode == 0, done.stderr
    return True


QUESTIONS = [
    pytest.param(title, target["expr"], id=f"{title}-{target['refId']}")
    for title, panel in PANELS.items()
    for target in panel["targets"]
]


@pytest.mark.parametrize(("title", "expression"), QUESTIONS)
def test_a_panel_has_something_to_show(prometheus, title, expression):
    expression = expression.replace("$__rate_interval", "1m")
    expression = re.sub(r"\$\w+", ".*", expression)

    found = prometheus.samples(expression)

    assert found or title in INCIDENTS


@pytest.mark.usefixtures("prometheus")
def test_the_metrics_of_a_gateway_at_work_are_as_prometheus_wants_them(gateway):
    checked = run(TOOLS / "promtool", "check", "metrics", input=gateway.metrics())

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_alert_fires_for_a_gateway_that_is_well(prometheus):
    assert prometheus.alerts() == {}


def test_the_labels_of_scraped_series_are_those_that_alerts_use(prometheus):
    (series,) = prometheus.samples("sidebus_ready")

    assert (
        series["metric"].items() >= {"job": "sidebus", "namespace": "shop", "pod": "shop-1"}.items()
    )
