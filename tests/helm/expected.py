"""The files that are made from others: what they must be. `./dev helm --update` writes them."""

import json
import os
import re

import yaml
from charts import CASES, CHART, GOLDEN, LIBRARY, ROOT, gateway, objects, pod_specs, rendered, run

BINARY = os.environ.get("SIDEBUS_BINARY")

MANIFESTS = {
    "sidecar.yaml": "sidecar",
    "deployment.yaml": "deployment",
    "daemonset.yaml": "daemonset",
    "injection.yaml": "injection",
}

# Of no use without helm.
HELMS_OWN = re.compile(
    r"^ *(helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: .*|namespace: default|# Source: .*)\n",
    re.MULTILINE,
)


def golden(case):
    """A rendering, without the text of the dashboard, which is a file already."""
    return re.sub(r"(  sidebus\.json: )\|\n(?:    .*\n)+", r"\1(the file)\n", rendered(case))


def manifest(name):
    """A case without what only helm and Prometheus' operator know."""
    case = MANIFESTS[name]
    kept = [
        HELMS_OWN.sub("", text)
        for text in rendered(case).split("---\n")
        if "helm.sh/hook: test" not in text and "apiVersion: monitoring.coreos.com/" not in text
    ]
    text = "---\n".join(kept).replace("r-sidebus", "sidebus")
    text = re.sub(r"((?:instance|gateway): )\"?r\"?\n", r"\1sidebus\n", text)
    return (
        f"# helm/sidebus/ci/{case}-values.yaml without helm. Made by: ./dev helm --update\n"
        f"# Replace the image sidebus:0.1.0 by yours.\n{text}"
    )


def kustomize_patch():
    """The pod's part of the sidecar, as a patch for any workload."""
    spec = next(spec for name, spec in pod_specs(objects("sidecar")).items() if "test" not in name)
    volumes = [
        {"name": "sidebus-config", "configMap": {"name": "sidebus"}},
        *[volume for volume in spec["volumes"] if volume["name"] != "sidebus-config"],
    ]
    mounted = {mount["name"] for mount in gateway(spec)["volumeMounts"]}
    assert mounted == {volume["name"] for volume in volumes}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "any"},
        "spec": {
            "template": {
                "metadata": {"labels": {"sidebus.dev/gateway": "sidebus"}},
                "spec": {
                    "securityContext": {"fsGroup": spec["securityContext"]["fsGroup"]},
                    "initContainers": [gateway(spec)],
                    "volumes": volumes,
                },
            }
        },
    }
    return "# The sidecar of the chart. Made by: ./dev helm --update\n" + yaml.safe_dump(
        patch, sort_keys=False, width=100
    )


def schema_with_config():
    """The schema of the library's values, with that of the gateway's configuration in it."""
    path = LIBRARY / "values.schema.json"
    schema = json.loads(path.read_text())
    if BINARY:
        config = json.loads(run(BINARY, "config", "schema").stdout)
        del config["$schema"]
        schema["$defs"]["config"] = config
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def documented_values(chart):
    """[(key, default, description)] of a values.yaml: `# -- description` is above its key."""
    lines = (chart / "values.yaml").read_text().splitlines()
    defaults = yaml.safe_load("\n".join(lines))
    rows, path, description = [], [], None
    for line in lines:
        if match := re.match(r" *# -- (.*)", line):
            description = match[1]
        elif match := re.match(r"( *)([A-Za-z]+):", line):
            path = [*path[: len(match[1]) // 2], match[2]]
            if description is not None:
                value = defaults
                for key in path:
                    value = value[key]
                rows.append((".".join(path), value, description))
            description = None
    return rows


def undocumented_values(chart):
    """The keys of a values.yaml that have no description, nor has a map that they are in."""
    documented = {key for key, _, _ in documented_values(chart)}

    def walk(path, value):
        if path in documented:
            return
        if not isinstance(value, dict) or not value:
            yield path
            return
        for key, inner in value.items():
            yield from walk(f"{path}.{key}" if path else key, inner)

    return list(walk("", yaml.safe_load((chart / "values.yaml").read_text())))


def readme(chart):
    path = chart / "README.md"
    table = ["| value | default | what it is |", "|---|---|---|"]
    for key, value, description in documented_values(chart):
        text = json.dumps(value) if value not in ("", [], {}) else ""
        table.append(f"| `{key}` | {f'`{text}`' if text else ''} | {description} |")
    begin, end = "<!-- values: ./dev helm --update -->\n", "<!-- end of values -->"
    before, _, rest = path.read_text().partition(begin)
    return before + begin + "\n".join(table) + "\n" + end + rest.partition(end)[2]


def files():
    """{path: function that makes its text}"""
    made = {GOLDEN / f"{case}.yaml": lambda case=case: golden(case) for case in CASES}
    made |= {
        ROOT / "deploy/manifests" / name: lambda name=name: manifest(name) for name in MANIFESTS
    }
    made |= {chart / "README.md": lambda chart=chart: readme(chart) for chart in (CHART, LIBRARY)}
    made[ROOT / "deploy/kustomize/component/sidecar.yaml"] = kustomize_patch
    made[LIBRARY / "values.schema.json"] = schema_with_config
    return made
