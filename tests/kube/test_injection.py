"""The admission policy puts the gateway into pods that ask for it, and into no others."""

import pytest
from api_server import RESTRICTED, missing
from charts import CASES, CHART, ROOT, as_text, gateway, objects, pod_specs, template
from waiting import eventually

MANIFEST = ROOT / "deploy/manifests/injection.yaml"
WANTED = {"sidebus.dev/inject": "true"}
SAFE = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
SIDECAR = gateway(pod_specs(objects("sidecar"))["r-sidebus"])
ENDPOINT = {"name": "SIDEBUS_ENDPOINT", "value": "unix:///run/sidebus/sidebus.sock"}
SOCKET = {"name": "sidebus-socket", "mountPath": "/run/sidebus"}


def container(name, **more):
    return {"name": name, "image": f"{name}:1", "securityContext": SAFE} | more


def pod(annotations=WANTED, init=(), containers=("app",), **spec):
    """A pod, as a controller makes it, with containers, by their names or in full."""

    def full(some):
        return [container(one) if isinstance(one, str) else one for one in some]

    spec = {"containers": full(containers)} | spec
    if init:
        spec["initContainers"] = full(init)
    metadata = {"generateName": "app-", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def names(containers):
    return [one["name"] for one in containers]


NO_QUANTITY = {"sidebus.dev/memory-limit": "much"}


def at_work(server, policy, label):
    """A namespace where a policy, of a file, puts gateways into pods, until the test goes on."""
    namespace = server.new_namespace(RESTRICTED | {"sidebus.dev/injection": label})
    server.apply(policy)

    def both():
        bad = server.dry_run([pod(annotations=WANTED | NO_QUANTITY)], namespace, verb="create")
        return "initContainers" in server.created(pod(), namespace)["spec"] and bad.stderr

    eventually(both, "a pod with a gateway, and one that cannot have it", seconds=60)
    yield namespace
    server.kubectl("delete", "--filename", policy)


@pytest.fixture(scope="module")
def namespace(server):
    """Where pods get a gateway if they ask for it; the policies of deploy/manifests are at work."""
    yield from at_work(server, MANIFEST, "enabled")


@pytest.fixture(scope="module")
def lenient(server, tmp_path_factory):
    """Where pods that cannot have a gateway start without one."""
    made = template(
        *(CHART, "--values", CASES["injection"][1], "--set", "injection.failurePolicy=Ignore"),
        *("--set", r"injection.namespaceSelector.matchLabels.sidebus\.dev/injection=lenient"),
        release="lenient",
    )
    assert made.returncode == 0, made.stderr
    policy = tmp_path_factory.mktemp("lenient") / "policy.yaml"
    policy.write_text(made.stdout)
    yield from at_work(server, policy, "lenient")


def test_a_pod_without_init_containers_gets_the_charts_sidecar(server, namespace):
    made = server.created(pod(), namespace)

    (sidecar,) = made["spec"]["initContainers"]
    assert missing(sidecar, SIDECAR, "sidecar") == []
    assert made["metadata"]["labels"] == {"sidebus.dev/gateway": "sidebus"}


def test_the_gateway_is_before_init_containers_that_are_there(server, namespace):
    made = server.created(pod(init=["migrate", "warm-up"]), namespace)

    assert names(made["spec"]["initContainers"]) == ["sidebus", "migrate", "warm-up"]
    assert missing(made["spec"]["initContainers"][0], SIDECAR, "sidecar") == []


def test_all_other_containers_find_the_gateway(server, namespace):
    asked = pod(init=["migrate"], containers=["app", "worker"])

    spec = server.created(asked, namespace)["spec"]

    others = spec["initContainers"][1:] + spec["containers"]
    assert names(others) == ["migrate", "app", "worker"]
    assert [one["env"] for one in others] == [[ENDPOINT]] * 3
    assert [one["volumeMounts"] for one in others] == [[SOCKET]] * 3


@pytest.mark.parametrize(
    "own",
    [{"value": "gateway:7420"}, {"valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}],
    ids=["a value", "a value from elsewhere"],
)
def test_a_container_with_an_endpoint_of_its_own_keeps_it(server, namespace, own):
    endpoint = {"name": "SIDEBUS_ENDPOINT"} | own
    other = container("migrate", env=[endpoint])
    asked = pod(init=[other], containers=[container("app", env=[endpoint]), "worker"])

    spec = server.created(asked, namespace)["spec"]

    _, migrate, app, worker = spec["initContainers"] + spec["containers"]
    assert missing(migrate["env"], [endpoint], "migrate") == []
    assert missing(app["env"], [endpoint], "app") == []
    assert worker["env"] == [ENDPOINT]
    assert app["volumeMounts"] == [SOCKET]


@pytest.mark.parametrize("path", ["/run/sidebus", "/run/sidebus/"])
def test_a_container_with_a_mount_of_its_own_at_the_sockets_path_keeps_it(server, namespace, path):
    mount = {"name": "node", "mountPath": path}
    other = container("migrate", volumeMounts=[mount])
    asked = pod(
        init=[other],
        containers=[container("app", volumeMounts=[mount]), "worker"],
        volumes=[{"name": "node", "emptyDir": {}}],
    )

    spec = server.created(asked, namespace)["spec"]

    _, migrate, app, worker = spec["initContainers"] + spec["containers"]
    assert migrate["volumeMounts"] == app["volumeMounts"] == [mount]
    assert worker["volumeMounts"] == [SOCKET]


def test_what_the_pod_says_itself_stays(server, namespace):
    asked = pod(
        annotations=WANTED | {"example.com/owner": "shop"},
        init=[container("migrate", args=["migrate"])],
        containers=[
            container(
                "app",
                command=["shop"],
                env=[{"name": "SHOP", "value": "1"}],
                ports=[{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
            )
        ],
        volumes=[{"name": "data", "emptyDir": {}}],
        securityContext={"fsGroup": 1000, "runAsGroup": 1000},
        terminationGracePeriodSeconds=45,
    )
    asked["metadata"]["labels"] = {"app": "shop"}

    made = server.created(asked, namespace)

    spec = made["spec"]
    app = spec["containers"][0]
    assert {one["name"] for one in spec["volumes"]} == {
        *("data", "sidebus-config", "sidebus-socket", "sidebus-admin"),
    }
    assert {one["name"] for one in app["env"]} == {"SHOP", "SIDEBUS_ENDPOINT"}
    assert {one["mountPath"] for one in app["volumeMounts"]} == {"/data", "/run/sidebus"}
    # Lists have more now: the rest is as it was.
    for part in (spec, asked["spec"]):
        del part["volumes"], part["containers"][0]["env"], part["containers"][0]["volumeMounts"]
    spec["initContainers"].pop(0)
    assert missing(made, asked, "pod") == []


def test_files_can_be_opened_by_the_application(server, namespace):
    made = server.created(pod(), namespace)

    assert made["spec"]["securityContext"]["fsGroup"] == 65532


def test_the_volumes_are_those_that_the_gateway_mounts(server, namespace):
    spec = server.created(pod(), namespace)["spec"]

    volumes = {one["name"]: one for one in spec["volumes"]}
    assert volumes.keys() == {one["name"] for one in SIDECAR["volumeMounts"]}
    assert volumes["sidebus-config"]["configMap"]["name"] == "sidebus"
    memory = {"medium": "Memory", "sizeLimit": "1Mi"}
    assert volumes["sidebus-socket"]["emptyDir"] == memory
    assert volumes["sidebus-admin"]["emptyDir"] == memory


def test_annotations_say_configuration_resources_and_log_level(server, namespace):
    asked = pod(
        annotations=WANTED
        | {
            "sidebus.dev/config": "shop-events",
            "sidebus.dev/cpu-request": "250m",
            "sidebus.dev/memory-limit": "512Mi",
            "sidebus.dev/log-level": "debug",
        }
    )

    spec = server.created(asked, namespace)["spec"]

    sidecar = spec["initContainers"][0]
    config = next(one for one in spec["volumes"] if one["name"] == "sidebus-config")
    assert config["configMap"]["name"] == "shop-events"
    assert sidecar["resources"] == {
        "requests": {"cpu": "250m", "memory": "64Mi"},
        "limits": {"memory": "512Mi"},
    }
    assert sidecar["args"] == [*SIDECAR["args"], "--log-level=debug"]


LEFT_ALONE = {
    "it says false": pod(annotations={"sidebus.dev/inject": "false"}),
    "it has other annotations": pod(annotations={"example.com/owner": "shop"}),
    "it has no annotations": pod(annotations=None),
    "it has a gateway": pod(init=[container("sidebus", restartPolicy="Always"), "migrate"]),
    "it has a gateway behind": pod(init=["migrate", container("sidebus", restartPolicy="Always")]),
    "it has a gateway beside": pod(containers=["app", "sidebus"]),
}


@pytest.mark.parametrize("reason", LEFT_ALONE)
def test_a_pod_is_left_alone(server, namespace, reason):
    asked = LEFT_ALONE[reason]
    spec = asked["spec"]

    made = server.created(asked, namespace)

    assert names(made["spec"].get("initContainers", [])) == names(spec.get("initContainers", []))
    assert names(made["spec"]["containers"]) == names(spec["containers"])
    assert "labels" not in made["metadata"]
    assert not any("env" in one for one in made["spec"]["containers"])
    assert "volumes" not in made["spec"]


def test_a_pod_of_another_namespace_is_left_alone(server, namespace, restricted):
    made = server.created(pod(), restricted)

    assert "initContainers" not in made["spec"]


def test_a_pod_that_was_injected_is_not_injected_again(server, namespace):
    once = server.created(pod(init=["migrate"]), namespace)
    for key in ("uid", "creationTimestamp"):
        del once["metadata"][key]

    twice = server.created(once, namespace)

    assert twice["spec"] == once["spec"]


def test_a_pod_that_is_there_can_be_changed(server, namespace):
    """What is kept has one gateway, and an update adds none."""
    asked = pod()
    asked["metadata"]["name"] = "kept"
    answer = server.kubectl(
        *("create", "--namespace", namespace, "--filename", "-"), input=as_text([asked])
    )
    assert answer.returncode == 0, answer.stderr

    changed = server.kubectl("label", "--namespace", namespace, "pod", "kept", "team=shop")

    assert changed.returncode == 0, changed.stderr
    kept = server.all(["pods"], "--namespace", namespace)["Pod", "kept"]
    assert names(kept["spec"]["initContainers"]) == ["sidebus"]
    assert kept["metadata"]["labels"] == {"sidebus.dev/gateway": "sidebus", "team": "shop"}


# (pod, what is said)
IMPOSSIBLE = {
    f"a volume {volume['name']} of its own": (
        pod(volumes=[volume]),
        f"the pod has a volume {volume['name']} of its own",
    )
    for volume in [
        {"name": "sidebus-config", "configMap": {"name": "apps-own"}},
        {"name": "sidebus-socket", "persistentVolumeClaim": {"claimName": "apps-own"}},
        {"name": "sidebus-admin", "emptyDir": {}},
    ]
} | {
    f"no {name}": (
        pod(annotations=WANTED | {f"sidebus.dev/{name}": "much"}),
        f"annotation sidebus.dev/{name}: much is no quantity",
    )
    for name in ("cpu-request", "memory-limit")
}


@pytest.mark.parametrize("reason", IMPOSSIBLE)
def test_a_pod_that_cannot_have_a_gateway_is_refused(server, namespace, reason):
    asked, said = IMPOSSIBLE[reason]

    answer = server.dry_run([asked], namespace, verb="create")

    assert answer.returncode != 0
    assert f"denied request: {said}" in answer.stderr


@pytest.mark.parametrize("reason", IMPOSSIBLE)
def test_or_starts_without_one_where_failures_are_ignored(server, lenient, reason):
    asked, said = IMPOSSIBLE[reason]

    answer = server.dry_run([asked], lenient, verb="create")

    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.startswith("Warning: ")
    assert said in answer.stderr


def test_a_gateway_with_less_memory_than_it_requests_is_refused(server, lenient):
    """By what Kubernetes says of any container, so that failures are not ignored there."""
    asked = pod(annotations=WANTED | {"sidebus.dev/memory-limit": "1Mi"})

    answer = server.dry_run([asked], lenient, verb="create")

    assert answer.returncode != 0
    assert "must be less than or equal to memory limit of 1Mi" in answer.stderr


def test_pod_security_looks_at_the_pod_with_its_gateway(server, namespace):
    asked = pod(containers=[container("app", securityContext=SAFE | {"runAsUser": 0})])

    answer = server.dry_run([asked], namespace, verb="create")

    assert answer.returncode != 0
    said = answer.stderr.partition('violates PodSecurity "restricted:latest"')[2]
    assert 'container "app" must not set runAsUser=0' in said
    assert "sidebus" not in said
