"""The dashboard, and what it and the alerts ask for, which the gateway must have."""

import json
import re

import pytest
import yaml
from charts import CHART, ROOT, TOOLS, objects, of_kind, run

DASHBOARD = CHART / "files/dashboards/sidebus.json"
BOARD = json.loads(DASHBOARD.read_text())
PANELS = {panel["title"]: panel for panel in BOARD["panels"] if panel["type"] != "row"}
VARIABLES = {variable["name"]: variable for variable in BOARD["templating"]["list"]}

# Of Prometheus itself.
BUILT_IN = {"up"}


def expressions():
    """Every question to Prometheus, of panels and variables."""
    found = [target["expr"] for panel in PANELS.values() for target in panel["targets"]]
    for variable in VARIABLES.values():
        if variable["type"] == "query":
            found.append(re.fullmatch(r"label_values\((.*), \w+\)", variable["definition"])[1])
    return found


def plain(expression):
    """An expression with something in place of Grafana's variables."""
    expression = expression.replace("$__rate_interval", "5m")
    return re.sub(r"\$\w+", ".*", expression)


def metrics_in(expression):
    names = re.findall(r"\b((?:sidebus|process|grpc_server)_\w+|up)\b(?=[{\[ ]|$)", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def exported():
    """Names of the metrics that the gateway's source makes."""
    made = set()
    for path in (ROOT / "server").rglob("*.cc"):
        made |= set(re.findall(r'"((?:sidebus|process|grpc_server)_[a-z0-9_]+)"', path.read_text()))
    return made


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
        assert 'job="sidebus"' in target["expr"]


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
    rules = yaml.safe_load((CHART / "files/rules/sidebus.rules.yaml").read_text())
    asked = set().union(*(metrics_in(rule["expr"]) for rule in rules["groups"][0]["rules"]))

    assert asked - exported() - BUILT_IN == set()


def test_the_chart_installs_the_same_dashboard():
    made = next(
        one for one in of_kind(objects("monitoring"), "ConfigMap") if "sidebus.json" in one["data"]
    )

    assert json.loads(made["data"]["sidebus.json"]) == BOARD
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
