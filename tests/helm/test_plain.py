"""Without helm: the Kustomize component, the plain manifests, and that versions agree."""

import json
import re

import pytest
import yaml
from charts import (
    CHART,
    EXAMPLE,
    KUBERNETES,
    KUSTOMIZE,
    LIBRARY,
    MANIFESTS,
    ROOT,
    gateway,
    kustomized,
    objects,
    of_kind,
    parse,
    pod_specs,
)
from kubernetes import breaches, problems


def test_the_component_puts_the_charts_sidecar_first():
    documents = kustomized(KUSTOMIZE / "example")
    spec = pod_specs(documents)["shop"]

    sidecar = gateway(pod_specs(objects("sidecar"))["r-sidebus"])
    assert [one["name"] for one in spec["initContainers"]] == ["sidebus", "migrate"]
    assert spec["initContainers"][0] == sidecar | {"image": "registry.example.com/sidebus:0.1.0"}


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_what_the_component_makes_is_valid(kubernetes):
    assert problems(kustomized(KUSTOMIZE / "example"), kubernetes) == []


def test_the_component_mounts_the_configuration_by_its_content():
    documents = kustomized(KUSTOMIZE / "example")
    (made,) = of_kind(documents, "ConfigMap")
    volumes = pod_specs(documents)["shop"]["volumes"]

    name = made["metadata"]["name"]
    assert re.fullmatch(r"sidebus-[a-z0-9]{10}", name)
    assert {"name": "sidebus-config", "configMap": {"name": name}} in volumes
    mounted = {mount["name"] for mount in gateway(pod_specs(documents)["shop"])["volumeMounts"]}
    assert mounted == {volume["name"] for volume in volumes}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job"])
def test_the_component_is_for_workloads_with_the_label_and_no_others(tmp_path, kind):
    def workload(name, labels):
        pod = {"containers": [{"name": "app", "image": "app:1"}], "restartPolicy": "Always"}
        return {
            "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "labels": labels},
            "spec": {"template": {"metadata": {"labels": {"app": name}}, "spec": pod}},
        }

    folder = tmp_path / "app"
    folder.mkdir()
    (tmp_path / "component").symlink_to(KUSTOMIZE / "component")
    wanted, other = workload("wanted", {"sidebus.dev/gateway": "true"}), workload("other", {})
    (folder / "app.yaml").write_text(yaml.safe_dump_all([wanted, other]))
    (folder / "kustomization.yaml").write_text(
        json.dumps({"resources": ["app.yaml"], "components": ["../component"]})
    )

    documents = {one["metadata"]["name"]: one for one in kustomized(folder)}

    spec = documents["wanted"]["spec"]["template"]["spec"]
    assert [one["name"] for one in spec["initContainers"]] == ["sidebus"]
    assert documents["other"] == other


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_plain_manifest_is_valid_and_has_nothing_of_helm(path):
    text = path.read_text()

    assert problems(text, KUBERNETES[-1]) == []
    assert [breaches(spec) for spec in pod_specs(parse(text)).values() if breaches(spec)] == []
    assert "elm.sh" not in text
    assert "managed-by" not in text
    assert "namespace: default" not in text


def test_all_versions_are_that_of_the_gateway():
    project = re.search(r"project\(sidebus VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]

    for chart in (CHART, LIBRARY, EXAMPLE):
        read = yaml.safe_load((chart / "Chart.yaml").read_text())
        assert read["version"] == read["appVersion"] == project
        assert {one["version"] for one in read.get("dependencies", [])} <= {project}
    names = (LIBRARY / "templates/_names.tpl").read_text()
    assert f'define "sidebus.version" -}}}}\n{project}\n' in names
