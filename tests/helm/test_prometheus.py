"""A real Prometheus scrapes a real gateway: every panel of the dashboard has something to show."""

import json
import re
import subprocess
import urllib.error
import urllib.parse

import pytest
from charts import CHART, TOOLS, run
from expected import BINARY
from pod import Container, fetch
from service import free_ports
from test_dashboard import PANELS
from waiting import eventually

pytestmark = pytest.mark.skipif(not BINARY, reason="needs the gateway: ./dev build")

SIDEBUS = "/usr/local/bin/sidebus"

# Nothing of this happens to a gateway that is well.
INCIDENTS = {"Undecodable", "Questions to the schema registry", "Calls that failed", "Dead letters"}


class Prometheus:
    """Scrapes one address every half second, with the labels that a PodMonitor gives it."""

    def __init__(self, target, folder):
        self.target = target
        self._url = f"http://127.0.0.1:{free_ports(1)[0]}"
        config = folder / "prometheus.yml"
        labels = {"namespace": "shop", "pod": "shop-1"}
        scrape = {
            "job_name": "sidebus",
            "static_configs": [{"targets": [target], "labels": labels}],
        }
        config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
                    "rule_files": [str(CHART / "files/rules/sidebus.rules.yaml")],
                    "scrape_configs": [scrape],
                }
            )
        )
        self._process = subprocess.Popen(
            [
                *(TOOLS / "prometheus", f"--config.file={config}"),
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self._url.removeprefix('http://')}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def get(self, path, **parameters):
        """`data` of an answer; None while there is none."""
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with fetch(url) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts
                return None
            raise AssertionError(error.read().decode()) from None
        except OSError:
            return None

    def samples(self, expression):
        data = self.get("query", query=expression)
        return data["result"] if data else []

    def stop(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """Of a gateway that has published, delivered, settled and committed."""
    with Container("sidecar-embedded", tmp_path_factory.mktemp("pod")) as gateway:
        one = Prometheus(gateway.admin, tmp_path_factory.mktemp("prometheus"))
        try:
            eventually(lambda: one.samples("up == 1"), "the first scrape")
            gateway.start(SIDEBUS, "subscribe", "example.created", "--group=billing")
            for sign in (
                "rate(sidebus_deliveries_total[10s]) > 0",
                "sidebus_last_commit_timestamp_seconds > 0",
                "sidebus_assigned_partitions > 0",
            ):
                eventually(lambda sign=sign: publish(gateway) and one.samples(sign), sign, 60)
            yield one
        finally:
            one.stop()


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


def test_the_metrics_of_a_gateway_at_work_are_as_prometheus_wants_them(prometheus):
    with fetch(f"http://{prometheus.target}/metrics") as answer:
        text = answer.read().decode()

    checked = run(TOOLS / "promtool", "check", "metrics", input=text)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_alert_fires_for_a_gateway_that_is_well(prometheus):
    groups = prometheus.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    assert rules
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
    assert [rule["name"] for rule in rules if rule["state"] != "inactive"] == []


def test_the_labels_of_scraped_series_are_those_that_alerts_use(prometheus):
    (series,) = prometheus.samples("sidebus_ready")

    assert (
        series["metric"].items() >= {"job": "sidebus", "namespace": "shop", "pod": "shop-1"}.items()
    )
