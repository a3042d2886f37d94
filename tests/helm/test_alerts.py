"""Each alert fires when it must and not before, and says what a person needs."""

import json
import re

import pytest
import yaml
from charts import CASES, CHART, ROOT, TOOLS, objects, of_kind, parse, run, template

RULES = CHART / "files/rules/sidebus.rules.yaml"
ALERTS = {rule["alert"]: rule for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
RUNBOOKS = ROOT / "deploy/prometheus/runbooks.md"

POD = 'job="sidebus",namespace="shop",pod="shop-1"'
GROUP = POD + ',group="billing"'
PUBLISHED = "sidebus_published_events_total{" + POD + ',event_type="order.created",outcome="%s"}'
SLOW = "sidebus_publish_duration_seconds_bucket{" + POD + ',event_type="order.created",le="%s"}'
LAG = "sidebus_consumer_lag_%s{" + GROUP + ',topic="orders"}'
FATAL = "sidebus_kafka_fatal_errors_total{" + POD + ',client="producer",code="FENCED"}'

# Alert: (series with a value per minute, a minute without it, one with it or None, its labels).
POD_LABELS = {"namespace": "shop", "pod": "shop-1"}
GROUP_LABELS = POD_LABELS | {"group": "billing"}
CASES_OF = {
    "SidebusDown": [
        ({"up{" + POD + "}": "1x5 0x10"}, 6, 8, POD_LABELS | {"job": "sidebus"}),
        ({"up{job='other'}": "1x10"}, 1, 2, {"job": "sidebus"}),
    ],
    "SidebusPublishFailing": [
        (
            {PUBLISHED % "ok": "0+980x40", PUBLISHED % "broker_down": "0x10 0+20x20"},
            *(12, 20, POD_LABELS),
        ),
        ({PUBLISHED % "ok": "0+980x40", PUBLISHED % "event_invalid": "0+20x40"}, 30, None, {}),
        ({PUBLISHED % "ok": "0+9950x40", PUBLISHED % "broker_down": "0+50x40"}, 30, None, {}),
    ],
    "SidebusPublishSlow": [
        (
            {SLOW % "1": "0+900x40", SLOW % "2.5": "0+1000x40", SLOW % "+Inf": "0+1000x40"},
            10,
            12,
            POD_LABELS,
        ),
        ({SLOW % "1": "0+1000x40", SLOW % "+Inf": "0+1000x40"}, 30, None, {}),
    ],
    "SidebusBackpressure": [
        (
            {
                "sidebus_publish_inflight_bytes{" + POD + "}": "70x10 81x10",
                "sidebus_publish_queue_limit_bytes{" + POD + "}": "100x20",
            },
            *(12, 13, POD_LABELS | {"job": "sidebus"}),
        )
    ],
    "SidebusOverloaded": [
        ({PUBLISHED % "memory_budget": "0x10 0+1x20"}, 15, 17, POD_LABELS),
        ({PUBLISHED % "ok": "0+9x30"}, 30, None, {}),
    ],
    "SidebusKafkaUnreachable": [
        (
            {
                "sidebus_kafka_broker_connected{"
                + POD
                + ',client="producer",broker="any"}': "1x5 0x5"
            },
            *(6, 7, POD_LABELS),
        )
    ],
    "SidebusFatalClient": [
        (
            {FATAL: "0x5 1x20"},
            *(5, 6, POD_LABELS | {"job": "sidebus", "client": "producer", "code": "FENCED"}),
        ),
        (
            {FATAL: "_x5 1x20"},
            *(4, 6, POD_LABELS | {"job": "sidebus", "client": "producer", "code": "FENCED"}),
        ),
        ({FATAL: "3x60"}, 60, None, {}),
    ],
    "SidebusLagGrowing": [
        (
            {LAG % "seconds": "0+60x60", LAG % "events": "0+100x60"},
            *(20, 22, {"namespace": "shop", "group": "billing", "topic": "orders"}),
        ),
        ({LAG % "seconds": "900x60", LAG % "events": "9000-100x60"}, 60, None, {}),
        ({LAG % "seconds": "30x60", LAG % "events": "0+100x60"}, 60, None, {}),
    ],
    "SidebusStuckEvent": [
        (
            {"sidebus_oldest_unsettled_age_seconds{" + GROUP + "}": "0+60x20"},
            *(11, 12, GROUP_LABELS | {"job": "sidebus"}),
        )
    ],
    "SidebusNoCommits": [
        (
            {
                "sidebus_last_commit_timestamp_seconds{" + GROUP + "}": "0+60x5 300x20",
                "sidebus_deliveries_total{"
                + GROUP
                + ',event_type="a",redelivery="false"}': "0+5x25",
            },
            *(15, 17, GROUP_LABELS | {"job": "sidebus"}),
        ),
        (
            {
                "sidebus_last_commit_timestamp_seconds{" + GROUP + "}": "0x25",
                "sidebus_deliveries_total{" + GROUP + ',event_type="a",redelivery="false"}': "7x25",
            },
            *(25, None, {}),
        ),
    ],
    "SidebusRebalanceStorm": [
        (
            {"sidebus_rebalances_total{" + GROUP + ',kind="revoke"}': "0+1x30"},
            *(10, 13, GROUP_LABELS),
        ),
        (
            {
                "sidebus_rebalances_total{" + GROUP + ',kind="revoke"}': "0x5 1x5 2x20",
                "sidebus_rebalances_total{" + GROUP + ',kind="assign"}': "0+1x30",
            },
            *(30, None, {}),
        ),
    ],
    "SidebusDeadLetters": [
        (
            {
                "sidebus_dead_lettered_events_total{"
                + GROUP
                + ',event_type="order.created",reason="EXHAUSTED"}': "_x5 1x40"
            },
            4,
            5,
            GROUP_LABELS | {"event_type": "order.created", "reason": "EXHAUSTED", "job": "sidebus"},
        ),
        (
            {
                "sidebus_dead_lettered_events_total{"
                + GROUP
                + ',event_type="order.created",reason="REJECTED"}': "4x30 5x10"
            },
            29,
            32,
            GROUP_LABELS | {"event_type": "order.created", "reason": "REJECTED", "job": "sidebus"},
        ),
    ],
    "SidebusDeadLettersNotWritten": [
        ({"sidebus_dead_letter_failures_total{" + GROUP + "}": "0x5 0+1x20"}, 10, 12, GROUP_LABELS),
        (
            {"sidebus_dead_letter_topics_missing{" + POD + "}": "0x5 2x20"},
            *(10, 11, POD_LABELS | {"job": "sidebus"}),
        ),
    ],
    "SidebusEventsLost": [
        (
            {"sidebus_events_lost_to_retention_total{" + GROUP + ',topic="orders"}': "0x5 3x10"},
            *(5, 7, GROUP_LABELS | {"job": "sidebus", "topic": "orders"}),
        ),
        (
            {"sidebus_events_lost_to_retention_total{" + GROUP + ',topic="orders"}': "_x5 3x20"},
            *(4, 6, GROUP_LABELS | {"job": "sidebus", "topic": "orders"}),
        ),
        (
            {"sidebus_events_lost_to_retention_total{" + GROUP + ',topic="orders"}': "3x60"},
            60,
            None,
            {},
        ),
    ],
    "SidebusSchemaRegistryFailing": [
        (
            {"sidebus_schema_requests_total{" + POD + ',op="find",result="timeout"}': "0x5 0+1x20"},
            *(10, 12, POD_LABELS),
        )
    ],
    "SidebusConfigReloadFailed": [
        (
            {"sidebus_config_last_reload_successful{" + POD + "}": "1x5 0x20"},
            *(10, 11, POD_LABELS | {"job": "sidebus"}),
        )
    ],
}

EXAMPLES = [
    pytest.param(alert, *example, id=f"{alert}-{number}")
    for alert, examples in CASES_OF.items()
    for number, example in enumerate(examples)
]


def firing(alert, minute, labels):
    """A test of promtool: which alerts of the name fire at the minute."""
    text = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    series = f'ALERTS{{alertname="{alert}",alertstate="firing",{text}}}'
    return {
        "expr": f'ALERTS{{alertname="{alert}",alertstate="firing"}}',
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": series, "value": 1}] if labels else [],
    }


@pytest.mark.parametrize(("alert", "series", "quiet_at", "fires_at", "labels"), EXAMPLES)
def test_an_alert_fires_when_it_must_and_not_before(
    tmp_path, alert, series, quiet_at, fires_at, labels
):
    questions = [firing(alert, quiet_at, {})]
    if fires_at is not None:
        severity = ALERTS[alert]["labels"]["severity"]
        questions.append(firing(alert, fires_at, labels | {"severity": severity}))
    file = tmp_path / "test.yaml"
    tests = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": questions,
    }
    file.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [tests]})
    )

    answer = run(TOOLS / "promtool", "test", "rules", file)

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_rules_are_valid():
    answer = run(TOOLS / "promtool", "check", "rules", RULES)

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_alert_is_tested():
    assert CASES_OF.keys() == ALERTS.keys()


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_a_person_needs(alert):
    rule = ALERTS[alert]
    labels = set.union(*(set(example[3]) for example in CASES_OF[alert]))

    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["summary"].endswith(".")
    mentioned = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"]))
    assert mentioned <= labels
    assert rule["annotations"]["runbook_url"].endswith(f"/runbooks.md#{alert.lower()}")


