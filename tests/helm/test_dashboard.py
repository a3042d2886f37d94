"""The dashboard, and what it and the alerts ask for, which the gateway must have."""

import functools
import json
import re

import pytest
from charts import CHART, ROOT, TOOLS, objects, of_kind, run
from metrics_page import exported
from test_alerts import ALERTS, RUNBOOKS

DASHBOARD = CHART / "files/dashboards/sidebus.json"
BOARD = json.loads(DASHBOARD.read_text())
SOURCES = {path: path.read_text() for path in (ROOT / "server").rglob("*.cc")}
PANELS = {panel["title"]: panel for panel in BOARD["panels"] if panel["type"] != "row"}
VARIABLES = {variable["name"]: variable for variable in BOARD["templating"]["list"]}

# Of Prometheus itself.
BUILT_IN = {"up"}

# Metrics that no panel and no alert asks for, and why that is right.
NOT_ASKED_FOR = {}

# What the viewer chose, of the labels that a scrape gives.
CHOSEN = 'job="sidebus",namespace=~"$namespace",app=~"$app",pod=~"$pod"'
OF_THE_SCRAPE = {"job", "namespace", "app", "pod"}


def expressions():
    """Every question to Prometheus, of panels and variables."""
    found = [target["expr"] for panel in PANELS.values() for target in panel["targets"]]
    for variable in VARIABLES.values():
        if variable["type"] == "query":
            found.append(re.fullmatch(r"label_values\((.*), \w+\)", variable["definition"])[1])
    return found


def plain(expression, interval="5m"):
    """An expression with something in place of Grafana's variables."""
    expression = expression.replace("$__rate_interval", interval)
    return re.sub(r"\$\w+", ".*", expression)


def alerting():
    """Every question of the alerts."""
    return [rule["expr"] for rule in ALERTS.values()]


def family(series):
    """The metric that a name of a series belongs to."""
    return re.sub(r"_(bucket|sum|count)$", "", series)


def metrics_in(expression):
    names = re.findall(r"\b(?:sidebus|process|grpc_server)_\w+|\bup(?={)", expression)
    return set(map(family, names))


def selectors(expression):
    """[(metric, its labels in braces)]"""
    return re.findall(r"(\w+){([^}]*)}", expression)


def named():
    """{(series, label, value)} of selectors, the value empty where the viewer chooses it."""
    return {
        (series, label, "" if "$" in text else value)
        for expression in expressions() + alerting()
        for series, labels in selectors(expression)
        for label, text in re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', labels)
        for value in text.split("|")
        if label not in OF_THE_SCRAPE
    }


@functools.cache
def outcomes():
    """Of published events: `ok`, and in lower case the reasons that something gives; `bug` is that
    of errors without one.
    """
    base = ROOT / "server/base/error.cc"
    names = dict(re.findall(r'Row{Reason::(\w+), "(\w+)"', SOURCES[base]))
    elsewhere = " ".join(text for path, text in SOURCES.items() if path != base)
    given = {"kBug", *re.findall(r"Reason::(\w+)", elsewhere)}
    return {"ok"} | {names[reason].lower() for reason in given & names.keys()}


def words(metric):
    """Labels, and values of labels, in the sources that make the metric."""
    texts = [text for text in SOURCES.values() if f'"{metric}"' in text]
    found = {word for text in texts for word in re.findall(r'"(\w+)"', text)}
    return found | outcomes() if metric == "sidebus_published_events_total" else found


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_says_what_it_shows(title):
    panel = PANELS[title]

    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        used = set(re.findall(r"\$(\w+)", target["expr"]))
        assert used <= VARIABLES.keys() | {"__rate_interval"}
        asked = selectors(target["expr"])
        assert {family(metric) for metric, _ in asked} == metrics_in(target["expr"])
        assert all(labels.startswith(CHOSEN) for _, labels in asked)


def test_panels_have_names_and_ids_of_their_own_and_do_not_overlap():
    assert len(PANELS) == sum(panel["type"] != "row" for panel in BOARD["panels"])

    places = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not places & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        places |= cells

    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_every_expression_is_valid(tmp_path):
    rules = [{"record": f"a{n}", "expr": plain(expr)} for n, expr in enumerate(expressions())]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))

    answer = run(TOOLS / "promtool", "check", "rules", file)

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_panels_ask_only_for_metrics_that_the_gateway_has():
    asked = set().union(*map(metrics_in, expressions()))

    assert asked
    assert asked - exported() - BUILT_IN == set()


def test_alerts_ask_only_for_metrics_that_the_gateway_has():
    asked = set().union(*map(metrics_in, alerting()))

    assert asked - exported() - BUILT_IN == set()


def test_every_metric_of_the_gateway_is_asked_for():
    asked = set().union(*map(metrics_in, expressions() + alerting()))

    assert exported() - asked == NOT_ASKED_FOR.keys()


def test_labels_and_their_values_are_those_that_the_gateway_gives():
    unknown = {
        (series, word)
        for series, label, value in named()
        for word in {label, value} - {""} - words(family(series))
    }

    assert unknown == set()


def test_runbooks_name_panels_that_there_are():
    text = " ".join(RUNBOOKS.read_text().split())
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*]*)\*(?!\*)", text))

    assert named
    assert named <= PANELS.keys()


def test_monitors_of_both_kinds_give_series_the_same_labels():
    (pods,) = of_kind(objects("sidecar"), "PodMonitor")
    (services,) = of_kind(objects("deployment-everything"), "ServiceMonitor")
    (of_pods,), (of_services,) = pods["spec"]["podMetricsEndpoints"], services["spec"]["endpoints"]

    assert of_services["relabelings"] == of_pods["relabelings"]


def test_the_chart_installs_the_same_dashboard():
    made = next(
        one for one in of_kind(objects("monitoring"), "ConfigMap") if "sidebus.json" in one["data"]
    )

    assert json.loads(made["data"]["sidebus.json"]) == BOARD
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
