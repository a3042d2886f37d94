"""Values that are wrong are refused with a message that says how to mend them."""

import json

import pytest
from charts import CASES, CHART, HELMS, LIBRARY, helm, parse, template
from expected import documented_values, undocumented_values

BIG = "x" * 100

# (a good values file or none, what is set over it, what the message says)
REFUSED = {
    "an unknown value": ("sidecar", ["replica=1"], "additional properties 'replica' not allowed"),
    "an unknown value of the gateway": (
        "sidecar",
        ["sidebus.nativ=1"],
        "additional properties 'nativ'",
    ),
    "an unknown value further down": ("sidecar", ["sidebus.image.name=x"], "'name' not allowed"),
    "an unknown mode": ("sidecar", ["mode=statefulset"], "at '/mode'"),
    "pods that are no number": ("sidecar", ["replicas=two"], "got string, want integer"),
    "fewer than no pods": ("sidecar", ["replicas=-1"], "minimum: got -1, want 0"),
    "an unknown key of the configuration": (
        "sidecar",
        ["sidebus.config.topic_prefx=x"],
        "additional properties 'topic_prefx' not allowed",
    ),
    "a size that is a number": ("sidecar", ["sidebus.config.limits.memory=100"], "want string"),
    "a duration without a unit": ("sidecar", ['sidebus.config.publish.timeout="30"'], "timeout"),
    "a mode that is no octal": (
        "sidecar",
        [
            "sidebus.config.listen[0].address=unix:/run/sidebus/a",
            "sidebus.config.listen[0].mode=rw",
        ],
        "/config/listen/0",
    ),
    "a broker of an unknown kind": (
        "sidecar",
        ["sidebus.config.broker.kind=rabbit"],
        "/broker/kind",
    ),
    "no broker": (None, ["mode=sidecar-example"], "sidebus.config.broker: is required"),
    "no bootstrap servers": (
        None,
        ["mode=sidecar-example", "sidebus.config.broker.kind=kafka"],
        "bootstrap_servers: is required",
    ),
    "a password": (
        "sidecar",
        ["sidebus.config.broker.kafka.properties.sasl\\.password=hunter2"],
        "put the configuration into a Secret",
    ),
    "an address that is the chart's": (
        "sidecar",
        ["sidebus.config.admin=127.0.0.1:9"],
        "sidebus.config.admin: the chart sets it",
    ),
    "a tag and a digest": (
        "sidecar",
        ["sidebus.image.tag=v1", "sidebus.image.digest=sha256:" + "0" * 64],
        "tag and digest are both set",
    ),
    "a digest that is none": ("sidecar", ["sidebus.image.digest=sha256:12"], "/image/digest"),
    "a socket's path that is too long": (
        "sidecar",
        [f"sidebus.config.listen[0]=unix:/run/sidebus/{BIG}"],
        "longer than the 107 bytes",
    ),
    "a grace that is longer than the pod's": (
        "sidecar",
        ["sidebus.config.shutdown.grace=30s"],
        "terminationGracePeriodSeconds: 30 s are too short for shutdown.grace (30 s)",
    ),
    "a grace that leaves no time for the hook": (
        "sidecar",
        ["sidebus.terminationGracePeriodSeconds=22"],
        "what the application takes to end (1 s or more) and 2 s; say 23 or more",
    ),
    "a hook that is too long": (
        "deployment",
        ["sidebus.preStopSeconds=9"],
        "preStopSeconds (9 s) and 2 s; say 31",
    ),
    "a configuration and another": (
        "sidecar",
        ["sidebus.existingConfig.secret=other"],
        "is not used with sidebus.existingConfig",
    ),
    "an existing configuration in two places": (
        "existing-config",
        ["sidebus.existingConfig.configMap=other"],
        "configMap and secret are both set",
    ),
    "a file outside": ("sidecar", ["sidebus.files.\\.\\./x=text"], "must be a path below"),
    "a Secret without a place": (
        "sidecar",
        ["sidebus.secrets[0].name=x"],
        "missing property 'path'",
    ),
    "listeners that no other pod reaches": (
        "deployment",
        ["sidebus.config.listen[0]=127.0.0.1:7420"],
        "other pods reach none of the listeners",
    ),
    "listeners that are absent": (
        None,
        ["mode=deployment", "sidebus.config.broker.kind=embedded"],
        "other pods reach none of the listeners",
    ),
    "a policy for a configuration that the chart does not see": (
        None,
        ["sidebus.existingConfig.secret=gateway", "networkPolicy.enabled=true"],
        "networkPolicy.kafka.ports: say them",
    ),
    "two monitors": (
        "deployment",
        ["podMonitor.enabled=true", "serviceMonitor.enabled=true"],
        "enable one of them",
    ),
    "a ServiceMonitor for a sidecar": (
        "sidecar",
        ["podMonitor.enabled=false", "serviceMonitor.enabled=true"],
        "have no Service",
    ),
    "fewest pods above most": (
        "deployment",
        ["autoscaling.minReplicas=7"],
        "minReplicas is larger than maxReplicas",
    ),
    "an alert that does not exist": (
        "monitoring",
        ["prometheusRule.disabled[0]=SidebusDow"],
        'there is no alert "SidebusDow"',
    ),
    "a runbook's page with an anchor": (
        "monitoring",
        ["prometheusRule.runbookUrl=https://example.com/a#b"],
        "/prometheusRule/runbookUrl",
    ),
}


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("wrong", REFUSED)
def test_refused(wrong, program):
    case, settings, message = REFUSED[wrong]
    flags = ["--values", CASES[case][1]] if case else []
    flags += [part for setting in settings for part in ("--set", setting)]

    answer = template(CHART, *flags, program=program)

    assert answer.returncode != 0
    assert message in answer.stderr