def test_every_alert_has_its_runbook_and_every_runbook_its_alert():
    headings = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)

    assert headings == list(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_says_what_it_means_and_what_to_do(alert):
    text = RUNBOOKS.read_text().split(f"## {alert}\n")[1].partition("\n## ")[0]

    assert "**Means**" in text
    assert "**Look**" in text
    assert "**Do**" in text


# --- PrometheusRule -------------------------------------------------------------------------------


def test_the_chart_installs_the_same_rules():
    (made,) = of_kind(objects("monitoring"), "PrometheusRule")

    assert made["spec"] == yaml.safe_load(RULES.read_text())


def test_alerts_can_be_left_out_labelled_and_pointed_elsewhere():
    answer = template(
        *(CHART, "-f", CASES["deployment-everything"][1]),
        *("--set", "prometheusRule.runbookUrl=https://example.com/runbooks"),
    )
    (made,) = of_kind(parse(answer.stdout), "PrometheusRule")
    rules = {rule["alert"]: rule for rule in made["spec"]["groups"][0]["rules"]}

    assert ALERTS.keys() - rules.keys() == {"SidebusRebalanceStorm"}
    assert all(rule["labels"]["team"] == "events" for rule in rules.values())
    assert rules["SidebusDown"]["annotations"]["runbook_url"] == (
        "https://example.com/runbooks#sidebusdown"
    )
