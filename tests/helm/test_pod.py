"""The sidecar as operators are promised it, and pods that a restricted namespace takes."""

import json
import re

import pytest
import yaml
from charts import (
    CASES,
    CHART,
    configurations,
    containers,
    gateway,
    objects,
    of_kind,
    parse,
    pod_specs,
    template,
)
from kubernetes import breaches, problems

PODS = [
    pytest.param(spec, id=f"{case}/{name}")
    for case in CASES
    for name, spec in pod_specs(objects(case)).items()
]
GATEWAYS = [param for param in PODS if gateway(param.values[0])]


def container_of(case):
    return next(filter(None, map(gateway, pod_specs(objects(case)).values())))


def test_the_sidecar_is_what_operators_are_promised():
    sidecar = container_of("sidecar")

    assert sidecar == {
        "name": "sidebus",
        "image": "sidebus:0.1.0",
        "restartPolicy": "Always",
        "args": ["serve", "--config=/etc/sidebus/config.yaml"],
        "env": [
            {"name": "SIDEBUS_ADMIN_ENDPOINT", "value": "unix:/run/sidebus-admin/admin.sock"},
            {"name": "SIDEBUS_ENDPOINT", "value": "unix:///run/sidebus/sidebus.sock"},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "ports": [
            {"name": "admin", "containerPort": 7421, "protocol": "TCP"},
            {"name": "probes", "containerPort": 7422, "protocol": "TCP"},
        ],
        "startupProbe": {
            "httpGet": {"path": "/startupz", "port": "probes"},
            "periodSeconds": 1,
            "failureThreshold": 60,
        },
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "probes"},
            "periodSeconds": 5,
            "timeoutSeconds": 2,
            "failureThreshold": 3,
        },
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": "probes"},
            "periodSeconds": 10,
            "timeoutSeconds": 3,
            "failureThreshold": 6,
        },
        "lifecycle": {
            "preStop": {"exec": {"command": ["/usr/local/bin/sidebus", "drain", "--grace=8s"]}}
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "224Mi"},
        },
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "sidebus-config", "mountPath": "/etc/sidebus", "readOnly": True},
            {"name": "sidebus-socket", "mountPath": "/run/sidebus"},
            {"name": "sidebus-admin", "mountPath": "/run/sidebus-admin"},
        ],
    }


@pytest.mark.parametrize("case", ["sidecar", "sidecar-migrations", "openedx-consumers"])
def test_a_native_sidecar_is_the_first_init_container(case):
    specs = [spec for spec in pod_specs(objects(case)).values() if gateway(spec)]

    assert specs
    for spec in specs:
        assert spec["initContainers"][0] == gateway(spec)
        assert spec["initContainers"][0]["restartPolicy"] == "Always"
        assert all("restartPolicy" not in one for one in spec["initContainers"][1:])


@pytest.mark.parametrize("case", ["sidecar-plain", "deployment", "daemonset"])
def test_any_other_gateway_is_a_container_that_waits_for_its_clients(case):
    spec = next(spec for spec in pod_specs(objects(case)).values() if gateway(spec))

    assert gateway(spec) in spec["containers"]
    assert "restartPolicy" not in gateway(spec)
    wanted = {"preStop": {"sleep": {"seconds": 5}}} if case != "daemonset" else None
    assert gateway(spec).get("lifecycle") == wanted


def test_where_kubernetes_cannot_sleep_a_gateway_drains():
    documents = parse(template(CHART, "-f", CASES["deployment"][1], kubernetes="1.29.0").stdout)
    container = next(filter(None, map(gateway, pod_specs(documents).values())))

    hook = container["lifecycle"]["preStop"]["exec"]["command"]
    assert hook == ["/usr/local/bin/sidebus", "drain", "--grace=5s"]


@pytest.mark.parametrize("spec", PODS)
def test_every_pod_is_allowed_in_a_restricted_namespace(spec):
    assert breaches(spec) == []


@pytest.mark.parametrize("spec", PODS)
def test_no_pod_has_a_token_for_kubernetes(spec):
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize("spec", PODS)
def test_every_mount_has_its_volume_and_every_volume_its_mount(spec):
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    mounts = {mount["name"] for one in containers(spec) for mount in one.get("volumeMounts", [])}

    assert mounts == volumes
    for container in containers(spec):
        paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        assert len(paths) == len(set(paths))


