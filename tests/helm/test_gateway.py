"""The real gateway takes every configuration of the charts, and lives as its container says."""

import signal

import pytest
import yaml
from charts import CASES, ROOT, configurations, containers, objects, of_kind, pod_specs, run
from expected import BINARY
from pod import ENVIRONMENT, Container, environment, lay_out, moved

pytestmark = pytest.mark.skipif(not BINARY, reason="needs the gateway: ./dev build")


WITH_CONFIG = [case for case in CASES if configurations(objects(case))]


@pytest.mark.parametrize("case", WITH_CONFIG)
def test_the_gateway_takes_the_configuration(case, tmp_path):
    container = lay_out(objects(case), tmp_path)
    config = moved(container["args"][1], tmp_path)

    checked = run(BINARY, "config", "check", config, env=ENVIRONMENT)

    assert checked.returncode == 0, checked.stderr
    assert "warning" not in checked.stderr, checked.stderr


def plain_configurations():
    """{name: text} of the configurations in deploy/manifests and deploy/kustomize."""
    texts = {"kustomize": (ROOT / "deploy/kustomize/example/config.yaml").read_text()}
    for path in sorted(ROOT.glob("deploy/manifests/*.yaml")):
        for data in configurations(filter(None, yaml.safe_load_all(path.read_text()))):
            texts[path.name] = data["config.yaml"]
    return texts


@pytest.mark.parametrize("name", plain_configurations())
def test_the_gateway_takes_the_configuration_of_plain_manifests(name, tmp_path):
    for directory in ("run/sidebus", "run/sidebus-admin"):
        (tmp_path / directory).mkdir(parents=True)
    config = tmp_path / "config.yaml"
    config.write_text(moved(plain_configurations()[name], tmp_path))

    checked = run(BINARY, "config", "check", "--config", config, env=ENVIRONMENT)

    assert checked.returncode == 0, checked.stderr


# --- a container without a cluster ----------------------------------------------------------------


@pytest.fixture
def container(tmp_path):
    with Container(objects("sidecar-embedded"), tmp_path) as one:
        yield one


def test_the_probes_of_the_container_succeed(container):
    assert container.probe("startupProbe")
    assert container.probe("readinessProbe")
    assert container.probe("livenessProbe")
    assert "sidebus_ready 1" in container.metrics()


def test_the_container_ends_as_its_pod_does(container):
    hook = container.spec["lifecycle"]["preStop"]["exec"]["command"]

    drained = container.run(*hook)
    assert drained.returncode == 0, drained.stderr
    assert "sidebus_draining 1" in container.metrics()
    published = container.run("/usr/local/bin/sidebus", "publish", "example.created", "{}")
    assert published.returncode == 0, published.stderr

    container.process.send_signal(signal.SIGTERM)
    assert container.process.wait(30) == 0


def test_the_application_of_the_example_runs(container):
    spec = pod_specs(objects("sidecar-embedded"))["r-sidebus"]
    application = next(one for one in containers(spec) if one["name"] == "app")

    published = container.run("/usr/local/bin/sidebus", "publish", "example.created", '{"n": 1}')
    assert published.returncode == 0, published.stderr

    ran = container.run(*application["command"], *application["args"], "--max=1")

    assert ran.returncode == 0, ran.stderr
    assert "example.created" in ran.stdout


# --- helm test ------------------------------------------------------------------------------------


def helm_test(case, name):
    """The container of a pod of `helm test`; None where the case has no such pod."""
    specs = pod_specs(of_kind(objects(case), "Pod"))
    found = [spec for pod, spec in specs.items() if pod.endswith(f"-test-{name}")]
    return found[0]["containers"][0] if found else None


def ran(test, folder, change=lambda part: part):
    """What became of it."""
    arguments = [change(moved(part, folder)) for part in test["args"]]
    return run(BINARY, *arguments, env=environment(test, folder))


@pytest.mark.parametrize("case", [case for case in WITH_CONFIG if helm_test(case, "config")])
def test_helm_test_takes_the_configuration_and_no_other(case, tmp_path):
    lay_out(objects(case), tmp_path)
    test = helm_test(case, "config")

    good = ran(test, tmp_path)
    (tmp_path / "etc/sidebus/config.yaml").write_text("broker: {kind: rabbit}\n")
    bad = ran(test, tmp_path)

    assert good.returncode == 0, good.stderr
    assert bad.returncode == 1
    assert "rabbit" in bad.stderr


@pytest.mark.parametrize("case", ["deployment", "daemonset"])
def test_helm_test_finds_the_gateway_through_its_service_and_tells_when_it_is_gone(case, tmp_path):
    (service,) = of_kind(objects(case), "Service")
    (port,) = [port for port in service["spec"]["ports"] if port["targetPort"] == "grpc"]
    test, name = helm_test(case, "health"), f"{service['metadata']['name']}:{port['port']}"
    assert any(name in part for part in test["args"])

    with Container(objects(case), tmp_path) as container:

        def here(part):
            return part.replace(name, container.address("grpc"))

        good = ran(test, tmp_path, here)
    bad = ran(test, tmp_path, lambda part: here(part).replace("--wait=30s", "--wait=100ms"))

    assert (good.returncode, good.stdout) == (0, "SERVING\n"), good.stderr
    assert bad.returncode == 2, bad.stderr
