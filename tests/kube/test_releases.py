"""What helm installs, upgrades, rolls back and uninstalls is in the cluster as it was asked for."""

import json

import pytest
from api_server import missing
from charts import CASES, CHART, HELMS, as_text, parse, template

KINDS = [
    "configmaps",
    "daemonsets",
    "deployments",
    "horizontalpodautoscalers",
    "networkpolicies",
    "poddisruptionbudgets",
    "podmonitors",
    "pods",
    "prometheusrules",
    "secrets",
    "serviceaccounts",
    "servicemonitors",
    "services",
]
CLUSTER_KINDS = [
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
]

# What an upgrade changes, where there is no gateway.
CHANGES = {"monitoring": "podMonitor.interval=17s"}


class Release:
    """A release in a namespace of its own."""

    def __init__(self, server, program):
        self._server = server
        self._program = program
        self._name = f"events-{program}"
        self._namespace = server.new_namespace()

    def helm(self, verb, *arguments, program=None):
        answer = self._server.helm(
            *(program or self._program, verb, self._name, *arguments),
            *("--namespace", self._namespace),
        )
        assert answer.returncode == 0, answer.stderr
        said = [line for line in answer.stderr.splitlines() if "found symbolic link" not in line]
        assert said == []  # also of the API server
        return answer.stdout

    def kubectl(self, *arguments, **options):
        answer = self._server.kubectl(*arguments, "--namespace", self._namespace, **options)
        assert answer.returncode == 0, answer.stderr

    def asked(self, case, *flags):
        """{(kind, name): object} that a case makes, without those of `helm test`."""
        chart, values = CASES[case]
        answer = template(
            *(chart, "--values", values, *flags, "--namespace", self._namespace),
            program=self._program,
            kubernetes=self._server.version,
            release=self._name,
        )
        assert answer.returncode == 0, answer.stderr
        return {
            (one["kind"], one["metadata"]["name"]): one
            for one in parse(answer.stdout)
            if "helm.sh/hook" not in one["metadata"].get("annotations", {})
        }

    def found(self):
        """{(kind, name): object} that the cluster has."""
        mine = f"--selector=app.kubernetes.io/instance={self._name}"
        return self._server.all(KINDS, "--namespace", self._namespace) | self._server.all(
            CLUSTER_KINDS, mine
        )


def assert_same(found, asked):
    """The cluster has these objects and no others; the server added only defaults."""
    assert found.keys() == asked.keys()
    for key, wanted in asked.items():
        assert missing(found[key], wanted, "/".join(key)) == []


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("case", CASES)
def test_a_release_is_what_was_asked_for_all_its_life(server, case, program):
    release = Release(server, program)
    chart, values = CASES[case]
    change = ["--set", CHANGES.get(case, "sidebus.resources.limits.memory=320Mi")]
    before, after = release.asked(case), release.asked(case, *change)
    assert before != after

    release.helm("install", chart, "--values", values)
    assert_same(release.found(), before)

    release.helm("upgrade", chart, "--values", values, *change)
    assert_same(release.found(), after)

    release.helm("rollback", "1")
    assert_same(release.found(), before)

    assert "STATUS: deployed\nREVISION: 3\n" in release.helm("status")
    release.helm("uninstall")
    assert release.found() == {}


@pytest.mark.parametrize("program", HELMS)
def test_what_an_upgrade_no_longer_asks_for_is_gone(server, program):
    release = Release(server, program)
    values = ["--values", CASES["sidecar"][1]]
    less = ["--set", "podMonitor.enabled=false,networkPolicy.enabled=false"]

    release.helm("install", CHART, *values)
    release.helm("upgrade", CHART, *values, *less)

    kept = release.asked("sidecar", *less)
    assert release.asked("sidecar").keys() - kept.keys() == {
        ("PodMonitor", f"events-{program}-sidebus"),
        ("NetworkPolicy", f"events-{program}-sidebus"),
    }
    assert_same(release.found(), kept)


MODES = ["deployment", "daemonset", "sidecar"]


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize(
    ("one", "other"), [(one, other) for one in MODES for other in MODES if one != other]
)
def test_a_release_can_change_its_mode(server, one, other, program):
    release = Release(server, program)

    release.helm("install", CHART, "--values", CASES[one][1])
    release.helm("upgrade", CHART, "--values", CASES[other][1])

    assert_same(release.found(), release.asked(other))


@pytest.mark.parametrize("program", HELMS)
def test_what_the_server_refuses_is_not_installed(server, program):
    release = Release(server, program)
    flags = ["--values", CASES["deployment"][1], "--set", "podLabels.team=no label!"]

    with pytest.raises(AssertionError, match='Invalid value: "no label!"'):
        release.helm("install", CHART, *flags)

    assert ("Deployment", f"events-{program}-sidebus") not in release.found()


BAD_DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad}
spec:
  selector: {matchLabels: {app: bad}}
  template:
    metadata: {labels: {app: bad}}
    spec: {containers: [{name: bad, image: bad}]}
"""


@pytest.mark.parametrize("program", HELMS)
def test_a_warning_of_the_server_would_be_seen(server, program, tmp_path):
    release = Release(server, program)
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps({"extraObjects": [BAD_DEPLOYMENT]}))

    with pytest.raises(AssertionError, match="Warning: would violate PodSecurity"):
        release.helm("install", CHART, "--values", CASES["deployment"][1], "--values", values)


# --- what the README says of upgrades -------------------------------------------------------------


@pytest.mark.parametrize("program", HELMS)
def test_headless_is_said_at_the_installation(server, program):
    release = Release(server, program)
    values = ["--values", CASES["deployment"][1]]
    release.helm("install", CHART, *values)

    with pytest.raises(AssertionError, match="may not change once set"):
        release.helm("upgrade", CHART, *values, "--set", "service.headless=true")


AUTOSCALED = ["--set", "autoscaling.enabled=true"]


def replicas(release):
    (deployment,) = [one for (kind, _), one in release.found().items() if kind == "Deployment"]
    return deployment["spec"]["replicas"]


@pytest.mark.parametrize("program", HELMS)
def test_autoscaling_that_comes_later_begins_with_one_pod(server, program):
    release = Release(server, program)
    values = ["--values", CASES["deployment"][1]]
    release.helm("install", CHART, *values)
    assert replicas(release) == 2

    release.helm("upgrade", CHART, *values, *AUTOSCALED)

    assert replicas(release) == 1


@pytest.mark.parametrize("program", HELMS)
def test_or_with_the_pods_that_are_there_after_somebody_has_scaled_them(server, program):
    release = Release(server, program)
    values = ["--values", CASES["deployment"][1]]
    release.helm("install", CHART, *values)

    release.kubectl("scale", "deployment", f"events-{program}-sidebus", "--replicas=3")
    release.helm("upgrade", CHART, *values, *AUTOSCALED, "--server-side=true", program="helm4")
    assert replicas(release) == 3

    for later in HELMS:
        change = ["--set", f"podLabels.change={later}"]
        release.helm("upgrade", CHART, *values, *AUTOSCALED, *change, program=later)
        assert replicas(release) == 3


def test_so_do_those_of_a_rendering_that_the_server_applies(server):
    release = Release(server, "helm4")

    def apply(*flags):
        text = as_text(release.asked("deployment", *flags).values())
        release.kubectl("apply", "--server-side", "--filename", "-", input=text)

    apply()
    release.kubectl("scale", "deployment", "events-helm4-sidebus", "--replicas=3")
    apply(*AUTOSCALED)

    assert replicas(release) == 3