@pytest.mark.parametrize("spec", GATEWAYS)
def test_probes_ask_ports_that_the_container_has(spec):
    container = gateway(spec)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert ports[container[probe]["httpGet"]["port"]] == 7422
    assert len(set(ports.values())) == len(ports)


@pytest.mark.parametrize("spec", GATEWAYS)
def test_only_the_gateway_has_the_socket_of_operators(spec):
    for container in containers(spec):
        having = "sidebus-admin" in {mount["name"] for mount in container["volumeMounts"]}
        assert having == (container == gateway(spec))


@pytest.mark.parametrize("case", ["sidecar", "sidecar-migrations", "openedx-consumers"])
def test_the_application_finds_the_socket(case):
    for spec in pod_specs(objects(case)).values():
        if not gateway(spec):
            continue
        for container in spec["containers"]:
            environment = {one["name"]: one.get("value") for one in container["env"]}
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert environment["SIDEBUS_ENDPOINT"] == "unix:///run/sidebus/sidebus.sock"
            assert mounts["sidebus-socket"] == "/run/sidebus"


def test_an_application_on_the_loopback_finds_the_port():
    spec = pod_specs(objects("sidecar-plain"))["r-sidebus"]

    application = next(one for one in spec["containers"] if one["name"] == "app")

    assert {"name": "SIDEBUS_ENDPOINT", "value": "127.0.0.1:7420"} in application["env"]


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


@pytest.mark.parametrize("case", [case for case in CASES if pod_specs(objects(case))])
def test_hook_and_grace_fit_into_the_end_of_the_pod(case):
    documents = objects(case)
    found = configurations(documents)
    config = yaml.safe_load(found[0]["config.yaml"]) if found else {}
    grace = {"45s": 45, "1m": 60, None: 20}[config.get("shutdown", {}).get("grace")]

    for spec in filter(gateway, pod_specs(documents).values()):
        hook = gateway(spec).get("lifecycle", {}).get("preStop", {"sleep": {"seconds": 0}})
        if "sleep" in hook:
            before = hook["sleep"]["seconds"]
        else:
            before = seconds(hook["exec"]["command"][-1].removeprefix("--grace="))
            assert before >= 1
        assert before + grace + 2 <= spec["terminationGracePeriodSeconds"]


def checksum(*arguments):
    documents = parse(template(CHART, "-f", CASES["sidecar"][1], *arguments).stdout)
    template_ = of_kind(documents, "Deployment")[0]["spec"]["template"]
    return template_["metadata"]["annotations"]["checksum/sidebus-config"]


def test_pods_are_replaced_when_their_configuration_changes_and_only_then():
    before = checksum()

    assert checksum("--set", "replicas=7") == before
    assert checksum("--set", "sidebus.config.source=/other") != before
    assert checksum("--set", "sidebus.files.more=text") != before


def pod_labels(documents):
    """Of the pods of every workload."""
    workloads = of_kind(documents, "Deployment") + of_kind(documents, "DaemonSet")
    return [one["spec"]["template"]["metadata"]["labels"] for one in workloads]


@pytest.mark.parametrize("case", CASES)
def test_selectors_find_the_pods_they_are_for_and_no_pods_of_tests(case):
    documents = objects(case)
    workloads = of_kind(documents, "Deployment") + of_kind(documents, "DaemonSet")
    pods = pod_labels(documents)
    tests = [one["metadata"]["labels"] for one in of_kind(documents, "Pod")]
    selectors = [one["spec"]["selector"]["matchLabels"] for one in workloads]
    selectors += [one["spec"]["selector"] for one in of_kind(documents, "Service")]
    for kind, key in [
        ("PodDisruptionBudget", "selector"),
        ("PodMonitor", "selector"),
        ("NetworkPolicy", "podSelector"),
    ]:
        found = [one["spec"][key] for one in of_kind(documents, kind)]
        selectors += [one["matchLabels"] for one in found if "matchLabels" in one]

    for selector in selectors:
        assert any(selector.items() <= labels.items() for labels in pods)
        assert not any(selector.items() <= labels.items() for labels in tests)


