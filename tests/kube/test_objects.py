"""The API server takes every object that the charts, the manifests and the component make."""

import copy
import re

import pytest
import yaml
from api_server import deployment
from charts import (
    CASES,
    CHART,
    KUBERNETES,
    KUSTOMIZE,
    MANIFESTS,
    ROOT,
    as_text,
    kustomized,
    of_kind,
    parse,
    template,
)
from kubernetes import problems

TUTOR = ROOT / "deploy/openedx/tutor-sidebus.yml"


def rendered(case, *settings, namespace, kubernetes="1.33.0"):
    """The objects of a case, for a namespace."""
    chart, values = CASES[case]
    flags = [part for setting in settings for part in ("--set", setting)]
    answer = template(
        *(chart, "--values", values, "--namespace", namespace, *flags), kubernetes=kubernetes
    )
    assert answer.returncode == 0, answer.stderr
    return parse(answer.stdout)


def assert_taken(answer, objects):
    """Each of them, without a warning."""
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    assert answer.stdout.count("(server dry run)\n") == len(objects) > 0


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("case", CASES)
def test_it_takes_what_a_chart_renders(server, restricted, case, kubernetes):
    objects = rendered(case, namespace=restricted, kubernetes=kubernetes)

    assert_taken(server.dry_run(objects, restricted), objects)


def test_it_takes_the_monitor_of_the_library(server, restricted):
    objects = rendered("openedx-consumers", "podMonitor=true", namespace=restricted)

    assert of_kind(objects, "PodMonitor")
    assert_taken(server.dry_run(objects, restricted), objects)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_it_takes_a_plain_manifest(server, restricted, path):
    text = path.read_text()

    assert_taken(server.dry_run(text, restricted), parse(text))


def test_it_takes_what_the_component_makes(server, restricted):
    objects = kustomized(KUSTOMIZE / "example")

    assert_taken(server.dry_run(objects, restricted), objects)


# --- Tutor's plugin -------------------------------------------------------------------------------


def patch_of_tutor(name, **values):
    """A patch of the plugin, as Tutor fills it in."""
    plugin = yaml.safe_load(TUTOR.read_text())
    values |= {"DOCKER_IMAGE_OPENEDX": "openedx:1"}
    values |= {f"SIDEBUS_{key}": value for key, value in plugin["config"]["defaults"].items()}
    text = re.sub(r"\{%-.*?%\}", "", plugin["patches"][name])
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: values[match[1]], text)


def test_it_takes_the_consumer_of_tutors_plugin(server):
    namespace = server.new_namespace(labels={})  # Tutor's own pods are not for a restricted one
    objects = parse(patch_of_tutor("k8s-deployments"))

    assert_taken(server.dry_run(objects, namespace), objects)


def test_it_takes_a_service_of_tutor_with_the_plugins_patch(server, tmp_path):
    namespace = server.new_namespace(labels={})
    service = deployment("lms", {"containers": [{"name": "lms", "image": "openedx:1"}]})
    (tmp_path / "service.yaml").write_text(as_text([service]))
    (tmp_path / "patch.yaml").write_text(patch_of_tutor("k8s-override", service="lms"))
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": ["service.yaml"], "patches": [{"path": "patch.yaml"}]})
    )
    objects = kustomized(tmp_path)

    spec = objects[0]["spec"]["template"]["spec"]
    assert [one["name"] for one in spec["initContainers"]] == ["sidebus"]
    assert_taken(server.dry_run(objects, namespace), objects)


# --- what is wrong --------------------------------------------------------------------------------


def pod(objects):
    return of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]


def sidecar(objects):
    return pod(objects)["initContainers"][0]


def misspell_restart_policy(objects):
    sidecar(objects)["restartPolicy"] = "Allways"


def let_the_sidecar_end(objects):
    del sidecar(objects)["restartPolicy"]


def repeat_a_port(objects):
    sidecar(objects)["ports"][1]["name"] = "admin"


def forget_a_volume(objects):
    del pod(objects)["volumes"][0]


def misname_a_probes_port(objects):
    sidecar(objects)["livenessProbe"]["httpGet"]["port"] = "no port's name"


def ask_for_more_than_the_limit(objects):
    sidecar(objects)["resources"] = {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Mi"}}


def select_others(objects):
    of_kind(objects, "Deployment")[0]["spec"]["selector"]["matchLabels"] = {"app": "other"}


def misspell_a_field(objects):
    sidecar(objects)["livenessprobe"] = sidecar(objects).pop("livenessProbe")


# What is done to the objects of the case `sidecar`: (whether schemas see it too, what is said).
PLANTED = {
    misspell_restart_policy: (False, 'Unsupported value: "Allways"'),
    let_the_sidecar_end: (False, "may not be set for init containers without restartPolicy=Always"),
    repeat_a_port: (False, 'Duplicate value: "admin"'),
    forget_a_volume: (False, 'Not found: "sidebus-config"'),
    misname_a_probes_port: (False, "must contain only alpha-numeric characters"),
    ask_for_more_than_the_limit: (False, "must be less than or equal to memory limit of 1Mi"),
    select_others: (False, "`selector` does not match template `labels`"),
    misspell_a_field: (True, 'unknown field "spec.template.spec.initContainers[0].livenessprobe"'),
}


@pytest.mark.parametrize("spoil", PLANTED, ids=lambda spoil: spoil.__name__)
def test_it_refuses_what_is_wrong_and_says_so(server, restricted, spoil):
    seen_by_schemas, message = PLANTED[spoil]
    objects = rendered("sidecar", namespace=restricted)
    spoil(objects)

    answer = server.dry_run(objects, restricted)

    assert answer.returncode != 0
    assert message in answer.stderr
    assert bool(problems(objects, server.version)) == seen_by_schemas


# --- Prometheus' operator -------------------------------------------------------------------------

MONITORS = {
    "PodMonitor": ("monitoring", ["spec", "podMetricsEndpoints", 0]),
    "ServiceMonitor": ("deployment-everything", ["spec", "endpoints", 0]),
    "PrometheusRule": ("deployment-everything", ["spec", "groups", 0, "rules", 0]),
}


@pytest.mark.parametrize("kind", MONITORS)
def test_a_misspelt_field_of_a_monitor_is_refused(server, restricted, kind):
    case, path = MONITORS[kind]
    (good,) = of_kind(rendered(case, namespace=restricted), kind)
    bad = copy.deepcopy(good)
    part = bad
    for step in path:
        part = part[step]
    part["misspelt"] = "x"

    assert_taken(server.dry_run([good], restricted), [good])
    assert problems([good], server.version) == []
    answer = server.dry_run([bad], restricted)

    where = re.sub(r"\.(\d+)", r"[\1]", ".".join(map(str, path)))
    assert answer.returncode != 0
    assert f'unknown field "{where}.misspelt"' in answer.stderr
    (said,) = problems([bad], server.version)
    assert "additional properties 'misspelt' not allowed" in said


def test_the_monitors_are_all_of_those_that_the_charts_make(restricted):
    kinds = {
        one["kind"]
        for case, (chart, _) in CASES.items()
        if chart == CHART
        for one in rendered(case, namespace=restricted)
        if one["apiVersion"].startswith("monitoring.coreos.com/")
    }

    assert kinds == MONITORS.keys()
