"""The charts under test, rendered by the real helm."""

import functools
import json
import os
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/sidebus"
LIBRARY = ROOT / "helm/sidebus-lib"
EXAMPLE = ROOT / "helm/examples/openedx-consumers"
GOLDEN = Path(__file__).resolve().parent / "golden"
MANIFESTS = sorted((ROOT / "deploy/manifests").glob("*.yaml"))
KUSTOMIZE = ROOT / "deploy/kustomize"

TOOLS = Path(os.environ["SIDEBUS_HELM_TOOLS"])
HELMS = ["helm3", "helm4"]
KUBERNETES = ["1.29.0", "1.33.0", "1.37.0"]  # the oldest that is allowed, one between, the newest
INJECTION = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"

# (chart, values file), by a name for tests and files.
CASES = {
    path.name.removesuffix("-values.yaml"): (CHART, path)
    for path in sorted((CHART / "ci").glob("*-values.yaml"))
} | {"openedx-consumers": (EXAMPLE, EXAMPLE / "values.yaml")}


def run(*command, **options):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )


def helm(*arguments, program="helm4"):
    return run(TOOLS / program, *arguments)


def template(chart, *arguments, program="helm4", kubernetes="1.33.0", release="r"):
    """What helm says: `stdout` is the objects, in YAML."""
    return helm(
        *("template", release, chart, "--kube-version", kubernetes, "--api-versions", INJECTION),
        *arguments,
        program=program,
    )


@functools.cache
def rendered(case, program="helm4", kubernetes="1.33.0"):
    """The text of a case."""
    chart, values = CASES[case]
    answer = template(chart, "--values", values, program=program, kubernetes=kubernetes)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast


def parse(text):
    return [document for document in yaml.load_all(text, LOADER) if document]


def as_text(objects):
    """What `parse` makes them of."""
    return "\n---\n".join(map(json.dumps, objects))


def objects(case, **how):
    return parse(rendered(case, **how))


def kustomized(folder):
    """The objects of a kustomization."""
    answer = run(TOOLS / "kubectl", "kustomize", folder)
    assert answer.returncode == 0, answer.stderr
    return parse(answer.stdout)


def of_kind(documents, kind):
    return [document for document in documents if document["kind"] == kind]


def configurations(documents):
    """The data of each ConfigMap that holds a gateway's configuration."""
    data = [one.get("data", {}) for one in of_kind(documents, "ConfigMap")]
    return [one for one in data if "config.yaml" in one]


def pods(documents):
    """{name: Pod} that a controller makes of the objects, with those of `helm test`."""
    made = {}
    for document in documents:
        pod = document if document["kind"] == "Pod" else document.get("spec", {}).get("template")
        if pod:
            name, metadata = document["metadata"]["name"], pod.get("metadata", {})
            kept = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
            made[name] = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, **kept},
                "spec": pod["spec"],
            }
    return made


def pod_specs(documents):
    return {name: pod["spec"] for name, pod in pods(documents).items()}


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def gateway(spec):
    """The gateway's container of a pod; None where it has none."""
    return next((one for one in containers(spec) if one["name"] == "sidebus"), None)
