"""The admission policy puts the gateway into pods that ask for it, and into no others."""

import pytest
from api_server import RESTRICTED, as_text, missing
from charts import ROOT, gateway, objects, pod_specs
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


@pytest.fixture(scope="module")
def namespace(server):
    """Where pods get a gateway if they ask for it; the policy of deploy/manifests is at work."""
    made = server.new_namespace(RESTRICTED | {"sidebus.dev/injection": "enabled"})
    server.apply(MANIFEST)
    eventually(
        lambda: "initContainers" in server.created(pod(), made)["spec"],
        "a pod with a gateway",
        seconds=60,
    )
    yield made
    server.kubectl("delete", "--filename", MANIFEST)


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


def test_a_pod_with_resources_that_are_none_is_refused(server, namespace):
    asked = pod(annotations=WANTED | {"sidebus.dev/memory-limit": "much"})

    answer = server.dry_run([asked], namespace, verb="create")

    assert answer.returncode != 0
    assert "quantities must match" in answer.stderr


def test_pod_security_looks_at_the_pod_with_its_gateway(server, namespace):
    asked = pod(containers=[container("app", securityContext=SAFE | {"runAsUser": 0})])

    answer = server.dry_run([asked], namespace, verb="create")

    assert answer.returncode != 0
    said = answer.stderr.partition('violates PodSecurity "restricted:latest"')[2]
    assert 'container "app" must not set runAsUser=0' in said
    assert "sidebus" not in said
