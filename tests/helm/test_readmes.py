"""What the pages tell people to paste is taken as it is."""

import re
import shutil

import pytest
import yaml
from charts import (
    CHART,
    HELMS,
    LIBRARY,
    ROOT,
    configurations,
    gateway,
    parse,
    pod_specs,
    run,
    template,
)
from expected import BINARY
from pod import ENVIRONMENT, moved

BROKER = "broker: {kind: kafka, kafka: {bootstrap_servers: [kafka:9092]}}\n"
INJECTION = ROOT / "deploy/injection.md"


def blocks(page):
    """The YAML of a page, block by block."""
    return re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def block(page, name):
    """The block that begins with the name of a file."""
    (found,) = [text for text in blocks(page) if text.startswith(f"# {name}\n")]
    return found


@pytest.mark.parametrize("program", HELMS)
def test_the_values_of_the_chart_are_good(program, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text(block(CHART / "README.md", "values.yaml"))

    answer = template(CHART, "--values", values, program=program)

    assert answer.returncode == 0, answer.stderr
    assert 'image: "registry.example.com/sidebus:0.1.0"' in answer.stdout


@pytest.mark.parametrize("program", HELMS)
def test_a_chart_of_ones_own_is_made_as_the_library_says(program, tmp_path):
    chart = tmp_path / "shop"
    (chart / "templates").mkdir(parents=True)
    page = LIBRARY / "README.md"
    head = "apiVersion: v2\nname: shop\nversion: 0.1.0\n"
    (chart / "Chart.yaml").write_text(head + block(page, "Chart.yaml"))
    for name in ("values.yaml", "templates/sidebus.yaml"):
        (chart / name).write_text(block(page, name))
    (chart / "templates/deployment.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec:\n"
        + block(page, "templates/deployment.yaml")
    )
    shutil.copytree(LIBRARY, chart / "charts/sidebus-lib")

    answer = template(chart, program=program)
    assert answer.returncode == 0, answer.stderr
    made = parse(answer.stdout)

    assert gateway(pod_specs(made)["shop"])["image"] == "registry.example.com/sidebus:0.1.0"
    (pod,) = [one["spec"]["template"] for one in made if one["kind"] == "Deployment"]
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "shop"
    assert sorted(one["kind"] for one in made) == ["ConfigMap", "Deployment", "PodMonitor"]


def configurations_of_pages():
    """{name: text} of those that somebody makes for pods that exist."""
    (injected,) = configurations([yaml.safe_load(text) for text in blocks(INJECTION)])
    (sidecar,) = [text for text in blocks(LIBRARY / "README.md") if text.startswith("listen:")]
    (shared,) = [text for text in blocks(CHART / "README.md") if text.startswith("listen:")]
    return {"injected": injected["config.yaml"], "sidecar": sidecar, "shared": shared}


@pytest.mark.skipif(not BINARY, reason="needs the gateway: ./dev build")
@pytest.mark.parametrize("name", configurations_of_pages())
def test_the_gateway_takes_the_configuration_of_a_page(name, tmp_path):
    for directory in ("run/sidebus", "run/sidebus-admin"):
        (tmp_path / directory).mkdir(parents=True)
    text = configurations_of_pages()[name]
    config = tmp_path / "config.yaml"
    config.write_text(moved(text if "\nbroker:" in text else text + BROKER, tmp_path))

    checked = run(BINARY, "config", "check", "--config", config, env=ENVIRONMENT)

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", configurations_of_pages())
def test_a_configuration_of_a_page_has_the_addresses_of_the_chart(name):
    config = yaml.safe_load(configurations_of_pages()[name])

    assert (config["admin"], config["probes"]) == ("0.0.0.0:7421", "0.0.0.0:7422")
    assert config["admin_api"] == "unix:/run/sidebus-admin/admin.sock"
