"""A namespace under the Pod Security Standard "restricted" takes our pods, and refuses others."""

import copy

import pytest
from api_server import deployment
from charts import CASES, KUSTOMIZE, MANIFESTS, kustomized, objects, parse, pods
from kubernetes import breaches

SOURCES = {case: objects(case) for case in CASES} | {
    path.name: parse(path.read_text()) for path in MANIFESTS
}
SOURCES["kustomize"] = kustomized(KUSTOMIZE / "example")
PODS = [
    pytest.param(pod, id=f"{source}/{name}")
    for source, documents in SOURCES.items()
    for name, pod in pods(documents).items()
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
    pod = copy.deepcopy(pods(SOURCES["sidecar"])["r-sidebus"])
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
    bad = deployment("bad", spoilt(be_root)["spec"])

    answer = server.dry_run([bad], restricted)

    assert answer.returncode == 0, answer.stderr
    assert 'Warning: would violate PodSecurity "restricted:latest"' in answer.stderr