def test_a_monitor_without_gateways_is_for_those_of_the_whole_cluster():
    (monitor,) = of_kind(objects("monitoring"), "PodMonitor")
    injection = parse(
        template(CHART, "-f", CASES["injection"][1], "--set", "podMonitor.enabled=true").stdout
    )
    expression = of_kind(injection, "MutatingAdmissionPolicy")[0]["spec"]["mutations"][0]
    expression = expression["applyConfiguration"]["expression"]

    assert monitor["spec"]["namespaceSelector"] == {"any": True}
    assert monitor["spec"]["selector"] == {
        "matchExpressions": [{"key": "sidebus.dev/gateway", "operator": "Exists"}]
    }
    assert of_kind(injection, "PodMonitor")[0]["spec"] == monitor["spec"]
    labels = json.loads(re.search(r"metadata: Object.metadata{\s*labels: ({.*?})", expression)[1])
    assert labels.keys() == {"sidebus.dev/gateway"}
    gateways = [*pod_labels(objects("sidecar")), *pod_labels(objects("deployment"))]
    assert all("sidebus.dev/gateway" in one for one in gateways)


def test_a_policy_leaves_pods_alone_that_have_a_gateway_of_either_kind():
    policy = of_kind(objects("injection"), "MutatingAdmissionPolicy")[0]["spec"]
    conditions = {one["name"]: one["expression"] for one in policy["matchConditions"]}

    assert conditions["not-yet"] == (
        "(!has(object.spec.initContainers)"
        " || !object.spec.initContainers.exists(c, c.name == 'sidebus'))"
        " && !object.spec.containers.exists(c, c.name == 'sidebus')"
    )


def test_a_chart_of_ones_own_is_scraped_where_it_says_so():
    chart, _ = CASES["openedx-consumers"]
    documents = parse(template(chart, "--set", "podMonitor=true").stdout)
    (monitor,) = of_kind(documents, "PodMonitor")
    pods = pod_labels(documents)

    assert problems([monitor], "1.33.0") == []
    assert all(monitor["spec"]["selector"]["matchLabels"].items() <= pod.items() for pod in pods)
    assert of_kind(objects("openedx-consumers"), "PodMonitor") == []


def test_a_service_monitor_finds_its_service():
    documents = objects("deployment-everything")
    wanted = of_kind(documents, "ServiceMonitor")[0]["spec"]["selector"]["matchLabels"]

    found = [
        one
        for one in of_kind(documents, "Service")
        if wanted.items() <= one["metadata"]["labels"].items()
    ]

    assert [one["metadata"]["name"] for one in found] == ["events-metrics"]


def test_a_daemonset_is_reached_from_its_own_node_only():
    service = of_kind(objects("daemonset"), "Service")[0]

    assert service["spec"]["internalTrafficPolicy"] == "Local"


def test_a_policy_lets_out_to_kafka_the_registry_and_names_only():
    policy = of_kind(objects("deployment-everything"), "NetworkPolicy")[0]["spec"]

    ports = [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]
    assert ports == [[53, 53], [9093], [8443], [88]]
    assert policy["egress"][1]["to"]


def test_a_policy_lets_metrics_be_scraped_and_clients_in():
    policy = of_kind(objects("deployment-everything"), "NetworkPolicy")[0]["spec"]

    scrape, clients, _ = policy["ingress"]
    assert scrape["ports"] == [{"port": 7421, "protocol": "TCP"}]
    assert clients["ports"] == [{"port": 7443, "protocol": "TCP"}]
    assert {"namespaceSelector": {"matchLabels": {"events": "allowed"}}} in clients["from"]


def test_a_policy_of_a_sidecar_lets_only_the_scrape_in():
    policy = of_kind(objects("sidecar"), "NetworkPolicy")[0]["spec"]

    assert [rule["ports"] for rule in policy["ingress"]] == [[{"port": 7421, "protocol": "TCP"}]]


def test_pods_of_helm_test_fetch_the_image_and_have_the_files_as_the_gateway_does():
    documents = objects("deployment-everything")
    specs = pod_specs(documents)
    real, config, health = (specs[f"events{end}"] for end in ("", "-test-config", "-test-health"))

    assert real["imagePullSecrets"] == [{"name": "registry"}]
    assert config["imagePullSecrets"] == health["imagePullSecrets"] == real["imagePullSecrets"]
    assert config["volumes"] == real["volumes"]
    assert config["containers"][0]["volumeMounts"] == gateway(real)["volumeMounts"]


@pytest.mark.parametrize("case", [case for case in CASES if "embedded" not in case])
def test_pods_of_helm_test_run_nothing_but_sidebus(case):
    for pod in of_kind(objects(case), "Pod"):
        for container in pod["spec"]["containers"]:
            assert "command" not in container
            assert container["args"][0] in ("health", "config")
            assert container["image"] == container_of(case)["image"]
