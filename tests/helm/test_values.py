"""Values that are wrong are refused with a message that says how to mend them."""

import json
import re
import shutil

import pytest
from charts import CASES, CHART, EXAMPLE, HELMS, LIBRARY, ROOT, helm, parse, template
from expected import documented_values, undocumented_values

BIG = "x" * 100
PROPERTIES = "sidebus.config.broker.kafka.properties."
ROUTES = "sidebus.config.routes.example\\.created.examples"

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
    "a listener that other machines reach": (
        "sidecar",
        ["sidebus.config.listen[0]=0.0.0.0:7420"],
        'say {address: "0.0.0.0:7420", allow_insecure: true}',
    ),
    "Open edX's encoding without a schema registry": (
        "sidecar",
        ["sidebus.config.encoding=openedx"],
        "sidebus.config.encoding: openedx needs a schema registry",
    ),
    "Open edX's encoding of a route without a schema registry": (
        "sidecar",
        [ROUTES + ".encoding=openedx"],
        "routes.example.created.examples.encoding: openedx needs a schema registry",
    ),
    "a producer config that nothing brings": (
        "sidecar",
        ["sidebus.config.producer_config_file=./producer.json"],
        "producer_config_file: nothing brings ./producer.json",
    ),
    "a schema that nothing brings": (
        "sidecar",
        [ROUTES + ".schema=/etc/sidebus/a.avsc"],
        "schema: nothing brings /etc/sidebus/a.avsc",
    ),
    "a directory that nothing brings": (
        "deployment-everything",
        ["sidebus.config.schemas.directory=schema"],
        "schemas.directory: nothing brings schema; put it into sidebus.files",
    ),
    "a route without a key": (
        "sidecar",
        ["sidebus.config.producer_config.a.b.enabled=true"],
        'producer_config.a.b: event_key_field is missing; "" means no key',
    ),
    "a route that does not say whether it is enabled": (
        "sidecar",
        ["sidebus.config.producer_config.a.b.event_key_field=id"],
        "producer_config.a.b: enabled is missing",
    ),
    "a route that is enabled in words": (
        "sidecar",
        [
            "sidebus.config.producer_config.a.b.event_key_field=id",
            "sidebus.config.producer_config.a.b.enabled=yes",
        ],
        'producer_config.a.b.enabled: "yes" is text',
    ),
    "a route that is a text": ("sidecar", ["sidebus.config.producer_config.a.b=c"], "want object"),
    "a key that is a number": (
        "sidecar",
        ["sidebus.config.producer_config.a.b.event_key_field=1"],
        "event_key_field",
    ),
    "a password in an address": (
        "sidecar",
        ["sidebus.config.schema_registry.url=http://user:pw@registry:8081"],
        "say username_file and password_file",
    ),
    "a passphrase": (
        "sidecar",
        [PROPERTIES + "sasl\\.oauthbearer\\.assertion\\.private\\.key\\.passphrase=x"],
        "put the configuration into a Secret",
    ),
    "a configuration of a login": (
        "sidecar",
        [PROPERTIES + "sasl\\.oauthbearer\\.config=x"],
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


# (values that are not wrong, whatever they look like: a good values file, what is set over it)
ACCEPTED = {
    "a configuration that is unset for another": (
        "deployment",
        ["sidebus.existingConfig.secret=foo", "sidebus.config=null"],
    ),
    "a configuration that is unset for another, behind a policy": (
        "deployment",
        [
            *("sidebus.existingConfig.secret=foo", "sidebus.config=null"),
            *("networkPolicy.enabled=true", "networkPolicy.kafka.ports[0]=9092"),
        ],
    ),
    "an existing configuration that is unset": ("deployment", ["sidebus.existingConfig=null"]),
    "no configuration where there is no gateway": ("injection", ["sidebus.config=null"]),
    "loopback in each way": (
        "sidecar",
        [
            "sidebus.config.listen[0]=127.1.2.3:1",
            "sidebus.config.listen[1]=localhost:2",
            "sidebus.config.listen[2]=[::1]:3",
            "sidebus.config.listen[3]=[0:0:0:0:0:0:0:1]:4",
        ],
    ),
    "a registry's address that a flag says": (
        "sidecar",
        [
            "sidebus.config.encoding=openedx",
            "sidebus.extraArgs[0]=--schema-registry-url=http://registry:8081",
        ],
    ),
    "an @ in the path of a registry": (
        "sidecar",
        ["sidebus.config.schema_registry.url=http://registry:8081/a@b"],
    ),
    "a producer config of a Secret": (
        "sidecar",
        [
            "sidebus.config.producer_config_file=/etc/sidebus-secrets/producer/producer.json",
            "sidebus.secrets[0].name=producer",
            "sidebus.secrets[0].path=/etc/sidebus-secrets/producer",
        ],
    ),
    "a producer config that is a file": (
        "sidecar",
        [
            "sidebus.config.producer_config_file=./producer.json",
            "sidebus.files.producer\\.json=text",
        ],
    ),
    "a producer config that is mounted": (
        "sidecar",
        [
            "sidebus.config.producer_config_file=more/producer.json",
            "sidebus.extraVolumeMounts[0].name=more",
            "sidebus.extraVolumeMounts[0].mountPath=/etc/sidebus/more",
        ],
    ),
    "a directory that files are in": (
        "deployment-everything",
        ["sidebus.config.schemas.directory=./schemas/"],
    ),
    "the directory of the configuration": (
        "deployment-everything",
        ["sidebus.config.schemas.directory=."],
    ),
    "a route that a file completes": (
        "deployment-everything",
        ["sidebus.config.producer_config.a.b.enabled=true"],
    ),
    "an unknown key of a route": (
        "sidecar",
        ["sidebus.config.producer_config.example\\.created.examples.owner=me"],
    ),
}


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("good", ACCEPTED)
def test_accepted(good, program):
    case, settings = ACCEPTED[good]
    flags = [part for setting in settings for part in ("--set", setting)]

    answer = template(CHART, "--values", CASES[case][1], *flags, program=program)

    assert answer.returncode == 0, answer.stderr


def test_a_configuration_without_a_value_is_one_without_keys(tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("mode: sidecar-example\nsidebus:\n  config:\n")

    answer = template(CHART, "--values", values)

    assert "sidebus.config.broker: is required" in answer.stderr


def test_a_secret_is_what_the_gateway_does_not_show():
    source = (ROOT / "server/config/kafka_properties.cc").read_text()
    body = source.partition("bool IsSecretProperty(")[2].partition("\n}")[0]
    (ends,) = re.findall(r"EndsWithAny\(property, {(.*?)}\)", body)
    redacted = {
        *re.findall(r'property\.find\("(.*?)"\)', body),
        *(re.escape(end) + "$" for end in re.findall(r'"(.*?)"', ends)),
    }
    assert len(redacted) == body.count('"') // 2, "the gateway has another way to tell secrets"

    templates = (LIBRARY / "templates/_problems.tpl").read_text()
    (refused,) = re.findall(r'define "sidebus.secretProperty" -}}\n(.*)\n', templates)

    assert set(refused.split("|")) == redacted


# --- the library in a chart of one's own ----------------------------------------------------------


def chart_of_ones_own(folder, change):
    """The example with another Chart.yaml."""
    chart = folder / "app"
    shutil.copytree(EXAMPLE, chart, ignore=shutil.ignore_patterns("charts"))
    shutil.copytree(LIBRARY, chart / "charts/sidebus-lib")
    (chart / "Chart.yaml").write_text(change((EXAMPLE / "Chart.yaml").read_text()))
    return chart


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("config", ["", "sidebus: {config: {}}"])
def test_a_library_without_its_alias_is_told_so(config, program, tmp_path):
    chart = chart_of_ones_own(tmp_path, lambda text: text.replace("    alias: sidebus\n", ""))
    without = (chart / "values.yaml").read_text().partition("\nsidebus:")[0]
    (chart / "values.yaml").write_text(f"{without}\n{config}\n")

    answer = template(chart, program=program)

    assert answer.returncode != 0
    assert "the dependency sidebus-lib needs `alias: sidebus`" in answer.stderr


@pytest.mark.parametrize("program", HELMS)
def test_the_library_refuses_a_kubernetes_without_native_sidecars(program, tmp_path):
    chart = chart_of_ones_own(
        tmp_path, lambda text: text.replace('kubeVersion: ">=1.29.0-0"\n', "")
    )

    native = template(chart, kubernetes="1.28.0", program=program)
    new_enough = template(chart, kubernetes="1.29.0", program=program)
    plain = template(chart, "--set", "sidebus.native=false", kubernetes="1.28.0", program=program)

    assert native.returncode != 0
    assert "a native sidecar needs Kubernetes 1.29 or newer, this is v1.28.0" in native.stderr
    assert new_enough.returncode == 0, new_enough.stderr
    assert plain.returncode == 0, plain.stderr


@pytest.mark.parametrize("program", HELMS)
def test_a_configuration_can_be_unset_in_a_chart_of_ones_own(program):
    answer = template(
        *(EXAMPLE, "--set", "sidebus.existingConfig.secret=foo", "--set", "sidebus.config=null"),
        program=program,
    )

    assert answer.returncode == 0, answer.stderr
    assert "secretName: foo" in answer.stdout


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


IGNORED = ": is for mode deployment, and does nothing in mode"

WARNED = {
    "a tag": ("deployment", [], "image.digest is not set"),
    "a listener without TLS": ("deployment", [], "0.0.0.0:7420 has no TLS"),
    "no memory limit": ("sidecar", ["sidebus.resources.limits=null"], "no memory limit"),
    "no requests": ("sidecar", ["sidebus.resources.requests=null"], "no requests"),
    "a memory limit that is too small": (
        "sidecar",
        ["sidebus.config.limits.memory=1GiB"],
        "224Mi is less than config.limits.memory (1GiB)",
    ),
    "reflection": ("sidecar-embedded", [], "reflection is on"),
    "the embedded broker": ("sidecar-embedded", [], "forgets them"),
    "a plain container": ("sidecar-plain", [], "sidebus.native is off"),
    "an existing configuration": ("existing-config", [], "the chart does not see the file"),
    "more pods than partitions": ("deployment-everything", [], "do not make its group faster"),
    "passwords": ("sidecar", ["sidebus.allowInsecureValues=true"], "are in a ConfigMap"),
    "an image of no registry": ("sidecar", [], "image.repository: sidebus names no registry"),
    "an image of a folder of no registry": (
        "sidecar",
        ["sidebus.image.repository=team/sidebus"],
        "team/sidebus names no registry",
    ),
    "an injected image of no registry": ("injection", [], "sidebus names no registry"),
    "autoscaling of nodes": ("daemonset", ["autoscaling.enabled=true"], IGNORED),
    "autoscaling of an example": ("sidecar", ["autoscaling.enabled=true"], IGNORED),
    "a headless Service of a node": ("daemonset", ["service.headless=true"], IGNORED),
    "a budget of nodes": ("daemonset", ["podDisruptionBudget.enabled=true"], IGNORED),
    "a budget of an example": ("sidecar", ["podDisruptionBudget.enabled=true"], IGNORED),
    "a policy for no pods": ("monitoring", ["networkPolicy.enabled=true"], "mode none has none"),
}


def notes(case, *settings):
    """What a person reads after the installation. Only helm 4 says it without a cluster."""
    flags = [part for setting in settings for part in ("--set", setting)]
    answer = helm("install", "r", CHART, "-f", CASES[case][1], "--dry-run=client", *flags)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.partition("\nNOTES:\n")[2]


def test_notes_say_how_to_go_on():
    assert "SIDEBUS_ENDPOINT=r-sidebus.default.svc:7420" in notes("deployment")
    assert "logs deployment/r-sidebus -c app" in notes("sidecar")
    assert "There is no gateway in this release" in notes("monitoring")


def test_notes_say_how_to_see_the_status_page():
    page = "The status page of a pod, at http://127.0.0.1:7421/"
    command = "\n\n  kubectl -n default port-forward POD 7421\n"

    assert f"{page}, once sidebus.config.admin_pages is true:{command}" in notes("sidecar")
    assert page + ":" + command in notes("sidecar", "sidebus.config.admin_pages=true")
    assert f"{page}, if the configuration says admin_pages: true:{command}" in notes(
        "existing-config"
    )
    assert "status page" not in notes("monitoring")


def test_notes_warn_where_nothing_is_installed():
    nothing = [f"{what}.enabled=false" for what in ("podMonitor", "prometheusRule", "dashboard")]

    assert "WARNING: mode: none installs nothing by itself" in notes("monitoring", *nothing)


def test_notes_warn():
    assert "\nWARNING: sidebus.config.listen: 0.0.0.0:7420 has no TLS" in notes("deployment")
    assert "WARNING" not in notes("monitoring")


@pytest.mark.parametrize("reason", WARNED)
def test_warned(reason, tmp_path):
    case, settings, message = WARNED[reason]

    assert any(message in one for one in warnings(case, tmp_path, *settings))


def test_good_values_are_not_warned_of(tmp_path):
    digest = "sidebus.image.digest=sha256:" + "0" * 64

    for registry in ("registry.example.com", "localhost", "registry:5000"):
        image = f"sidebus.image.repository={registry}/sidebus"
        assert warnings("sidecar", tmp_path, digest, image) == []
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
