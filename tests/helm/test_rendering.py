"""Every values file of the charts renders as expected, with each helm, for each Kubernetes."""

import shutil
from types import SimpleNamespace

import pytest
from charts import (
    CASES,
    CHART,
    EXAMPLE,
    HELMS,
    KUBERNETES,
    gateway,
    helm,
    objects,
    of_kind,
    pod_specs,
    rendered,
    template,
)
from expected import BINARY, LIBRARY, files
from kubernetes import problems

# The policy is of 1.36. Older clusters do not have it, and the chart says so there.
SINCE = {"injection": "1.37.0"}


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("case", CASES)
def test_lint_finds_nothing(case, program):
    chart, values = CASES[case]

    answer = helm("lint", "--strict", "--quiet", chart, "--values", values, program=program)

    if case == "injection":  # lint cannot be told what a cluster has
        assert "the cluster has no" in answer.stdout + answer.stderr
    else:
        assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("case", CASES)
def test_the_objects_are_valid(case, kubernetes):
    version = SINCE.get(case, kubernetes)

    texts = [rendered(case, program=program, kubernetes=version) for program in HELMS]

    assert problems("\n---\n".join(texts), version) == []


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("case", CASES)
def test_both_helms_make_the_same(case, kubernetes):
    one, other = (objects(case, program=program, kubernetes=kubernetes) for program in HELMS)

    assert one == other


@pytest.mark.parametrize("path", files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_made_from_the_charts_is_up_to_date(path):
    if path == LIBRARY / "values.schema.json" and not BINARY:
        pytest.skip("needs the gateway: ./dev build")

    assert path.read_text() == files()[path](), "if this is wanted: ./dev helm --update"


@pytest.mark.parametrize("chart", [CHART, EXAMPLE], ids=lambda chart: chart.name)
def test_a_packaged_chart_has_all_it_needs(chart, tmp_path):
    packaged = helm("package", chart, "--destination", tmp_path)
    assert packaged.returncode == 0, packaged.stderr
    archive = next(tmp_path.glob("*.tgz"))
    case = next(name for name, (of, _) in CASES.items() if of == chart)

    answer = template(archive, "--values", CASES[case][1])

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == rendered(case)


def test_a_chart_of_ones_own_can_fetch_the_library(tmp_path):
    shutil.copytree(LIBRARY, tmp_path / "sidebus-lib")
    chart = tmp_path / "examples/app"
    shutil.copytree(EXAMPLE, chart, ignore=shutil.ignore_patterns("charts"))

    built = helm("dependency", "build", chart)

    assert built.returncode == 0, built.stderr
    assert template(chart).stdout == rendered("openedx-consumers")


@pytest.mark.parametrize("program", HELMS)
def test_a_kubernetes_without_native_sidecars_is_refused(program):
    values = CASES["sidecar"][1]

    answer = template(CHART, "--values", values, kubernetes="1.28.0", program=program)

    assert answer.returncode != 0
    assert "kubeVersion" in answer.stderr


def test_injection_is_refused_where_the_policy_does_not_exist():
    answer = helm(
        *("template", "r", CHART, "--values", CASES["injection"][1]),
        *("--kube-version", "1.33.0"),
        program="helm3",
    )

    assert answer.returncode != 0
    assert "the cluster has no admissionregistration.k8s.io/v1" in answer.stderr


def test_the_container_that_a_policy_injects_is_the_sidecar():
    policy = of_kind(objects("injection"), "MutatingAdmissionPolicy")[0]["spec"]
    expression = next(
        one["expression"] for one in policy["variables"] if one["name"] == "container"
    )
    variables = SimpleNamespace(
        args=["serve", "--config=/etc/sidebus/config.yaml"],
        requests={"cpu": "50m", "memory": "64Mi"},
        limits={"memory": "224Mi"},
    )
    cel = {"variables": variables, "dyn": lambda value: value, "true": True, "false": False}

    injected = eval(expression, cel)  # this much of CEL is Python

    spec = pod_specs(objects("sidecar"))["r-sidebus"]
    assert injected == gateway(spec)
