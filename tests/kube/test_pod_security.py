"""A namespace under the Pod Security Standard "restricted" takes our pods, and refuses others."""

import copy

import pytest
from api_server import kustomized
from charts import CASES, ROOT, objects, parse
from kubernetes import breaches


def pods(documents):
    """A Pod for each that the objects make, as a controller would make it."""
    for one in documents:
        template = one if one["kind"] == "Pod" else one.get("spec", {}).get("template")
        if template:
            metadata = template.get("metadata", {})
            kept = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
            yield {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": one["metadata"]["name"], **kept},
                "spec": template["spec"],
            }


SOURCES = {case: objects(case) for case in CASES} | {
    path.name: parse(path.read_text()) for path in sorted((ROOT / "deploy/manifests").glob("*"))
}
SOURCES["kustomize"] = kustomized(ROOT / "deploy/kustomize/example")
PODS = [
    pytest.param(pod, id=f"{name}/{pod['metadata']['name']}")
    for name, documents in SOURCES.items()
    for pod in pods(documents)
]


@pytest.mark.parametrize("pod", PODS)
def test_a_restricted_namespace_takes_our_pod(server, restricted, pod):
    server.created(pod, restricted)


# --- what is not allowed --------------------------------------------------------------------------


def sidecar(spec):
    return spec["initContainers"][0]


def take_the_hosts_network(spec):
    spec["hostNetwork"] = True


def take_a_folder_of_the_host(spec):
    spec["volumes"].append({"name": "logs", "hostPath": {"path": "/var/log"}})


def allow_escalation(spec):
    del sidecar(spec)["securityContext"]["allowPrivilegeEscalation"]


def keep_capabilities(spec):
    del sidecar(spec)["securityContext"]["capabilities"]


def be_root(spec):
    sidecar(spec)["securityContext"]["runAsUser"] = 0


def have_any_system_call(spec):
    sidecar(spec)["securityContext"]["seccompProfile"] = {"type": "Unconfined"}


def listen_on_the_host(spec):
    sidecar(spec)["ports"][0]["hostPort"] = 7421


PLANTED = [
    take_the_hosts_network,
    take_a_folder_of_the_host,
    allow_escalation,
    keep_capabilities,
    be_root,
    have_any_system_call,
    listen_on_the_host,
]


def spoilt(spoil):
    pod = copy.deepcopy(next(pods(SOURCES["sidecar"])))
    spoil(pod["spec"])
    return pod


@pytest.mark.parametrize("spoil", PLANTED, ids=lambda spoil: spoil.__name__)
def test_a_restricted_namespace_refuses_a_bad_pod_and_so_does_our_own_check(
    server, restricted, spoil
):
    pod = spoilt(spoil)

    answer = server.dry_run([pod], restricted, verb="create")

    assert answer.returncode != 0
    assert 'violates PodSecurity "restricted:latest"' in answer.stderr
    assert breaches(pod["spec"])


def test_a_deployment_of_bad_pods_is_only_warned_of(server, restricted):
    pod = spoilt(be_root)
    labels = {"app": "bad"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bad"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
        },
    }

    answer = server.dry_run([deployment], restricted)

    assert answer.returncode == 0, answer.stderr
    assert 'Warning: would violate PodSecurity "restricted:latest"' in answer.stderr