def test_all_problems_are_told_at_once():
    answer = template(
        CHART, "--set", "sidebus.image.tag=v1", "--set", "sidebus.image.digest=sha256:" + "0" * 64
    )

    assert "tag and digest are both set" in answer.stderr
    assert "sidebus.config.broker: is required" in answer.stderr
    assert "other pods reach none of the listeners" in answer.stderr


def test_a_password_can_be_insisted_on():
    answer = template(
        *(CHART, "-f", CASES["sidecar"][1], "--set", "sidebus.allowInsecureValues=true"),
        *("--set", "sidebus.config.broker.kafka.properties.sasl\\.password=hunter2"),
    )

    assert answer.returncode == 0, answer.stderr


# --- warnings -------------------------------------------------------------------------------------

WARNINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: warnings}
data: {json: {{ include "sidebus-chart.warnings" . | quote }}}
"""


def warnings(case, tmp_path, *settings):
    """What NOTES.txt warns of."""
    probe = tmp_path / "values.yaml"
    probe.write_text(json.dumps({"extraObjects": [WARNINGS]}))
    flags = [part for setting in settings for part in ("--set", setting)]
    answer = template(CHART, "-f", CASES[case][1], "-f", probe, *flags)
    assert answer.returncode == 0, answer.stderr
    data = next(
        one["data"] for one in parse(answer.stdout) if one["metadata"]["name"] == "warnings"
    )
    return json.loads(data["json"])["warnings"]


WARNED = {
    "a tag": ("deployment", [], "image.digest is not set"),
    "a listener without TLS": ("deployment", [], "0.0.0.0:7420 has no TLS"),
    "no memory limit": ("sidecar", ["sidebus.resources.limits=null"], "no memory limit"),
    "no requests": ("sidecar", ["sidebus.resources.requests=null"], "no requests"),
    "a memory limit that is too small": (
        "sidecar",
        ["sidebus.config.limits.memory=1GiB"],
        "192Mi is less than config.limits.memory (1GiB)",
    ),
    "reflection": ("sidecar-embedded", [], "reflection is on"),
    "the embedded broker": ("sidecar-embedded", [], "forgets them"),
    "a plain container": ("sidecar-plain", [], "sidebus.native is off"),
    "an existing configuration": ("existing-config", [], "the chart does not see the file"),
    "more pods than partitions": ("deployment-everything", [], "do not make its group faster"),
    "passwords": ("sidecar", ["sidebus.allowInsecureValues=true"], "are in a ConfigMap"),
}


def notes(case):
    """What a person reads after the installation. Only helm 4 says it without a cluster."""
    answer = helm("install", "r", CHART, "-f", CASES[case][1], "--dry-run=client")
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.partition("\nNOTES:\n")[2]


def test_notes_say_how_to_go_on():
    assert "SIDEBUS_ENDPOINT=r-sidebus.default.svc:7420" in notes("deployment")
    assert "logs deployment/r-sidebus -c app" in notes("sidecar")
    assert "There is no gateway in this release" in notes("monitoring")


def test_notes_warn():
    assert "\nWARNING: sidebus.config.listen: 0.0.0.0:7420 has no TLS" in notes("deployment")
    assert "WARNING" not in notes("monitoring")


@pytest.mark.parametrize("reason", WARNED)
def test_warned(reason, tmp_path):
    case, settings, message = WARNED[reason]

    assert any(message in one for one in warnings(case, tmp_path, *settings))


def test_good_values_are_not_warned_of(tmp_path):
    digest = "sidebus.image.digest=sha256:" + "0" * 64

    assert warnings("sidecar", tmp_path, digest) == []
    assert warnings("monitoring", tmp_path) == []


@pytest.mark.parametrize(
    ("limit", "budget", "warned"),
    [("192Mi", "128MiB", False), ("191Mi", "128MiB", True), ("1Gi", "960MiB", False)],
)
def test_units_are_understood(tmp_path, limit, budget, warned):
    settings = [
        f"sidebus.resources.limits.memory={limit}",
        f"sidebus.config.limits.memory={budget}",
    ]

    found = warnings("sidecar", tmp_path, *settings)

    assert any("is less than" in one for one in found) == warned


# --- descriptions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chart", [CHART, LIBRARY], ids=lambda chart: chart.name)
def test_every_value_says_what_it_is(chart):
    assert len(documented_values(chart)) > 20
    assert undocumented_values(chart) == []


def test_a_value_that_does_not_say_what_it_is_is_found(tmp_path):
    (tmp_path / "values.yaml").write_text(
        "# -- All of it.\none: {two: 3}\nfour:\n  # -- Five.\n  five: {}\n  # Six.\n  six: {}\n"
        "seven: []\n"
    )

    assert undocumented_values(tmp_path) == ["four.six", "seven"]
